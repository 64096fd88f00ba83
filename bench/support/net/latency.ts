import path from 'node:path';
import { type Figures, round } from './figures';
import { type NetworkUnderTest, type Place, type Rounds, takeTurns, withNetworks } from './network';
import { idleCpuPercent } from './processes';
import { startProgram } from './running-program';

const ROUNDS = 9;
const MTU = 1_500;
const EXCHANGES = { tcp: 2_000, udp: 2_000, connect: 400 };

/** Microseconds of one-byte exchanges over TCP and UDP and of a new connection with its first exchange: p50 and p99. */
export async function measureLatency(
  networks: readonly NetworkUnderTest[],
): Promise<{ readonly rounds: Rounds<Figures>; readonly idle: Figures }> {
  const script = path.resolve('bench/support/net/round-trips.pl');
  let port = '';
  const server = await startProgram('the echo server', ['perl', [script, 'serve']], (said) => {
    port = said.trim();
    return said.endsWith('\n');
  });
  try {
    return await withNetworks(networks, MTU, async (places) => ({
      rounds: await takeTurns(places, ROUNDS, (place) => timeExchanges(place, script, port)),
      idle: await idleCpuPercent(places),
    }));
  } finally {
    await server.stop();
  }
}

async function timeExchanges(place: Place, script: string, port: string): Promise<Figures> {
  const figures: Record<string, number> = {};
  for (const [kind, count] of Object.entries(EXCHANGES)) {
    const words = [script, kind, place.hostAddress, port, String(count)];
    const { code, stdout, stderr } = await place.namespace.run('perl', words);
    if (code !== 0) throw new Error(`${kind} exchanges through ${place.name} failed: ${stderr.trim()}`);
    const sorted = stdout.trim().split('\n').map(Number);
    figures[`${kind}P50`] = round(sorted[Math.floor(sorted.length * 0.5)] ?? Number.NaN);
    figures[`${kind}P99`] = round(sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN);
  }
  return figures;
}
