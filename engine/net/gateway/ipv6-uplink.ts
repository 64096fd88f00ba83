import { readFileSync } from 'node:fs';

/** Whether this host has a default route over IPv6: ipv6_route(5) lists `destination prefix … device`. */
export function hasIpv6Uplink(): boolean {
  try {
    return readFileSync('/proc/net/ipv6_route', 'latin1')
      .split('\n')
      .some((line) => line.startsWith(`${'0'.repeat(32)} 00 `) && !line.trimEnd().endsWith(' lo'));
  } catch {
    return false;
  }
}
