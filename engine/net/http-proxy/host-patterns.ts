import { BlockList, isIP, isIPv4 } from 'node:net';
import { EngineError } from '../../errors';

/** RFC 1035 section 2.3.4, with room for a leading "*.". */
const MAX_PATTERN_LENGTH = 257;
const DOMAIN = /^[a-z0-9_.*-]+$/;

/** A list of hosts: names by their ends, addresses by prefix. */
export interface HostPatterns {
  /** Whether the list names this host: a DNS name or an IPv4 or IPv6 address, in brackets or not. Any text will do. */
  matches(host: string): boolean;
}

/**
 * Reads the patterns of a proxy's bypass or allow list, by VPNKit's rules.
 *
 *   mit.edu            this name and every name below it
 *   .mit.edu *.mit.edu names below it only; a "*" stands for one label anywhere
 *   10.0.0.1 ::1       one address
 *   10.0.0.0/8 169.254/16 fd00::/8   a prefix; IPv4 may leave out trailing zeros, as macOS does
 *   *                  everything, addresses too
 *
 * @throws EngineError HK_NET_CONFIG_INVALID that names the pattern.
 */
export function parseHostPatterns(patterns: readonly string[]): HostPatterns {
  const addresses = new BlockList();
  const domains: (readonly string[])[] = [];
  let isEverything = false;
  for (const given of patterns) {
    const pattern = given.toLowerCase().replace(/^\[(.*)\]$/, '$1');
    if (pattern === '*') isEverything = true;
    else if (!addAddress(addresses, pattern)) domains.push(parseDomain(pattern, given));
  }
  return {
    matches(host) {
      if (isEverything) return true;
      const name = host
        .toLowerCase()
        .replace(/^\[(.*)\]$/, '$1')
        .replace(/%[\s\S]*$/, '');
      const family = isIP(name);
      if (family !== 0) return addresses.check(name, family === 4 ? 'ipv4' : 'ipv6');
      const labels = name.replace(/\.$/, '').split('.').reverse();
      return domains.some((domain) => endsWith(labels, domain));
    },
  };
}

function addAddress(list: BlockList, pattern: string): boolean {
  const [address = '', bits, ...rest] = pattern.split('/');
  const full = bits === undefined ? address : completeIpv4(address);
  const family = isIP(full);
  if (family === 0) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const widest = family === 4 ? 32 : 128;
  if (bits === undefined) list.addAddress(full, type);
  else if (rest.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > widest) {
    throw unusable(pattern, `an address is followed by a prefix length of 0 to ${widest}`);
  } else list.addSubnet(full, Number(bits), type);
  return true;
}

/** "169.254" is 169.254.0.0 in a prefix. */
function completeIpv4(address: string): string {
  if (!/^\d+(\.\d+){0,3}$/.test(address)) return address;
  const octets = address.split('.');
  const full = [...octets, '0', '0', '0'].slice(0, 4).join('.');
  return isIPv4(full) ? full : address;
}

/** The labels from the top-level domain down; an empty one and "*" stand for any. */
function parseDomain(pattern: string, given: string): readonly string[] {
  if (pattern.length > MAX_PATTERN_LENGTH || !DOMAIN.test(pattern) || !/[a-z0-9]/.test(pattern)) {
    throw unusable(given, 'it must be a host name, ".domain", "*.domain", an address, a prefix or "*"');
  }
  const labels = pattern.replace(/\.$/, '').split('.');
  if (labels.some((label, index) => (label === '' && index > 0) || (label.includes('*') && label !== '*'))) {
    throw unusable(given, 'a "*" stands for a whole label, and only the first label may be empty');
  }
  return labels.reverse().map((label) => (label === '' ? '*' : label));
}

function endsWith(labels: readonly string[], domain: readonly string[]): boolean {
  return domain.length <= labels.length && domain.every((label, index) => label === '*' || label === labels[index]);
}

function unusable(pattern: string, rule: string): EngineError {
  const shown = pattern.length > 80 ? `${pattern.slice(0, 77)}...` : pattern;
  return new EngineError('HK_NET_CONFIG_INVALID', `cannot use ${JSON.stringify(shown)} in a list of hosts: ${rule}`);
}
