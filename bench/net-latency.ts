import type { Measurement } from './support/measurement';
import { compareNetworks } from './support/net/figures';
import { measureLatency } from './support/net/latency';
import { ours } from './support/net/ours';
import { findPeers } from './support/net/peers';

/**
 * How long a namespace waits for an answer from the host's loopback: one byte there and back over TCP and over UDP, and
 * a new TCP connection with its first exchange. The figure is the geometric mean of the three medians; details hold p99.
 */
export async function measure(): Promise<Measurement> {
  const { networks, missing } = findPeers();
  const { rounds, idle } = await measureLatency([ours, ...networks]);
  return compareNetworks({
    name: 'net-latency',
    unit: 'µs',
    better: 'lower',
    counted: ['tcpP50', 'udpP50', 'connectP50'],
    rounds,
    details: { idleCpuPercent: idle, missing },
  });
}
