import type { Measurement } from './support/measurement';
import { compareTcp } from './support/net/tcp';

/**
 * TCP throughput between a namespace and the host's loopback at Ethernet's MTU, against slirp4netns, pasta and gvproxy.
 * iperf3 with one and four streams, both ways; the figure is the geometric mean of the four, details hold all.
 */
export function measure(): Promise<Measurement> {
  return compareTcp('net-tcp-1500', 1500);
}
