import type { BlockImage } from '../io/block-image';

/** IDENTIFY data: 256 words (ATA8-ACS, 7.16 and 7.17). */
export const IDENTIFY_BYTES = 512;
/** Sectors of one DRQ block of READ and WRITE MULTIPLE. */
export const MULTIPLE_SECTORS = 16;
/** DATA SET MANAGEMENT: blocks of 512 bytes with 64 ranges each. */
export const TRIM_BLOCKS = 8;

const MODEL_DISK = 'BHYVE SATA DISK';
const MODEL_CD = 'BHYVE SATA DVD ROM';
const FIRMWARE = '001';

const ATA8_AND_BEFORE = 0x01f0;
const SATA_1_5_TO_6_GBIT = 0x000e;
const LBA_AND_DMA = 0x0f00;
const PIO_3_AND_4 = 0x0003;
const MULTIWORD_DMA = 0x0007;
const WORDS_64_AND_88_VALID = 0x0006;
const VALID = 0x4000;
const UDMA_MODES = 0x007f;

/** What drivers may switch (SET FEATURES). */
export interface DiskModes {
  readonly writeCache: boolean;
  readonly lookAhead: boolean;
  /** Of ultra DMA: 0 to 6. */
  readonly udma: number;
  /** READ and WRITE MULTIPLE: sectors of a block; 0: off. */
  readonly multiple: number;
}

export function identifyDisk(image: BlockImage, serial: string, modes: DiskModes): Uint8Array {
  const POWER_MANAGEMENT = 1 << 3;
  const WRITE_CACHE = 1 << 5;
  const LOOK_AHEAD = 1 << 6;
  const LBA_48 = 1 << 10;
  const FLUSH = (1 << 12) | (1 << 13);
  const { logical, physical } = image.sectors;
  const sectors = image.sizeBytes / logical;
  const words = new Words();
  words.set(0, 0x0040);
  words.set(1, Math.min(16_383, Math.floor(sectors / (16 * 63))));
  words.set(3, 16);
  words.set(6, 63);
  words.common(serial, MODEL_DISK);
  words.set(47, 0x8000 | MULTIPLE_SECTORS);
  words.set(59, modes.multiple > 0 ? 0x0100 | modes.multiple : 0);
  words.set32(60, Math.min(sectors, 0x0fff_ffff));
  words.set(82, POWER_MANAGEMENT | WRITE_CACHE | LOOK_AHEAD);
  words.set(83, VALID | LBA_48 | FLUSH);
  words.set(84, VALID);
  words.set(85, POWER_MANAGEMENT | (modes.writeCache ? WRITE_CACHE : 0) | (modes.lookAhead ? LOOK_AHEAD : 0));
  words.set(86, LBA_48 | FLUSH);
  words.set(87, VALID);
  words.set(88, UDMA_MODES | (1 << (8 + modes.udma)));
  words.set32(100, sectors % 0x1_0000_0000);
  words.set32(102, Math.floor(sectors / 0x1_0000_0000));
  if (physical > logical) words.set(106, VALID | 0x2000 | Math.log2(physical / logical));
  if (logical > 512) {
    words.set(106, words.get(106) | VALID | 0x1000);
    words.set32(117, logical / 2);
  }
  if (image.canDiscard) {
    // Trimmed sectors read as zeroes, always.
    words.set(69, 0x4020);
    words.set(105, TRIM_BLOCKS);
    words.set(169, 1);
  }
  // Not a rotating medium.
  words.set(217, 1);
  return words.finish();
}

export function identifyCd(serial: string): Uint8Array {
  const CD_REMOVABLE_PACKETS_OF_12 = 0x85c0;
  const POWER_PACKET_RESET_NOP = 0x4218;
  const words = new Words();
  words.set(0, CD_REMOVABLE_PACKETS_OF_12);
  words.common(serial, MODEL_CD);
  words.set(82, POWER_PACKET_RESET_NOP);
  words.set(83, VALID);
  words.set(84, VALID);
  words.set(85, POWER_PACKET_RESET_NOP);
  words.set(87, VALID);
  words.set(88, UDMA_MODES | 0x4000);
  return words.finish();
}

class Words {
  readonly #bytes = new Uint8Array(IDENTIFY_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  get(word: number): number {
    return this.#view.getUint16(word * 2, true);
  }

  set(word: number, value: number): void {
    this.#view.setUint16(word * 2, value, true);
  }

  set32(word: number, value: number): void {
    this.#view.setUint32(word * 2, value, true);
  }

  common(serial: string, model: string): void {
    this.#text(10, 20, serial);
    this.#text(23, 8, FIRMWARE);
    this.#text(27, 40, model);
    this.set(49, LBA_AND_DMA);
    this.set(50, VALID);
    this.set(53, WORDS_64_AND_88_VALID);
    this.set(63, MULTIWORD_DMA);
    this.set(64, PIO_3_AND_4);
    for (const cycle of [65, 66, 67, 68]) this.set(cycle, 120);
    this.set(76, SATA_1_5_TO_6_GBIT);
    this.set(80, ATA8_AND_BEFORE);
    this.set(93, 0);
    this.set(222, 0x1020);
  }

  /** With the checksum of word 255. */
  finish(): Uint8Array {
    this.#bytes[510] = 0xa5;
    this.#bytes[511] = -this.#bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
    return this.#bytes;
  }

  /** The first character of each pair is in the word's upper byte. */
  #text(word: number, length: number, value: string): void {
    const bytes = Buffer.from(value.padEnd(length).slice(0, length), 'latin1').swap16();
    this.#bytes.set(bytes, word * 2);
  }
}
