import { createServer } from 'node:net';
import type { Place } from './network';
import { cpuSeconds } from './processes';
import { startProgram } from './running-program';

export interface IperfTest {
  /** Who sends. */
  readonly from: 'guest' | 'host';
  readonly seconds: number;
  /** More of iperf3's options, as `--parallel 4`. */
  readonly options: readonly string[];
}

/** What arrived; what was sent includes what still lies in buffers or got lost. */
export interface Received {
  readonly gbitPerSecond: number;
  /** Of datagrams; NaN over TCP. */
  readonly lostPercent: number;
  /** What the network's processes used during the test, its ends included. */
  readonly cpuSeconds: number;
}

/** The part of iperf3's report that we read. */
interface Report {
  readonly error?: string;
  readonly end?: { readonly sum_received?: { readonly bits_per_second: number; readonly lost_percent?: number } };
}

/** One test with a server of its own on the host's loopback. Rejects with iperf3's reason. */
export async function runIperf(place: Place, test: IperfTest): Promise<Received> {
  const port = String(await freePort());
  const server = await startProgram(
    'iperf3',
    ['iperf3', ['--server', '--one-off', '--forceflush', '--bind', '127.0.0.1', '--port', port]],
    (said) => said.includes('listening'),
  );
  try {
    const before = cpuSeconds(place.processIds);
    const { stdout, output } = await place.namespace.run(
      'iperf3',
      [
        ...['--json', '--client', place.hostAddress, '--port', port, '--time', String(test.seconds)],
        ...(test.from === 'host' ? ['--reverse'] : []),
        ...test.options,
      ],
      { deadlineMs: (test.seconds + 30) * 1000 },
    );
    const report = parseReport(stdout);
    const received = report?.end?.sum_received;
    if (received === undefined) throw new Error(report?.error ?? output);
    return {
      gbitPerSecond: received.bits_per_second / 1e9,
      lostPercent: received.lost_percent ?? Number.NaN,
      cpuSeconds: cpuSeconds(place.processIds) - before,
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`iperf3 ${test.options.join(' ')} through ${place.name} failed: ${reason}`, { cause: error });
  } finally {
    await server.stop();
  }
}

function parseReport(json: string): Report | undefined {
  try {
    return JSON.parse(json) as Report;
  } catch {
    return undefined;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
