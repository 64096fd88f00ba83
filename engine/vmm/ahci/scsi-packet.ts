/** Packet commands of CD and DVD drives (SPC-3, MMC-5), and how they fail. */
export const TEST_UNIT_READY = 0x00;
export const REQUEST_SENSE = 0x03;
export const INQUIRY = 0x12;
export const MODE_SENSE_6 = 0x1a;
export const START_STOP_UNIT = 0x1b;
export const PREVENT_ALLOW_MEDIUM_REMOVAL = 0x1e;
export const READ_CAPACITY_10 = 0x25;
export const READ_10 = 0x28;
export const SEEK_10 = 0x2b;
export const READ_SUBCHANNEL = 0x42;
export const READ_TOC_PMA_ATIP = 0x43;
export const GET_CONFIGURATION = 0x46;
export const GET_EVENT_STATUS_NOTIFICATION = 0x4a;
export const READ_DISC_INFORMATION = 0x51;
export const MODE_SENSE_10 = 0x5a;
export const REPORT_LUNS = 0xa0;
export const READ_12 = 0xa8;
export const SET_CD_SPEED = 0xbb;
export const MECHANISM_STATUS = 0xbd;

/** Sense data: key, additional code. */
export interface Sense {
  readonly key: number;
  readonly code: number;
}

export const NO_SENSE: Sense = { key: 0x0, code: 0x00 };
export const MEDIUM_UNREADABLE: Sense = { key: 0x3, code: 0x11 };
export const INVALID_COMMAND: Sense = { key: 0x5, code: 0x20 };
export const LBA_OUT_OF_RANGE: Sense = { key: 0x5, code: 0x21 };
export const INVALID_FIELD: Sense = { key: 0x5, code: 0x24 };

const SENSE_BYTES = 18;

/** Fixed format (SPC-3, 4.5.3): 0 u8 0x70, 2 key, 7 additional length, 12 additional code. */
export function senseData({ key, code }: Sense): Uint8Array {
  const bytes = new Uint8Array(SENSE_BYTES);
  bytes[0] = 0x70;
  bytes[2] = key;
  bytes[7] = SENSE_BYTES - 8;
  bytes[12] = code;
  return bytes;
}

/** How many bytes of an answer a command has room for, by where its allocation length is. */
const ALLOCATION: ReadonlyMap<number, { readonly at: number; readonly bytes: 1 | 2 | 4 }> = new Map([
  [REQUEST_SENSE, { at: 4, bytes: 1 }],
  [INQUIRY, { at: 3, bytes: 2 }],
  [MODE_SENSE_6, { at: 4, bytes: 1 }],
  [READ_SUBCHANNEL, { at: 7, bytes: 2 }],
  [READ_TOC_PMA_ATIP, { at: 7, bytes: 2 }],
  [GET_CONFIGURATION, { at: 7, bytes: 2 }],
  [GET_EVENT_STATUS_NOTIFICATION, { at: 7, bytes: 2 }],
  [READ_DISC_INFORMATION, { at: 7, bytes: 2 }],
  [MODE_SENSE_10, { at: 7, bytes: 2 }],
  [REPORT_LUNS, { at: 6, bytes: 4 }],
  [MECHANISM_STATUS, { at: 8, bytes: 2 }],
] as const);

/** The most that an answer of any of those commands can be. */
const LONGEST_ANSWER_BYTES = 0x1_0000;

export function allocationLength(packet: Uint8Array): number {
  const command = packet[0] ?? 0;
  if (command === READ_CAPACITY_10) return 8;
  const where = ALLOCATION.get(command);
  return where === undefined ? 0 : Math.min(bigEndian(packet, where.at, where.bytes), LONGEST_ANSWER_BYTES);
}

export function bigEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let index = 0; index < length; index++) value = value * 0x100 + (bytes[at + index] ?? 0);
  return value;
}
