import * as v from 'valibot';
import { EngineError } from '../../errors';
import { eui64 } from './interface-id';
import {
  broadcastOf,
  formatIpv4,
  type Ipv4Prefix,
  isHostAddress,
  parseIpv4,
  prefixContains,
  prefixOf,
  smallestPrefix,
} from './ipv4';
import { joinIpv6, parseIpv6 } from './ipv6';
import { formatMac, isStationMac, parseMac } from './mac';
import {
  DEFAULT_GATEWAY,
  DEFAULT_GATEWAY_MAC,
  DEFAULT_IPV6_PREFIX,
  DEFAULT_MTU,
  type Ipv6Plan,
  type KnownGuest,
  MAX_MTU,
  MIN_IPV6_MTU,
  MIN_MTU,
  type NetworkPlan,
  type NetworkSettings,
} from './network-plan';
import { parseUuid } from './uuid';

/** Wider than any private network (RFC 1918): such a prefix comes from addresses that don't belong together. */
const MIN_PREFIX_BITS = 8;
const MAX_GUESTS = 4096;
const LINK_LOCAL_PREFIX = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0);

/** A text in its only meaning; what `read` can't read is refused with `complaint`. */
function reading<T>(read: (text: string) => T | undefined, complaint: string) {
  return v.pipe(
    v.string(complaint),
    v.check((text) => read(text) !== undefined, complaint),
    v.transform((text) => read(text) as T),
  );
}

const host = reading(parseHost, 'must be the IPv4 address of a host, such as 192.168.65.1');
const alias = reading(
  (text) => (text === '0.0.0.0' ? 0 : parseHost(text)),
  'must be the IPv4 address of a host, such as 192.168.65.2, or 0.0.0.0 for none',
);
const mac = reading(parseStationMac, 'must be the MAC of one card, such as 02:50:00:00:00:01');
const hostname = v.pipe(
  v.string('must be a text'),
  v.maxLength(253, 'must be at most 253 characters'),
  v.regex(
    /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/,
    'must be a host name of letters, digits, dashes and dots',
  ),
);
const guest = v.strictObject({
  mac,
  uuid: v.optional(reading(parseUuid, 'must be a UUID of 36 characters')),
  ip: v.optional(host),
  hostname: v.optional(hostname),
});

const mtuRange = `must be a whole number from ${MIN_MTU} to ${MAX_MTU}`;
const prefixForm = `must be a /64 of unicast addresses such as ${DEFAULT_IPV6_PREFIX}, or false`;
const schema = v.strictObject({
  gateway: v.optional(host),
  hostAlias: v.optional(alias),
  lowest: v.optional(host),
  highest: v.optional(host),
  gatewayMac: v.optional(mac, DEFAULT_GATEWAY_MAC),
  mtu: v.optional(
    v.pipe(
      v.number(mtuRange),
      v.check((value) => Number.isInteger(value) && value >= MIN_MTU && value <= MAX_MTU, mtuRange),
    ),
    DEFAULT_MTU,
  ),
  ipv6: v.optional(v.union([v.literal(false), reading(parseIpv6Prefix, prefixForm)], prefixForm)),
  guests: v.optional(
    v.pipe(v.array(guest, 'must be a list'), v.maxLength(MAX_GUESTS, `must be at most ${MAX_GUESTS} guests`)),
    [],
  ),
});

/**
 * Makes a plan of settings. Addresses that are left out lie in the /24 of those that are given.
 * @throws EngineError HK_NET_CONFIG_INVALID that names the first bad field, its value, and what it must be.
 */
export function planNetwork(settings: NetworkSettings = {}): NetworkPlan {
  const result = v.safeParse(schema, settings, { abortEarly: true });
  if (!result.success) throw invalid(describeIssue(result.issues[0]), new v.ValiError(result.issues));
  const { gatewayMac, mtu, ipv6, guests, ...given } = result.output;

  const base = prefixOf(given.gateway ?? given.lowest ?? given.highest ?? parseIpv4(DEFAULT_GATEWAY)!, 24).address;
  const gateway = given.gateway ?? base + 1;
  const hostAlias = given.hostAlias ?? (gateway === base + 2 ? base + 1 : base + 2);
  const lowest = given.lowest ?? base + 3;
  const highest = given.highest ?? base + 254;

  if (lowest > highest) {
    throw invalid(`the lowest address ${formatIpv4(lowest)} is above the highest, ${formatIpv4(highest)}`);
  }
  if (hostAlias === gateway) throw invalid(`the host's alias ${formatIpv4(hostAlias)} is the gateway's address`);
  const prefix = coverHosts([gateway, lowest, highest]);
  if (prefix.bits < MIN_PREFIX_BITS) {
    throw invalid(
      `the gateway ${formatIpv4(gateway)} and the guests' ${formatIpv4(lowest)} to ${formatIpv4(highest)} ` +
        'are too far apart to be one network; give all three',
    );
  }
  const served = [gateway, hostAlias].filter((address) => address >= lowest && address <= highest);
  if (highest - lowest + 1 <= served.length) throw invalid('there is no address left for a guest');
  if (ipv6 && mtu < MIN_IPV6_MTU) {
    throw invalid(`mtu ${mtu} must be at least ${MIN_IPV6_MTU} for IPv6; leave out ipv6, or make it false`);
  }

  const plan = {
    gateway,
    hostAlias: hostAlias === 0 ? undefined : hostAlias,
    lowest,
    highest,
    prefix,
    gatewayMac,
    mtu,
    ipv6: planIpv6(ipv6, mtu, gatewayMac, hostAlias !== 0),
  };
  return { ...plan, guests: checkGuests(plan, guests) };
}

/** Widens the network until none of its hosts has its first address, which names it, or its last, the broadcast. */
function coverHosts([first, ...others]: readonly [number, ...number[]]): Ipv4Prefix {
  let prefix = smallestPrefix(first, ...others);
  while (prefix.bits > 0 && [first, ...others].some((host) => isEdge(prefix, host))) {
    prefix = prefixOf(first, prefix.bits - 1);
  }
  return prefix;
}

function isEdge(prefix: Ipv4Prefix, address: number): boolean {
  return address === prefix.address || address === broadcastOf(prefix);
}

function planIpv6(
  wanted: Uint8Array | false | undefined,
  mtu: number,
  gatewayMac: Uint8Array,
  hasHostAlias: boolean,
): Ipv6Plan | undefined {
  if (wanted === false || mtu < MIN_IPV6_MTU) return undefined;
  const prefix = wanted ?? parseIpv6Prefix(DEFAULT_IPV6_PREFIX)!;
  const host = (number: number): Uint8Array => joinIpv6(prefix, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, number));
  return {
    prefix,
    gateway: host(1),
    hostAlias: hasHostAlias ? host(2) : undefined,
    gatewayLinkLocal: joinIpv6(LINK_LOCAL_PREFIX, eui64(gatewayMac)),
  };
}

function parseHost(text: string): number | undefined {
  const address = parseIpv4(text);
  return address !== undefined && isHostAddress(address) ? address : undefined;
}

function parseStationMac(text: string): Uint8Array | undefined {
  const address = parseMac(text);
  return address !== undefined && isStationMac(address) ? address : undefined;
}

/** RFC 4291 sections 2.5.1 and 2.5.4: hosts make themselves addresses in networks of 64 bits, and in no others. */
function parseIpv6Prefix(text: string): Uint8Array | undefined {
  const prefix = text.endsWith('/64') ? parseIpv6(text.slice(0, -3)) : undefined;
  if (prefix?.subarray(8).some((octet) => octet !== 0) !== false) return undefined;
  const isMulticast = prefix[0] === 0xff;
  const isLinkLocal = prefix[0] === 0xfe && (prefix[1]! & 0xc0) === 0x80;
  // ::/64 holds the loopback, the unspecified and the mapped addresses.
  const isSpecial = prefix.every((octet) => octet === 0);
  return isMulticast || isLinkLocal || isSpecial ? undefined : prefix;
}

function checkGuests(
  plan: Omit<NetworkPlan, 'guests'>,
  guests: v.InferOutput<typeof schema>['guests'],
): readonly KnownGuest[] {
  const seen = new Set<string>();
  const claim = (what: string, value: string): void => {
    if (seen.has(value)) throw invalid(`two guests have the ${what} ${value}`);
    seen.add(value);
  };
  return guests.map(({ mac, uuid, ip, hostname }) => {
    const known = { mac: formatMac(mac), uuid, ip, hostname };
    claim('MAC', known.mac);
    if (known.mac === formatMac(plan.gatewayMac)) throw invalid(`a guest has the gateway's MAC ${known.mac}`);
    if (uuid !== undefined) claim('UUID', uuid);
    if (ip !== undefined) {
      const text = formatIpv4(ip);
      claim('address', text);
      if (ip === plan.gateway || ip === plan.hostAlias) throw invalid(`the guest's address ${text} is the gateway's`);
      if (!prefixContains(plan.prefix, ip) || isEdge(plan.prefix, ip)) {
        const network = `${formatIpv4(plan.prefix.address)}/${plan.prefix.bits}`;
        throw invalid(`the guest's address ${text} is none of a host in ${network}`);
      }
    }
    return known;
  });
}

function describeIssue(issue: v.BaseIssue<unknown>): string {
  const field = v.getDotPath(issue) ?? 'the settings';
  if (issue.type === 'strict_object') {
    if (issue.expected === 'never') return `${field} is not a setting of a network`;
    return issue.received === 'undefined' ? `${field} is missing` : `${field} must be an object`;
  }
  return `${field} ${showValue(issue.input)} ${issue.message}`;
}

/** Short enough for one line, whatever it is. */
function showValue(value: unknown): string {
  if (typeof value !== 'string') return typeof value === 'number' ? String(value) : `(${typeof value})`;
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
}

function invalid(reason: string, cause?: unknown): EngineError {
  return new EngineError('HK_NET_CONFIG_INVALID', `cannot plan the network: ${reason}`, { cause });
}
