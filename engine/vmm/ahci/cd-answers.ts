/** What a drive with a data disc in it answers. Numbers are big-endian. Lengths of answers don't count their own field. */

export const BLOCK_BYTES = 2048;
const CD_ROM = 0x0008;
const DVD_ROM = 0x0010;
/** 80 minutes of 60 seconds of 75 blocks: what is larger is no CD. */
const LARGEST_CD_BLOCKS = 80 * 60 * 75;
const FEATURE_PROFILE_LIST = 0x0000;
const FEATURE_CORE = 0x0001;
const FEATURE_REMOVABLE_MEDIUM = 0x0003;
const FEATURE_CD_READ = 0x001e;
const FEATURE_DVD_READ = 0x001f;
const LEAD_OUT = 0xaa;
/** A minute, second and frame of a disc begin two seconds before block 0. */
const MSF_START = 150;

/** INQUIRY (SPC-3, 6.4): a removable CD drive with BHYVE's names. */
export function inquiry(): Uint8Array {
  const bytes = Buffer.alloc(36);
  bytes.set([0x05, 0x80, 0x05, 0x21, bytes.length - 5]);
  bytes.write('BHYVE   ', 8);
  bytes.write('BHYVE DVD-ROM   ', 16);
  bytes.write('001 ', 32);
  return bytes;
}

/** READ CAPACITY (MMC-5, 6.22): the last block, bytes of a block. */
export function capacity(blocks: number): Uint8Array {
  return Uint8Array.of(...be(blocks - 1, 4), ...be(BLOCK_BYTES, 4));
}

/** MODE SENSE: pages 0x01 (error recovery) and 0x2A (capabilities); 0x3F is all. Undefined: there is no such page. */
export function modePages(page: number, header: 4 | 8): Uint8Array | undefined {
  const pages = [...(page === 0x01 || page === 0x3f ? RECOVERY : []), ...(page === 0x2a || page === 0x3f ? DRIVE : [])];
  if (pages.length === 0) return undefined;
  const rest = new Array<number>(header === 4 ? 3 : 6).fill(0);
  return Uint8Array.of(...be(header + pages.length - (header === 4 ? 1 : 2), header === 4 ? 1 : 2), ...rest, ...pages);
}

const RECOVERY = [0x01, 0x0a, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0];
/** MMC-5, annex E: reads CD-R and DVD-ROM; tray, lockable, ejectable; 16 times the speed of a DVD's player. */
const DRIVE = [
  ...[0x2a, 0x12, 0x0b, 0, 0x70, 0, 0x29, 0],
  ...[...be(21_600, 2), ...be(2, 2), ...be(512, 2), ...be(21_600, 2), 0, 0, 0, 0],
];

/** READ TOC (MMC-5, 6.26), formats 0 (tracks) and 1 (sessions): one session with one data track. */
export function tableOfContents(blocks: number, format: number, track: number, msf: boolean): Uint8Array | undefined {
  const place = (block: number): number[] => (msf ? msfOf(block) : be(block, 4));
  const entry = (number: number, block: number): number[] => [0, 0x14, number, 0, ...place(block)];
  if (format === 1) return withLength(2, [1, 1, ...entry(1, 0)]);
  if (format !== 0 || (track > 1 && track !== LEAD_OUT)) return undefined;
  return withLength(2, [1, 1, ...(track <= 1 ? entry(1, 0) : []), ...entry(LEAD_OUT, blocks)]);
}

/**
 * GET CONFIGURATION (MMC-5, 6.6): features from `first` on. @param only of them: 0 all, 1 those that are current, 2 the
 * one named.
 */
export function configuration(blocks: number, first: number, only: number): Uint8Array {
  const isDvd = blocks > LARGEST_CD_BLOCKS;
  const features: ReadonlyArray<readonly [number, number, number[]]> = [
    [FEATURE_PROFILE_LIST, 0x03, [...be(DVD_ROM, 2), isDvd ? 1 : 0, 0, ...be(CD_ROM, 2), isDvd ? 0 : 1, 0]],
    // Physical interface: ATAPI.
    [FEATURE_CORE, 0x0b, [...be(2, 4), 0, 0, 0, 0]],
    [FEATURE_REMOVABLE_MEDIUM, 0x03, [0x29, 0, 0, 0]],
    [FEATURE_CD_READ, isDvd ? 0x08 : 0x09, [0, 0, 0, 0]],
    [FEATURE_DVD_READ, isDvd ? 0x05 : 0x04, []],
  ];
  const chosen = features.filter(([code, flags]) => {
    if (only === 2) return code === first;
    return code >= first && (only === 0 || (flags & 1) === 1);
  });
  const body = chosen.flatMap(([code, flags, data]) => [...be(code, 2), flags, data.length, ...data]);
  return withLength(4, [0, 0, ...be(isDvd ? DVD_ROM : CD_ROM, 2), ...body]);
}

/** GET EVENT STATUS NOTIFICATION (MMC-5, 6.7), class 4 (media): nothing happened, a disc is in. Others are not there. */
export function eventStatus(classes: number): Uint8Array {
  const MEDIA = 0x10;
  const NONE = 0x80;
  if ((classes & MEDIA) === 0) return Uint8Array.of(...be(2, 2), NONE, MEDIA);
  return withLength(2, [4, MEDIA, 0, 0x02, 0, 0]);
}

/** READ DISC INFORMATION (MMC-5, 6.24): complete, one finished session, one track. */
export function discInformation(): Uint8Array {
  const body = new Array<number>(32).fill(0);
  body.splice(0, 5, 0x0e, 1, 1, 1, 1);
  return withLength(2, body);
}

/** MECHANISM STATUS (MMC-5, 6.9): no changer. */
export function mechanismStatus(): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0);
}

/** READ SUB-CHANNEL (MMC-5, 6.25) without data: no audio is playing. */
export function subchannel(): Uint8Array {
  return Uint8Array.of(0, 0x15, 0, 0);
}

/** REPORT LUNS (SPC-3, 6.21): number 0 only. */
export function logicalUnits(): Uint8Array {
  return Uint8Array.of(...be(8, 4), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

function msfOf(block: number): number[] {
  const frames = block + MSF_START;
  return [0, Math.min(255, Math.floor(frames / 4500)), Math.floor(frames / 75) % 60, frames % 75];
}

function withLength(lengthBytes: number, body: readonly number[]): Uint8Array {
  return Uint8Array.of(...be(body.length, lengthBytes), ...body);
}

function be(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, index) => Math.floor(value / 2 ** (8 * (bytes - 1 - index))) & 0xff);
}
