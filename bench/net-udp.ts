import type { Measurement } from './support/measurement';
import { compareNetworks } from './support/net/figures';
import { ours } from './support/net/ours';
import { findPeers } from './support/net/peers';
import { measureUdp } from './support/net/udp';

/**
 * UDP goodput between a namespace and the host's loopback: what arrives, of full packets at Ethernet's MTU sent by
 * iperf3 at 200 and 800 Mbit/s and as fast as it can. The figure is the geometric mean over both ways of the best goodput
 * of the three; details hold all, with their loss.
 */
export async function measure(): Promise<Measurement> {
  const { networks, missing } = findPeers();
  const { rounds, idle } = await measureUdp([ours, ...networks]);
  return compareNetworks({
    name: 'net-udp',
    unit: 'Gbit/s received',
    better: 'higher',
    counted: ['guestToHost', 'hostToGuest'],
    rounds,
    details: { idleCpuPercent: idle, missing },
  });
}
