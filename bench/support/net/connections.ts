import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Figures, round } from './figures';
import { type NetworkUnderTest, type Place, type Rounds, takeTurns, withNetwork } from './network';
import { forgetPeak, idleCpuPercent, memory } from './processes';

const ROUNDS = 3;
const MTU = 1_500;
const CONNECTIONS = 10_000;
/** Host ports the connections are spread over: each has a range of the gateway's ephemeral ports to itself. */
const PORTS = 4;
/** Descriptors that a process here needs besides its connections. */
const SPARE_DESCRIPTORS = 500;
/** A network that holds fewer has no figure. */
const ENOUGH = 0.99 * CONNECTIONS;
/** The client spends up to 180 s on its exchanges, and idleness takes 4 s. */
const DEADLINE_MS = 210_000;
/** A network whose turn takes longer has only one. */
const SLOW_MS = 60_000;

/**
 * Connections held open through each network, which is new for every turn, and the memory of its processes: `peakMB` is
 * NaN for a network that did not hold 99 % of them.
 */
export async function measureConnections(networks: readonly NetworkUnderTest[]): Promise<Rounds<Figures>> {
  allowDescriptors(CONNECTIONS + SPARE_DESCRIPTORS);
  const slow = new Map<string, Figures>();
  return takeTurns(networks, ROUNDS, async (network) => {
    const known = slow.get(network.name);
    if (known !== undefined) return known;
    const begun = performance.now();
    const figures = await withNetwork(network, MTU, holdConnections);
    if (performance.now() - begun > SLOW_MS) slow.set(network.name, figures);
    return figures;
  });
}

async function holdConnections(place: Place): Promise<Figures> {
  const echo = await Echo.listen();
  const before = memory(place.processIds);
  forgetPeak(place.processIds);
  const client = spawn(
    ...place.namespace.inside(
      'perl',
      path.resolve('bench/support/net/hold-connections.pl'),
      ...[place.hostAddress, echo.ports.join(','), String(CONNECTIONS)],
    ),
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  client.stdin.on('error', () => undefined);
  const timer = setTimeout(() => client.kill('SIGKILL'), DEADLINE_MS);
  const ended = once(client, 'close');
  try {
    const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
    const [opened, seconds] = await numbersOf(lines);
    const idle = await idleCpuPercent([place]);
    client.stdin.write('again\n');
    const [alive] = await numbersOf(lines);
    const { residentMB: heldMB, peakMB } = memory(place.processIds);
    client.stdin.end('enough\n');
    await ended;
    await sleep(2_000);
    return {
      opened,
      alive,
      openedPerSecond: round(opened / seconds),
      beforeMB: before.residentMB,
      heldMB,
      peakMB: alive >= ENOUGH ? peakMB : Number.NaN,
      peakOfThoseHeldMB: peakMB,
      afterMB: memory(place.processIds).residentMB,
      idleCpuPercentHolding: idle[place.name] ?? Number.NaN,
    };
  } finally {
    clearTimeout(timer);
    client.kill('SIGKILL');
    await ended;
    echo.close();
  }
}

/** Two numbers of the next line; the second may be missing. */
async function numbersOf(lines: AsyncIterator<string>): Promise<readonly [number, number]> {
  const { value, done } = await lines.next();
  if (done === true) throw new Error('the client that holds connections ended before its time');
  const [first = Number.NaN, second = Number.NaN] = value.split(' ').map(Number);
  return [first, second];
}

/** A server on several ports of the host's loopback that says back what it hears. */
class Echo {
  readonly #sockets = new Set<Socket>();

  private constructor(private readonly servers: readonly Server[]) {
    for (const server of servers) server.on('connection', (socket) => this.#serve(socket));
  }

  static async listen(): Promise<Echo> {
    const servers = Array.from({ length: PORTS }, () => createServer());
    for (const server of servers) {
      server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 });
      await once(server, 'listening');
    }
    return new Echo(servers);
  }

  get ports(): readonly number[] {
    return this.servers.map((server) => {
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    socket.pipe(socket);
  }

  close(): void {
    for (const server of this.servers) server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}

/** Raises the limit of this process and so of those it starts; Node itself has gone up to the hard limit already. */
function allowDescriptors(count: number): void {
  const limit = spawnSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).stdout.trim();
  if (limit === 'unlimited' || Number(limit) >= count) return;
  const words = ['--pid', String(process.pid), `--nofile=${count}:${count}`];
  const { status, stderr, error } = spawnSync('prlimit', words, { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(
      `cannot hold ${CONNECTIONS} connections: ${limit} open files are allowed (${error?.message ?? stderr.trim()}); ` +
        `raise the hard limit (ulimit -Hn) to ${count}`,
    );
  }
}
