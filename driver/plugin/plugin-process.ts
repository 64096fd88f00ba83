import { realpathSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import path from 'node:path';
import type { Logger } from '../contract/logger';
import type { MachineDriver } from '../contract/machine-driver';
import { RpcServer } from '../rpc';
import { CONTRACT_REGISTRY } from './contract-types';
import { guardFaults, guardStreams } from './guards';
import { watchLife } from './life-sign';
import { describeMachineService } from './machine-service';
import { allowedUids, identifyPeer } from './peer-check';
import { createStreamLogger } from './stream-logger';

/** What a driver is given by the process it runs in. */
export interface DriverSurroundings {
  readonly logger: Logger;
  /** Folder of the built programs. */
  readonly programsDir: string;
}

export interface PluginProcessOptions {
  /** Listens already, and pauses its connections. */
  readonly server: Server;
  /** Connections that came in before. */
  readonly waiting: readonly Socket[];
  loadDriver(surroundings: DriverSurroundings): Promise<MachineDriver>;
  exit(code: number): void;
  /** Time without a call after which the client is taken for dead; 10 s by contract. */
  readonly silenceLimitMs?: number;
}

/** How long the driver may take to undo what it had begun. */
const ABANDON_LIMIT_MS = 5_000;

/** How long the peer may take to read our last answers. */
const LINGER_MS = 300;

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** Runs the plugin behind a server that is listening, until the client closes it, falls silent, or a signal comes. */
export function runPlugin({ server, waiting, loadDriver, exit, silenceLimitMs }: PluginProcessOptions): void {
  guardFaults(exit);
  guardStreams();
  const logger = createStreamLogger(process.stdout, process.stderr);

  let loading: Promise<MachineDriver> | undefined;
  const driver = (): Promise<MachineDriver> => {
    const programsDir = path.dirname(realpathSync(process.argv[1] ?? process.execPath));
    loading ??= loadDriver({ logger, programsDir });
    return loading;
  };

  let ending = false;
  const end = async (code: number): Promise<void> => {
    if (ending) return;
    ending = true;
    life.stop();
    server.close();
    // Close and death come to the same for a Create that is still under way: nobody will hear of its machine.
    await within(
      ABANDON_LIMIT_MS,
      loading?.then((it) => it.abandon()),
    );
    await rpc.close(LINGER_MS);
    await within(LINGER_MS, Promise.all([process.stdout, process.stderr].map(drain)));
    exit(code);
  };

  const life = watchLife(() => {
    logger.debug('no sign of life of the client: the plugin ends');
    void end(1);
  }, silenceLimitMs);

  const rpc = new RpcServer({
    services: describeMachineService({ driver, logger, onClosed: () => void end(0) }),
    registry: CONTRACT_REGISTRY,
    admit: admitAllowedUsers(logger),
    onCall: () => life.renew(),
    onFault: (text) => logger.debug(text),
  });
  for (const socket of waiting) rpc.accept(socket);
  server.on('connection', (socket: Socket) => rpc.accept(socket));
  server.on('error', (error) => logger.debug(`cannot accept a connection: ${error.message}`));

  for (const [signal, number] of Object.entries(SIGNALS)) {
    // Ctrl-C reaches the client as well, which goes at once; whoever insists needs not wait for our clean-up.
    process.on(signal, () => (ending ? exit(128 + number) : void end(128 + number)));
  }
}

/** Lets in who may drive this plugin, see peer-check.ts. */
function admitAllowedUsers(logger: Logger): (socket: Socket) => Promise<boolean> {
  const allowed = allowedUids(process.ppid);
  return async (socket) => {
    const { localAddress, localPort, remoteAddress, remotePort } = socket;
    if (localAddress === undefined || localPort === undefined) return false;
    if (remoteAddress === undefined || remotePort === undefined) return false; // It has gone already.
    const peer = await identifyPeer({ localAddress, localPort, remoteAddress, remotePort });
    if (peer.kind === 'unknown') return true;
    if (peer.kind === 'uid' && (await allowed).has(peer.uid)) return true;
    const who = peer.kind === 'uid' ? `user ${peer.uid}` : 'a process that does not own it any more';
    logger.debug(`refused a connection of ${who}`);
    return false;
  };
}

function drain(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

/** Waits for something that may fail or hang, but not for long. */
async function within(limitMs: number, work: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    work?.catch(() => {}),
    new Promise((resolve) => {
      timer = setTimeout(resolve, limitMs);
    }),
  ]);
  clearTimeout(timer);
}
