import { BlockFile } from '../io/block-file';
import type { BlockImage } from '../io/block-image';
import { ATA_DRDY, ATA_DSC, ERROR_IDNF, ERROR_UNC } from './ahci-layout';
import type { Signature } from './ahci-state';
import { type DiskModes, IDENTIFY_BYTES, identifyDisk, MULTIPLE_SECTORS, TRIM_BLOCKS } from './ata-identify';
import type { CommandData } from './command-data';
import { ABORTED, DONE, DONE_PIO_IN, type Drive, failed, type Outcome } from './drive';
import type { HostFrame } from './fis';

// Commands: ATA8-ACS, chapter 7.
const DATA_SET_MANAGEMENT = 0x06;
const READ_SECTORS = 0x20;
const READ_SECTORS_EXT = 0x24;
const READ_DMA_EXT = 0x25;
const READ_MULTIPLE_EXT = 0x29;
const WRITE_SECTORS = 0x30;
const WRITE_SECTORS_EXT = 0x34;
const WRITE_DMA_EXT = 0x35;
const WRITE_MULTIPLE_EXT = 0x39;
const READ_VERIFY = 0x40;
const READ_VERIFY_EXT = 0x42;
const READ_MULTIPLE = 0xc4;
const WRITE_MULTIPLE = 0xc5;
const SET_MULTIPLE_MODE = 0xc6;
const READ_DMA = 0xc8;
const WRITE_DMA = 0xca;
const STANDBY_IMMEDIATE = 0xe0;
const IDLE_IMMEDIATE = 0xe1;
const STANDBY = 0xe2;
const IDLE = 0xe3;
const CHECK_POWER_MODE = 0xe5;
const SLEEP = 0xe6;
const FLUSH_CACHE = 0xe7;
const FLUSH_CACHE_EXT = 0xea;
const IDENTIFY_DEVICE = 0xec;
const SET_FEATURES = 0xef;

const TRIM = 0x01;
const TRIM_BLOCK_BYTES = 512;
const SETFEATURES_WRITE_CACHE_ON = 0x02;
const SETFEATURES_TRANSFER_MODE = 0x03;
const SETFEATURES_LOOK_AHEAD_OFF = 0x55;
const SETFEATURES_WRITE_CACHE_OFF = 0x82;
const SETFEATURES_LOOK_AHEAD_ON = 0xaa;
const TRANSFER_UDMA = 0x40;
const POWER_ACTIVE = 0xff;

interface Transfer {
  readonly kind: 'read' | 'write' | 'verify';
  readonly extended: boolean;
  readonly pio: boolean;
}

const TRANSFERS: ReadonlyMap<number, Transfer> = new Map([
  [READ_SECTORS, { kind: 'read', extended: false, pio: true }],
  [READ_SECTORS_EXT, { kind: 'read', extended: true, pio: true }],
  [READ_MULTIPLE, { kind: 'read', extended: false, pio: true }],
  [READ_MULTIPLE_EXT, { kind: 'read', extended: true, pio: true }],
  [READ_DMA, { kind: 'read', extended: false, pio: false }],
  [READ_DMA_EXT, { kind: 'read', extended: true, pio: false }],
  [WRITE_SECTORS, { kind: 'write', extended: false, pio: true }],
  [WRITE_SECTORS_EXT, { kind: 'write', extended: true, pio: true }],
  [WRITE_MULTIPLE, { kind: 'write', extended: false, pio: true }],
  [WRITE_MULTIPLE_EXT, { kind: 'write', extended: true, pio: true }],
  [WRITE_DMA, { kind: 'write', extended: false, pio: false }],
  [WRITE_DMA_EXT, { kind: 'write', extended: true, pio: false }],
  [READ_VERIFY, { kind: 'verify', extended: false, pio: false }],
  [READ_VERIFY_EXT, { kind: 'verify', extended: true, pio: false }],
]);

const POWER_ON: DiskModes = { writeCache: true, lookAhead: true, udma: 6, multiple: 0 };

export const DISK_SIGNATURE: Signature = { value: 0x0000_0101, status: ATA_DRDY | ATA_DSC };

/** A SATA disk on a raw image, without command queuing. */
export class AtaDisk implements Drive {
  readonly #file: BlockFile;
  #modes = POWER_ON;

  /** @param serial what the guest sees as the serial number: 20 characters of ASCII at most. */
  constructor(
    private readonly image: BlockImage,
    private readonly serial: string,
  ) {
    this.#file = new BlockFile(image);
  }

  reset(): void {
    // A disk whose cache was off stays durable over a reset.
    this.#modes = { ...POWER_ON, writeCache: this.#modes.writeCache };
  }

  dataBytes(frame: HostFrame): number {
    const transfer = TRANSFERS.get(frame.command);
    if (transfer !== undefined) {
      return transfer.kind === 'verify' ? 0 : sectorCount(frame, transfer.extended) * this.image.sectors.logical;
    }
    if (frame.command === IDENTIFY_DEVICE) return IDENTIFY_BYTES;
    return frame.command === DATA_SET_MANAGEMENT ? trimBytes(frame) : 0;
  }

  execute(frame: HostFrame, _packet: Uint8Array, data: CommandData): Outcome {
    const transfer = TRANSFERS.get(frame.command);
    if (transfer !== undefined) return this.#transfer(frame, transfer, data);
    switch (frame.command) {
      case IDENTIFY_DEVICE:
        data.put(identifyDisk(this.image, this.serial, this.#modes));
        return DONE_PIO_IN;
      case FLUSH_CACHE:
      case FLUSH_CACHE_EXT:
        return this.#flush();
      case SET_FEATURES:
        return this.#setFeatures(frame);
      case SET_MULTIPLE_MODE:
        return this.#setMultiple(frame.count & 0xff);
      case DATA_SET_MANAGEMENT:
        return frame.features === TRIM ? this.#trim(frame, data) : ABORTED;
      case STANDBY:
      case STANDBY_IMMEDIATE:
      case SLEEP:
        return this.#flush();
      case IDLE:
      case IDLE_IMMEDIATE:
        return DONE;
      case CHECK_POWER_MODE:
        return { ...DONE, count: POWER_ACTIVE };
      default:
        return ABORTED;
    }
  }

  #transfer(frame: HostFrame, { kind, extended, pio }: Transfer, data: CommandData): Outcome {
    const { image } = this;
    const { logical } = image.sectors;
    const first = extended ? frame.lba : frame.lba28;
    const bytes = sectorCount(frame, extended) * logical;
    const offset = first * logical;
    if (offset + bytes > image.sizeBytes) return { ...failed(ERROR_IDNF), lba: first };
    if (kind === 'verify') return DONE;
    if (data.bytes < bytes || (kind === 'write' && image.readOnly)) return ABORTED;
    const result = kind === 'read' ? data.readFrom(image.fd, offset, bytes) : this.#write(data, offset, bytes);
    if (result !== 0) return { ...failed(ERROR_UNC), lba: first };
    return kind === 'read' && pio ? DONE_PIO_IN : DONE;
  }

  #write(data: CommandData, offset: number, bytes: number): number {
    const result = data.writeTo(this.image.fd, offset, bytes);
    return result === 0 && !this.#modes.writeCache && !this.image.sync ? this.#file.flush() : result;
  }

  #flush(): Outcome {
    return this.image.readOnly || this.#file.flush() === 0 ? DONE : ABORTED;
  }

  #setFeatures({ features, count }: HostFrame): Outcome {
    switch (features & 0xff) {
      case SETFEATURES_TRANSFER_MODE:
        if ((count & 0xf8) === TRANSFER_UDMA) this.#modes = { ...this.#modes, udma: Math.min(count & 7, 6) };
        return DONE;
      case SETFEATURES_WRITE_CACHE_ON:
        this.#modes = { ...this.#modes, writeCache: true };
        return DONE;
      case SETFEATURES_WRITE_CACHE_OFF:
        this.#modes = { ...this.#modes, writeCache: false };
        return this.#flush();
      case SETFEATURES_LOOK_AHEAD_ON:
      case SETFEATURES_LOOK_AHEAD_OFF:
        this.#modes = { ...this.#modes, lookAhead: (features & 0xff) === SETFEATURES_LOOK_AHEAD_ON };
        return DONE;
      default:
        return ABORTED;
    }
  }

  #setMultiple(sectors: number): Outcome {
    if (sectors > MULTIPLE_SECTORS || (sectors & (sectors - 1)) !== 0) return ABORTED;
    this.#modes = { ...this.#modes, multiple: sectors };
    return DONE;
  }

  /** Ranges of 8 bytes: 48 bits first sector, 16 bits how many. Those with none are fill. */
  #trim(frame: HostFrame, data: CommandData): Outcome {
    const { image } = this;
    const bytes = trimBytes(frame);
    if (!image.canDiscard || image.readOnly || bytes === 0 || data.bytes < bytes) return ABORTED;
    const ranges = new DataView(data.get(bytes).buffer);
    const { logical } = image.sectors;
    for (let at = 0; at < bytes; at += 8) {
      const offset = (ranges.getUint32(at, true) + ranges.getUint16(at + 4, true) * 0x1_0000_0000) * logical;
      const length = ranges.getUint16(at + 6, true) * logical;
      if (length === 0) continue;
      if (offset + length > image.sizeBytes) return failed(ERROR_IDNF);
      if (this.#file.discard(offset, length) !== 0) return ABORTED;
    }
    return DONE;
  }
}

/** 0 means the most: 256, or 65,536 for extended commands. */
function sectorCount({ count }: HostFrame, extended: boolean): number {
  return extended ? count || 0x1_0000 : count & 0xff || 0x100;
}

function trimBytes({ count }: HostFrame): number {
  return count <= TRIM_BLOCKS ? count * TRIM_BLOCK_BYTES : 0;
}
