/** Names as in RFC 951, RFC 2131 and RFC 2132. */
export const BOOTREQUEST = 1;
export const BOOTREPLY = 2;
export const HTYPE_ETHERNET = 1;

export const DHCPDISCOVER = 1;
export const DHCPOFFER = 2;
export const DHCPREQUEST = 3;
export const DHCPDECLINE = 4;
export const DHCPACK = 5;
export const DHCPNAK = 6;
export const DHCPRELEASE = 7;
export const DHCPINFORM = 8;

export const OPTION = {
  pad: 0,
  subnetMask: 1,
  router: 3,
  domainNameServer: 6,
  hostName: 12,
  domainName: 15,
  interfaceMtu: 26,
  broadcastAddress: 28,
  ntpServers: 42,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverIdentifier: 54,
  parameterRequestList: 55,
  message: 56,
  maximumMessageSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  clientIdentifier: 61,
  /** RFC 3397. */
  domainSearch: 119,
  /** RFC 3442. */
  classlessStaticRoutes: 121,
  end: 255,
} as const;

/** By code, in the order of writing. A long option is one piece here, however many it has on the wire (RFC 3396). */
export type DhcpOptions = ReadonlyMap<number, Uint8Array>;

/** A DHCP message (RFC 2131 section 2). IPv4 addresses are numbers, 0 where there is none. */
export interface DhcpMessage {
  readonly op: typeof BOOTREQUEST | typeof BOOTREPLY;
  readonly htype: number;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  /** The client can't receive unicast before it has an address. */
  readonly broadcast: boolean;
  readonly ciaddr: number;
  readonly yiaddr: number;
  readonly siaddr: number;
  readonly giaddr: number;
  /** The hardware address, at most 16 bytes. */
  readonly chaddr: Uint8Array;
  /** Latin-1, up to its NUL: at most 64 and 128 bytes. Empty when the field holds options. */
  readonly sname: string;
  readonly file: string;
  /** Without pad, end and overload, which the codec puts and takes away. */
  readonly options: DhcpOptions;
}

/** The value of an option of 32 bits; undefined when it is absent or has another length. */
export function readU32(options: DhcpOptions, code: number): number | undefined {
  const data = options.get(code);
  return data?.length === 4 ? new DataView(data.buffer, data.byteOffset).getUint32(0) : undefined;
}

export function readU16(options: DhcpOptions, code: number): number | undefined {
  const data = options.get(code);
  return data?.length === 2 ? data[0]! * 256 + data[1]! : undefined;
}

export function readU8(options: DhcpOptions, code: number): number | undefined {
  const data = options.get(code);
  return data?.length === 1 ? data[0] : undefined;
}

/** One or more values of 32 bits: addresses, times. */
export function writeU32(...values: readonly number[]): Uint8Array {
  const data = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    data.writeUInt32BE(value, 4 * index);
  });
  return data;
}

export function writeU16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}
