import { type Figures, round } from './figures';
import { runIperf } from './iperf';
import { type NetworkUnderTest, type Place, type Rounds, takeTurns, withNetworks } from './network';
import { idleCpuPercent } from './processes';

const ROUNDS = 3;
const SECONDS = 2;
/** A datagram that fills a packet at Ethernet's MTU: 1500 less the headers of IP (20) and UDP (8). */
const PAYLOAD_BYTES = 1_472;
/** iperf3's words for the sender's pace; 0 is as fast as it can, which drowns a slow receiver. */
const PACES = ['200M', '800M', '0'];
const MTU = 1_500;

/** Goodput in Gbit/s and loss in percent at each pace, and the best goodput of all paces, both ways. */
export function measureUdp(
  networks: readonly NetworkUnderTest[],
): Promise<{ readonly rounds: Rounds<Figures>; readonly idle: Figures }> {
  return withNetworks(networks, MTU, async (places) => ({
    rounds: await takeTurns(places, ROUNDS, climb),
    idle: await idleCpuPercent(places),
  }));
}

async function climb(place: Place): Promise<Figures> {
  const figures: Record<string, number> = {};
  for (const from of ['guest', 'host'] as const) {
    const way = from === 'guest' ? 'guestToHost' : 'hostToGuest';
    let best = 0;
    for (const pace of PACES) {
      const options = ['--udp', '--length', String(PAYLOAD_BYTES), '--bitrate', pace];
      const { gbitPerSecond, lostPercent } = await runIperf(place, { from, seconds: SECONDS, options });
      figures[`${way}At${pace}`] = round(gbitPerSecond);
      figures[`${way}At${pace}LossPercent`] = round(lostPercent);
      best = Math.max(best, round(gbitPerSecond));
    }
    figures[way] = best;
  }
  return figures;
}
