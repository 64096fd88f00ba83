import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Namespace, withNamespace } from '../../../test/support/namespace';

/** A user-mode network to measure: something that connects a namespace to the host through a tap device. */
export interface NetworkUnderTest {
  readonly name: string;
  /** Connects the namespace, up to its address and default route. Rejects with the reason when that fails. */
  start(namespace: Namespace, mtu: number): Promise<RunningNetwork>;
}

export interface RunningNetwork {
  /** Where the namespace reaches a server that listens on the host's 127.0.0.1. */
  readonly hostAddress: string;
  /** Every process that carries frames. */
  readonly processIds: readonly number[];
  stop(): Promise<void>;
}

/** A namespace that is connected. */
export interface Place {
  readonly name: string;
  readonly namespace: Namespace;
  readonly hostAddress: string;
  readonly processIds: readonly number[];
}

const DEADLINE_MS = 15_000;

/** Connects a namespace of its own to the host for as long as `use` takes. */
export function withNetwork<T>(network: NetworkUnderTest, mtu: number, use: (place: Place) => Promise<T>): Promise<T> {
  return withNamespace(async (namespace) => {
    const running = await network.start(namespace, mtu);
    try {
      await untilReachable(network.name, namespace, running.hostAddress);
      return await use({ ...running, name: network.name, namespace });
    } finally {
      await running.stop();
    }
  });
}

/** Connects a namespace for each network; all are up at the same time, as idle ones cost nothing. */
export function withNetworks<T>(
  networks: readonly NetworkUnderTest[],
  mtu: number,
  use: (places: readonly Place[]) => Promise<T>,
  up: readonly Place[] = [],
): Promise<T> {
  const [next, ...rest] = networks;
  if (next === undefined) return use(up);
  return withNetwork(next, mtu, (place) => withNetworks(rest, mtu, use, [...up, place]));
}

/** What was measured, round by round, by the network's name. */
export type Rounds<T> = Readonly<Record<string, readonly T[]>>;

/** A B C D, A B C D, …: a machine that is busy for a while is so for everybody. */
export async function takeTurns<P extends { readonly name: string }, T>(
  participants: readonly P[],
  rounds: number,
  turn: (participant: P) => Promise<T>,
): Promise<Rounds<T>> {
  const results: Record<string, T[]> = Object.fromEntries(participants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const participant of participants) results[participant.name]?.push(await turn(participant));
  }
  return results;
}

/** Gateways have no common way to say that they are ready, so a connection is tried until it succeeds. */
async function untilReachable(name: string, namespace: Namespace, hostAddress: string): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const end = performance.now() + DEADLINE_MS;
    for (;;) {
      const { code } = await namespace.run('nc', ['-z', '-w', '1', hostAddress, String(port)]);
      if (code === 0) return;
      if (performance.now() > end) {
        throw new Error(`cannot measure ${name}: the host is not reachable through it after ${DEADLINE_MS} ms`);
      }
      await sleep(100);
    }
  } finally {
    server.close();
  }
}
