import type { Measurement } from './support/measurement';
import { compareTcp } from './support/net/tcp';

/** As net-tcp-1500, at 65520: the largest MTU that every peer takes, and their best case. */
export function measure(): Promise<Measurement> {
  return compareTcp('net-tcp-65520', 65_520);
}
