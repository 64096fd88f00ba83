import { isIPv4 } from 'node:net';
import { formatMac, isStationMac } from '../../net/addressing/mac';
import type { HostForward, NicSpec } from '../board-spec';
import { parseSettings, splitOnce } from './comma-list';
import { HyperkitUsageError } from './usage-error';

/** VPNKit's socket when no path is given. */
const DEFAULT_VPNKIT = '/var/tmp/com.docker.slirp.socket';
const UUID_CHARACTERS = 36;

/**
 * virtio-net: `NAME[,mac=…][,forward=[ADDRESS:]PORT:GUESTPORT[/udp]]…`. The name is not used. `forward` is ours: HyperKit's
 * guests are on a network of the host's, ours behind a gateway. HyperKit passes over what it does not know; it is refused
 * here, because a mistyped `mac` is a machine with another address.
 * @throws HyperkitUsageError
 */
export function parseGatewayNic(config: string | undefined): NicSpec {
  const elements = (config ?? '').split(',');
  // As the first element HyperKit takes `mac=…` for the name.
  const settings = elements[0]?.includes('=') ? elements : elements.slice(1);
  let mac: string | undefined;
  const forwards: HostForward[] = [];
  for (const element of settings) {
    const [name, value = ''] = splitOnce(element, '=');
    if (name === 'mac') mac = parseStation(value, (text) => `Invalid MAC address: ${text}`);
    else if (name === 'forward') forwards.push(parseForward(element, value));
    else throw new HyperkitUsageError(`invalid option: ${element}`);
  }
  return { kind: 'gateway', mac, forwards };
}

/** virtio-tap: `tapN[,mac=…]`. @throws HyperkitUsageError */
export function parseTapNic(config: string | undefined): NicSpec {
  const [name, rest] = splitOnce(config ?? '', ',');
  if (!/^[^/\s]{1,15}$/.test(name)) throw new HyperkitUsageError(`open of tap device ${name} failed: not its name`);
  const { mac } = parseSettings(rest, ['mac']);
  const station = mac === undefined ? undefined : parseStation(mac, (text) => `Invalid MAC ${text}`);
  return { kind: 'tap', name, mac: station };
}

/** virtio-vpnkit: `path=…,uuid=…,macfile=…,preferred_ipv4=…`, all of them optional. @throws HyperkitUsageError */
export function parseVpnkitNic(config: string | undefined): NicSpec {
  const settings = parseSettings(config, ['path', 'uuid', 'macfile', 'preferred_ipv4']);
  if (settings.uuid !== undefined && settings.uuid.length < UUID_CHARACTERS) {
    throw new HyperkitUsageError('uuids need to be 36 characters long');
  }
  const address = settings.preferred_ipv4;
  if (address !== undefined && !isIPv4(address)) {
    throw new HyperkitUsageError(`Unable to parse requested IP ${address}`);
  }
  return {
    kind: 'vpnkit',
    path: settings.path ?? DEFAULT_VPNKIT,
    uuid: settings.uuid?.slice(0, UUID_CHARACTERS),
    macFile: settings.macfile,
    preferredIpv4: address,
  };
}

/** Six octets of one or two digits, as ether_aton(3) takes them; lower case with two digits each comes out. */
function parseStation(text: string, complain: (text: string) => string): string {
  const octets = /^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i.test(text)
    ? Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16))
    : new Uint8Array();
  if (!isStationMac(octets)) throw new HyperkitUsageError(complain(text));
  return formatMac(octets);
}

function parseForward(element: string, value: string): HostForward {
  const [, address = '127.0.0.1', host, guest, protocol = 'tcp'] =
    /^(?:([\d.]+):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(value) ?? [];
  const hostPort = Number(host);
  const guestPort = Number(guest);
  if (!isIPv4(address) || !isPort(hostPort) || !isPort(guestPort)) {
    throw new HyperkitUsageError(
      `invalid option: ${element} (forward=127.0.0.1:2222:22 leads port 2222 of this computer to port 22 of the guest)`,
    );
  }
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', address, hostPort, guestPort };
}

function isPort(value: number): boolean {
  return value >= 1 && value <= 65_535;
}
