import type { Measurement } from '../measurement';
import { compareNetworks, type Figures, round } from './figures';
import { runIperf } from './iperf';
import { type NetworkUnderTest, type Place, type Rounds, takeTurns, withNetworks } from './network';
import { ours } from './ours';
import { findPeers } from './peers';
import { idleCpuPercent } from './processes';

const ROUNDS = 3;
const SECONDS = 2;
/** In the first second windows grow; it is not counted. */
const OMITTED_SECONDS = 1;

const TESTS = [
  { name: 'guestToHost', from: 'guest', streams: 1 },
  { name: 'hostToGuest', from: 'host', streams: 1 },
  { name: 'guestToHostFourStreams', from: 'guest', streams: 4 },
  { name: 'hostToGuestFourStreams', from: 'host', streams: 4 },
] as const;

/** TCP throughput through every network at an MTU. */
export async function compareTcp(name: string, mtu: number): Promise<Measurement> {
  const { networks, missing } = findPeers();
  const { rounds, idle } = await measureTcp([ours, ...networks], mtu);
  const counted = TESTS.map((test) => test.name);
  const details = { mtu, idleCpuPercent: idle, missing };
  return compareNetworks({ name, unit: 'Gbit/s', better: 'higher', counted, rounds, details });
}

/** Gbit/s of each test, and the CPU seconds that the network's processes spent on a GB. */
export function measureTcp(
  networks: readonly NetworkUnderTest[],
  mtu: number,
): Promise<{ readonly rounds: Rounds<Figures>; readonly idle: Figures }> {
  return withNetworks(networks, mtu, async (places) => ({
    rounds: await takeTurns(places, ROUNDS, runTests),
    idle: await idleCpuPercent(places),
  }));
}

async function runTests(place: Place): Promise<Figures> {
  const figures: Record<string, number> = {};
  for (const { name, from, streams } of TESTS) {
    const options = ['--omit', String(OMITTED_SECONDS), '--parallel', String(streams)];
    const { gbitPerSecond, cpuSeconds } = await runIperf(place, { from, seconds: SECONDS, options });
    figures[name] = round(gbitPerSecond);
    figures[`${name}CpuSecondsPerGB`] = round((cpuSeconds * 8) / (gbitPerSecond * (SECONDS + OMITTED_SECONDS)));
  }
  return figures;
}
