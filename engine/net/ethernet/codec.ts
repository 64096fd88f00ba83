import { MAC_BYTES } from '../addressing/mac';

// VPNKit's Ethernet socket, from its first byte until both sides send frames. All numbers are little endian.

/**
 * Both ways, the client first:
 *
 *  0  5  magic "VMN3T"
 *  5  4  version, 22
 *  9 40  commit, 40 hexadecimal digits
 */
export const INIT_BYTES = 49;
/** The only one there is any more. */
export const PROTOCOL_VERSION = 22;
const MAGIC = 'VMN3T';
const VERSION_OFFSET = 5;
const COMMIT_OFFSET = 9;
/** What VPNKit itself says. */
const COMMIT = '0123456789'.repeat(4);

/**
 * From the client:
 *
 *  0  1  command
 *  1 36  UUID as text, or 36 NULs: any
 * 37  4  ETHERNET_PREFERRED_IPV4: the address, a number; ETHERNET: padding
 */
export const COMMAND_BYTES = 41;
const ETHERNET = 1;
const ETHERNET_PREFERRED_IPV4 = 8;
const UUID_OFFSET = 1;
const UUID_BYTES = 36;
const IPV4_OFFSET = 37;

/**
 * From the server, zeroes up to the end:
 *
 *  0  1  VIF        DISCONNECT
 *  1  2  MTU        1 byte length
 *  3  2  longest    2 … text
 *  5  6  MAC
 */
export const RESPONSE_BYTES = 258;
const VIF = 1;
const DISCONNECT = 2;
const MTU_OFFSET = 1;
const MAX_PACKET_OFFSET = 3;
const MAC_OFFSET = 5;
const TEXT_OFFSET = 2;
const MAX_TEXT_BYTES = 255;

export interface Init {
  /** Whether it begins as VPNKit's do. */
  readonly isVpnkit: boolean;
  readonly version: number;
}

/** A request for an interface. */
export interface EthernetCommand {
  /** 36 characters, whatever they are; NULs for none. */
  readonly uuid: string;
  readonly preferredIp: number | undefined;
}

export type EthernetResponse =
  | {
      readonly kind: 'vif';
      readonly mtu: number;
      /** Advice for buffers. */
      readonly maxPacketBytes: number;
      /** 6 bytes. */
      readonly mac: Uint8Array;
    }
  | { readonly kind: 'disconnect'; readonly text: string };

export function encodeInit(version = PROTOCOL_VERSION): Buffer {
  const bytes = Buffer.alloc(INIT_BYTES);
  bytes.write(MAGIC, 'latin1');
  bytes.writeUInt32LE(version, VERSION_OFFSET);
  bytes.write(COMMIT, COMMIT_OFFSET, 'latin1');
  return bytes;
}

/** @param bytes INIT_BYTES of them. */
export function decodeInit(bytes: Buffer): Init {
  return {
    isVpnkit: bytes.toString('latin1', 0, VERSION_OFFSET) === MAGIC,
    version: bytes.readUInt32LE(VERSION_OFFSET),
  };
}

export function encodeCommand({ uuid, preferredIp }: EthernetCommand): Buffer {
  const bytes = Buffer.alloc(COMMAND_BYTES);
  bytes.writeUInt8(preferredIp === undefined ? ETHERNET : ETHERNET_PREFERRED_IPV4);
  bytes.write(uuid, UUID_OFFSET, UUID_BYTES, 'latin1');
  bytes.writeUInt32LE(preferredIp ?? 0, IPV4_OFFSET);
  return bytes;
}

/**
 * Undefined for commands that are none of ours, such as Bind_ipv4 (6), which is the macOS helper's.
 * @param bytes COMMAND_BYTES of them.
 */
export function decodeCommand(bytes: Buffer): EthernetCommand | undefined {
  const command = bytes.readUInt8();
  if (command !== ETHERNET && command !== ETHERNET_PREFERRED_IPV4) return undefined;
  return {
    uuid: bytes.toString('latin1', UUID_OFFSET, UUID_OFFSET + UUID_BYTES),
    preferredIp: command === ETHERNET ? undefined : bytes.readUInt32LE(IPV4_OFFSET),
  };
}

/** A text is cut at 255 bytes. */
export function encodeResponse(response: EthernetResponse): Buffer {
  const bytes = Buffer.alloc(RESPONSE_BYTES);
  if (response.kind === 'vif') {
    bytes.writeUInt8(VIF);
    bytes.writeUInt16LE(response.mtu, MTU_OFFSET);
    bytes.writeUInt16LE(response.maxPacketBytes, MAX_PACKET_OFFSET);
    bytes.set(response.mac.subarray(0, MAC_BYTES), MAC_OFFSET);
  } else {
    bytes.writeUInt8(DISCONNECT);
    bytes.writeUInt8(bytes.write(response.text, TEXT_OFFSET, MAX_TEXT_BYTES, 'utf8'), 1);
  }
  return bytes;
}

/**
 * Undefined for a type that there isn't.
 * @param bytes RESPONSE_BYTES of them.
 */
export function decodeResponse(bytes: Buffer): EthernetResponse | undefined {
  switch (bytes.readUInt8()) {
    case VIF:
      return {
        kind: 'vif',
        mtu: bytes.readUInt16LE(MTU_OFFSET),
        maxPacketBytes: bytes.readUInt16LE(MAX_PACKET_OFFSET),
        mac: Uint8Array.from(bytes.subarray(MAC_OFFSET, MAC_OFFSET + MAC_BYTES)),
      };
    case DISCONNECT:
      return { kind: 'disconnect', text: bytes.toString('utf8', TEXT_OFFSET, TEXT_OFFSET + bytes.readUInt8(1)) };
    default:
      return undefined;
  }
}
