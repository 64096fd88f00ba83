import type { Measurement } from './support/measurement';
import { measureConnections } from './support/net/connections';
import { compareNetworks } from './support/net/figures';
import { ours } from './support/net/ours';
import { findPeers } from './support/net/peers';

/**
 * 10,000 TCP connections from a namespace to the host's loopback, all open at once and a byte exchanged on each, twice.
 * The figure is the most memory that the network's processes had resident; one that held fewer than 99 % has none.
 */
export async function measure(): Promise<Measurement> {
  const { networks, missing } = findPeers();
  const rounds = await measureConnections([ours, ...networks]);
  return compareNetworks({
    name: 'net-connections',
    unit: 'MB at the peak of 10,000',
    better: 'lower',
    counted: ['peakMB'],
    rounds,
    details: { missing },
  });
}
