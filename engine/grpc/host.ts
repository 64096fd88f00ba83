import type { Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DescService } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { EngineError } from '../errors';
import { closeWhenAnswered } from './answered-stream';
import { adaptHandler, type CallKeeper } from './call-adapter';
import type { FaultTable } from './fault';
import type { DescribedService } from './handlers';
import { Health } from './health';
import { LIMITS, SERVER_OPTIONS } from './limits';
import { defineMethod } from './method-definition';
import { describeReflection } from './reflection';
import { guardSession } from './session-guard';

export interface GrpcHostOptions {
  readonly services: readonly DescribedService[];
  readonly faults: FaultTable;
  readonly log: (line: string) => void;
}

/** How long calls that were told to end may take to undo what they had begun. */
const UNDO_MS = 20_000;
const LAST_BYTES_MS = 500;

/**
 * Serves gRPC, with health and reflection, on connections that somebody else accepts and trusts: listening, TLS and who
 * may connect are not its business.
 */
export class GrpcHost {
  readonly #server = new Server(SERVER_OPTIONS);
  readonly #http2: Http2Server;
  readonly #health: Health;
  readonly #connections = new Set<Socket>();
  readonly #running = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  #closing = false;
  readonly #log: (line: string) => void;

  constructor({ services, faults, log }: GrpcHostOptions) {
    this.#log = log;
    this.#health = new Health(services.map(({ descriptor }) => descriptor.typeName));
    const served = [...services, this.#health.service];
    const keeper: CallKeeper = {
      faults,
      run: (cancelled, work) => this.#run(cancelled, work),
      onFault: (error) => log(`a call failed: ${error instanceof Error ? error.stack : String(error)}`),
    };
    for (const service of [...served, ...describeReflection(served.map(({ descriptor }) => descriptor))]) {
      this.#server.addService(definitionOf(service.descriptor), implementationOf(service, keeper));
    }
    this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#http2 = http2ServerOf(this.#server);
    this.#http2.updateSettings({ maxConcurrentStreams: LIMITS.streams, maxHeaderListSize: LIMITS.metadataBytes });
    this.#http2.on('session', guardSession);
    this.#http2.on('stream', closeWhenAnswered);
  }

  /** Takes over a connection; one too many is closed. */
  accept(socket: Socket): void {
    if (this.#closing || this.#connections.size >= LIMITS.connections) {
      this.#log(`refused a connection: ${this.#closing ? 'the server ends' : 'there are too many'}`);
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
    socket.on('error', () => undefined);
    this.#http2.emit('connection', socket);
  }

  /** Calls that have not been answered, or are still being undone. */
  get calls(): number {
    return this.#running.size;
  }

  /**
   * Ends in good order: no new connections and calls, those that run may go on for `graceMs`, then they are told to end and undone.
   * Bounded.
   */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#health.end();
    const closed = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    await Promise.race([closed, this.#settled(), sleep(graceMs, undefined, { ref: false })]);
    this.#ending.abort(new EngineError('HK_UNEXPECTED', 'the server ends'));
    await Promise.race([this.#settled(), sleep(UNDO_MS, undefined, { ref: false })]);
    await Promise.race([closed, sleep(LAST_BYTES_MS, undefined, { ref: false })]);
    this.#server.forceShutdown();
    for (const socket of this.#connections) socket.destroy();
  }

  async #settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #run(cancelled: (abort: () => void) => void, work: (signal: AbortSignal) => Promise<void>): void {
    const call = new AbortController();
    cancelled(() => call.abort());
    const running = work(AbortSignal.any([call.signal, this.#ending.signal])).finally(() => {
      this.#running.delete(running);
    });
    this.#running.add(running);
  }
}

function definitionOf({ methods }: DescService): ServiceDefinition {
  return Object.fromEntries(methods.map((method) => [method.localName, defineMethod(method)]));
}

function implementationOf(
  { descriptor, handlers }: DescribedService,
  keeper: CallKeeper,
): UntypedServiceImplementation {
  return Object.fromEntries(
    descriptor.methods.map((method) => [method.localName, adaptHandler(method, handlers[method.localName], keeper)]),
  );
}

/**
 * The HTTP/2 server inside of grpc-js, which has no other way to its sessions. Held by a test, as is grpc-js by an exact
 * version.
 */
function http2ServerOf(server: Server): Http2Server {
  const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<Http2Server, unknown> };
  const [http2] = http2Servers?.keys() ?? [];
  if (http2 === undefined) throw new EngineError('HK_UNEXPECTED', 'this version of grpc-js hides its HTTP/2 server');
  return http2;
}
