import { createHash } from 'node:crypto';

/** 127.64.0.0/10: 64 × 65,536 addresses that Linux delivers to this host without any set-up. */
const FIRST_OCTET = 127;
const SECOND_OCTET_BASE = 64;
const SECOND_OCTETS = 64;

/** How many addresses are tried before giving up; each try is another hash, so a clash with a neighbour ends after one. */
export const ADDRESS_ATTEMPTS = 32;

/**
 * The `attempt`-th loopback address of a machine. The same store and name always give the same list, so a machine
 * whose configuration was lost (a create that failed) finds its address again.
 */
export function loopbackAddress(storePath: string, machineName: string, attempt: number): string {
  const digest = createHash('sha256').update(`${storePath}\0${machineName}\0${attempt}`).digest();
  const second = SECOND_OCTET_BASE + (digest.readUInt8(0) % SECOND_OCTETS);
  const third = digest.readUInt8(1);
  // .0 and .255 look like network and broadcast addresses to people and to some tools.
  const fourth = 1 + (digest.readUInt8(2) % 254);
  return `${FIRST_OCTET}.${second}.${third}.${fourth}`;
}

/** MAC address of a machine: from its UUID, locally administered, unicast. */
export function macAddressOf(uuid: string): string {
  const digest = createHash('sha256').update(`mac\0${uuid}`).digest();
  const octets = [(digest.readUInt8(0) & 0xfc) | 0x02, ...digest.subarray(1, 6)];
  return octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':');
}

/** UUID of a machine that was given none: name-based (RFC 9562 version 5, nil namespace), as the Go driver's forks made it. */
export function uuidOfName(machineName: string): string {
  const digest = createHash('sha1').update(Buffer.alloc(16)).update(machineName).digest().subarray(0, 16);
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  return digest.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
