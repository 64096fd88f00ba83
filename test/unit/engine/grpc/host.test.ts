import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client as Channel, credentials, Metadata, status } from '@grpc/grpc-js';
import { EngineError } from '../../../../engine/errors';
import { createClient, GrpcError, openChannel, type ServiceClient } from '../../../../engine/grpc/client';
import { ENGINE_FAULTS } from '../../../../engine/grpc/fault';
import { describeService, type Handlers } from '../../../../engine/grpc/handlers';
import { GrpcHost } from '../../../../engine/grpc/host';
import { LIMITS } from '../../../../engine/grpc/limits';
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from '../../../../proto/generated/grpc/health/v1/health_pb';
import { ServerReflection } from '../../../../proto/generated/grpc/reflection/v1/reflection_pb';
import { MachineControl } from '../../../../proto/generated/hyperkit/machine/v1/machine_pb';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';

const folder = temporaryFolder();
const socketPath = path.join(folder, 's');

/** What a test's handlers do; the others refuse. */
let handlers: { -readonly [K in keyof Handlers<typeof MachineControl>]?: Handlers<typeof MachineControl>[K] };
let log: string[];
let host: GrpcHost;
let server: Server;
let channel: Channel;
let control: ServiceClient<typeof MachineControl>;

type AnyHandler = (...words: unknown[]) => unknown;

const PROXY = new Proxy({} as Handlers<typeof MachineControl>, {
  get:
    (_target, name): AnyHandler =>
    (...words) =>
      ((handlers as Readonly<Record<string | symbol, AnyHandler>>)[name] ?? refuse)(...words),
});
const refuse = async (): Promise<never> => {
  throw new EngineError('HK_REQUEST_UNSUPPORTED', 'cannot do this: it is a test');
};

beforeEach(async () => {
  handlers = {};
  log = [];
  const services = [describeService(MachineControl, PROXY)];
  host = new GrpcHost({ services, faults: ENGINE_FAULTS, log: (line) => log.push(line) });
  server = createServer((socket) => host.accept(socket));
  server.listen(socketPath);
  await once(server, 'listening');
  channel = openChannel(`unix:${socketPath}`, credentials.createInsecure());
  control = createClient(MachineControl, channel);
});

afterEach(async () => {
  channel.close();
  server.close();
  await host.close(0);
});

async function failure(call: Promise<unknown>): Promise<GrpcError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof GrpcError)) throw new Error(`expected a GrpcError, not ${String(error)}`);
  return error;
}

async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

describe('errors', () => {
  test('carry code, message and mend', async () => {
    handlers.kill = async () => {
      throw new EngineError('HK_ADDRESS_IN_USE', 'cannot listen on 127.0.0.1:1: taken ½');
    };
    expect(await failure(control.kill({}))).toMatchObject({
      code: 'HK_ADDRESS_IN_USE',
      message: 'cannot listen on 127.0.0.1:1: taken ½',
      status: status.UNAVAILABLE,
      mend: 'stop the program that the text names',
    });
    expect(log).toEqual([]);
  });

  test('that nobody meant are told as such, and logged with their stack', async () => {
    handlers.kill = async () => {
      throw new TypeError('x is not a function');
    };
    expect(await failure(control.kill({}))).toMatchObject({
      code: 'HK_UNEXPECTED',
      message: 'unexpected: x is not a function',
      status: status.INTERNAL,
    });
    expect(log.join()).toContain('host.test.ts');
  });

  test('of any length and any text arrive', async () => {
    handlers.kill = async () => {
      throw new EngineError('HK_MACHINE_FAILED', `a\nb \ud800 ${'long '.repeat(10_000)}`);
    };
    const { message } = await failure(control.kill({}));
    expect(message).toMatch(/^a\nb \ufffd long .*… \(cut\)$/s);
    expect(message.length).toBeLessThan(2100);
  });

  test('of a stream come after its messages', async () => {
    handlers.watchEvents = async (_request, outlet) => {
      outlet.send({ event: { case: 'exit', value: { detail: 'first' } } });
      throw new EngineError('HK_MACHINE_RUNNING', 'no');
    };
    const seen: unknown[] = [];
    const watching = (async () => {
      for await (const { event } of control.watchEvents({})) seen.push(event.value);
    })();
    expect(await failure(watching)).toMatchObject({ code: 'HK_MACHINE_RUNNING' });
    expect(seen).toEqual([expect.objectContaining({ detail: 'first' })]);
  });
});

describe('a call that nobody waits for', () => {
  test.each([
    ['deadline', () => ({ timeoutMs: 100 }), status.DEADLINE_EXCEEDED],
    ['cancellation', () => ({ signal: AbortSignal.timeout(100) }), status.CANCELLED],
  ])('is told so: %s', async (_name, options, expected) => {
    let told = false;
    handlers.pause = async (_request, signal) => {
      await once(signal, 'abort');
      told = true;
      return {};
    };
    expect(await failure(control.pause({}, options()))).toMatchObject({ status: expected });
    await until('the handler hears of it', () => told);
    await until('the call is over', () => host.calls === 0);
  });

  test('so does a stream whose reader goes away', async () => {
    let told = false;
    handlers.watchEvents = async (_request, outlet, signal) => {
      outlet.send({});
      await once(signal, 'abort');
      told = true;
    };
    for await (const _event of control.watchEvents({})) break;
    await until('the handler hears of it', () => told);
  });
});

test('a slow reader holds the sender up', async () => {
  let sent = 0;
  handlers.watchEvents = async (_request, outlet, signal) => {
    while (!signal.aborted && sent < 10_000) {
      sent++;
      if (!outlet.send({ event: { case: 'exit', value: { detail: 'x'.repeat(10_000) } } })) await outlet.drained();
    }
  };
  const reader = control.watchEvents({})[Symbol.asyncIterator]();
  await reader.next();
  await sleep(300);
  expect(sent).toBeLessThan(2_000);
  await reader.return?.();
  await until('the sender has stopped', () => host.calls === 0);
});

test('messages both ways', async () => {
  handlers.console = async (inputs, outlet) => {
    for await (const { data } of inputs) outlet.send({ data: Buffer.from(data).reverse() });
  };
  async function* words() {
    yield { data: Buffer.from('abc') };
    yield { data: Buffer.from('def') };
  }
  const answers = await collect(control.console(words()));
  expect(answers.map(({ data }) => Buffer.from(data).toString())).toEqual(['cba', 'fed']);
});

describe('limits', () => {
  test('a message', async () => {
    handlers.addForward = async () => ({});
    const hostAddress = 'x'.repeat(LIMITS.messageBytes);
    expect(await failure(control.addForward({ hostAddress }))).toMatchObject({ status: status.RESOURCE_EXHAUSTED });
    await control.addForward({ hostAddress: 'x'.repeat(LIMITS.messageBytes - 10) });
  });

  test('metadata', async () => {
    handlers.kill = async () => ({});
    const call = (bytes: number) =>
      new Promise((resolve) => {
        const metadata = new Metadata();
        metadata.set('x', 'y'.repeat(bytes));
        channel.makeUnaryRequest(
          '/hyperkit.machine.v1.MachineControl/Kill',
          () => Buffer.alloc(0),
          (bytes) => bytes,
          {},
          metadata,
          (error) => resolve(error?.code ?? 0),
        );
      });
    expect(await call(8 * 1024)).toBe(status.OK);
    expect(await call(LIMITS.metadataBytes + 1)).not.toBe(status.OK);
    await control.kill({});
  });

  test('connections', async () => {
    const sockets: Socket[] = [];
    for (let index = 0; index <= LIMITS.connections; index++) sockets.push(connect(socketPath));
    await until('the last one is closed', () => log.some((line) => line.includes('too many')));
    for (const socket of sockets) socket.destroy();
    await until(
      'there is room again',
      async () =>
        await control.kill({}).then(
          () => true,
          (error: GrpcError) => error.code === 'HK_REQUEST_UNSUPPORTED',
        ),
    );
  });

  test('calls at once of one connection', async () => {
    let now = 0;
    let most = 0;
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    handlers.pause = async () => {
      most = Math.max(most, ++now);
      await gate;
      now--;
      return {};
    };
    const calls = Array.from({ length: LIMITS.streams + 20 }, () => control.pause({}));
    await until('as many as may run do', () => now === LIMITS.streams);
    await sleep(100);
    release();
    await Promise.all(calls);
    expect(most).toBe(LIMITS.streams);
  });

  test('pings', async () => {
    const session = await rawSession();
    const goaway = once(session, 'goaway');
    for (let index = 0; index < LIMITS.idlePings * 2; index++) {
      if (session.destroyed || !session.ping(() => undefined)) break;
      await sleep(1);
    }
    const [, , reason] = (await goaway) as [number, number, Buffer];
    expect(reason.toString()).toBe('too_many_pings');
    session.destroy();
  });

  test('some pings are fine', async () => {
    const session = await rawSession();
    for (let index = 0; index < LIMITS.idlePings / 2; index++) {
      await new Promise<void>((resolve, reject) => {
        session.ping((error) => (error === null ? resolve() : reject(error)));
      });
    }
    session.destroy();
  });

  async function rawSession(): Promise<ClientHttp2Session> {
    const session = connectHttp2('http://localhost', { createConnection: () => connect(socketPath) });
    session.on('error', () => undefined);
    await once(session, 'connect');
    return session;
  }
});

describe('health', () => {
  test('of the server and its services', async () => {
    const health = createClient(Health, channel);
    expect(await health.check({})).toMatchObject({ status: Serving.SERVING });
    expect(await health.check({ service: 'hyperkit.machine.v1.MachineControl' })).toMatchObject({
      status: Serving.SERVING,
    });
    expect(await failure(health.check({ service: 'x' }))).toMatchObject({ status: status.NOT_FOUND });
  });

  test('whoever watches hears of the end', async () => {
    const health = createClient(Health, channel);
    const watching = collect(health.watch({}));
    await until('it is watched', () => host.calls === 1);
    await host.close(5_000);
    expect((await watching).map((each) => each.status)).toEqual([Serving.SERVING, Serving.NOT_SERVING]);
  });
});

test('reflection tells services and files', async () => {
  const reflection = createClient(ServerReflection, channel);
  async function* questions() {
    yield { messageRequest: { case: 'listServices', value: '' } } as const;
    yield {
      messageRequest: { case: 'fileContainingSymbol', value: 'hyperkit.machine.v1.MachineControl.Kill' },
    } as const;
    yield { messageRequest: { case: 'fileContainingSymbol', value: 'nowhere' } } as const;
    yield {} as const;
  }
  const [services, file, nowhere, nothing] = await collect(reflection.serverReflectionInfo(questions()));
  expect(services?.messageResponse.value).toMatchObject({
    service: [
      { name: 'grpc.health.v1.Health' },
      { name: 'grpc.reflection.v1.ServerReflection' },
      { name: 'grpc.reflection.v1alpha.ServerReflection' },
      { name: 'hyperkit.machine.v1.MachineControl' },
    ],
  });
  // The machine's file, and the time stamp that it imports.
  expect(file?.messageResponse).toMatchObject({
    case: 'fileDescriptorResponse',
    value: { fileDescriptorProto: [expect.any(Uint8Array), expect.any(Uint8Array)] },
  });
  expect(nowhere?.messageResponse).toMatchObject({ value: { errorCode: status.NOT_FOUND } });
  expect(nothing?.messageResponse).toMatchObject({ value: { errorCode: status.INVALID_ARGUMENT } });
});

describe('the end', () => {
  test('waits for calls, but not longer than it was told, and tells them', async () => {
    let undone = false;
    handlers.pause = async (_request, signal) => {
      await once(signal, 'abort');
      await sleep(50);
      undone = true;
      throw signal.reason;
    };
    const call = failure(control.pause({}));
    await until('it runs', () => host.calls === 1);
    await host.close(100);
    expect(undone).toBe(true);
    expect((await call).message).toContain('the server ends');
  });

  test('comes at once when nothing runs', async () => {
    handlers.kill = async () => ({});
    await control.kill({});
    const begun = performance.now();
    await host.close(60_000);
    expect(performance.now() - begun).toBeLessThan(30_000);
  });
});
