import type { BlockImage } from '../io/block-image';
import { ATA_DRDY, ATA_DSC, ATA_ERR, ERROR_ABRT, ERROR_DIAGNOSED } from './ahci-layout';
import type { Signature } from './ahci-state';
import { IDENTIFY_BYTES, identifyCd } from './ata-identify';
import * as answers from './cd-answers';
import type { CommandData } from './command-data';
import { ABORTED, DONE, DONE_PIO_IN, type Drive, type Outcome } from './drive';
import type { HostFrame } from './fis';
import * as scsi from './scsi-packet';

// Commands outside of packets: ATA8-ACS, chapter 7.
const DEVICE_RESET = 0x08;
const PACKET = 0xa0;
const IDENTIFY_PACKET_DEVICE = 0xa1;
const STANDBY_IMMEDIATE = 0xe0;
const IDLE_IMMEDIATE = 0xe1;
const CHECK_POWER_MODE = 0xe5;
const SLEEP = 0xe6;
const IDENTIFY_DEVICE = 0xec;
const SET_FEATURES = 0xef;
const SETFEATURES_TRANSFER_MODE = 0x03;
const POWER_ACTIVE = 0xff;

/** Without DRDY: such a device isn't ready for commands of disks. */
export const CD_SIGNATURE: Signature = { value: 0xeb14_0101, status: 0 };
/** The signature in the registers, as an answer. */
const SIGNED = { lba: 0xeb_1401, count: 1 };

/** A SATA DVD drive with an image in it (ATA8-ACS and MMC-5): read-only, always ready, never ejected. */
export class AtapiDrive implements Drive {
  readonly #blocks: number;
  #sense = scsi.NO_SENSE;

  constructor(
    private readonly image: BlockImage,
    private readonly serial: string,
  ) {
    this.#blocks = Math.floor(image.sizeBytes / answers.BLOCK_BYTES);
  }

  reset(): void {
    this.#sense = scsi.NO_SENSE;
  }

  dataBytes({ command }: HostFrame, packet: Uint8Array): number {
    if (command === IDENTIFY_PACKET_DEVICE) return IDENTIFY_BYTES;
    if (command !== PACKET) return 0;
    const read = readRange(packet);
    // Longer ones can't be on the disc, and fail.
    if (read !== undefined) return Math.min(read.blocks, this.#blocks) * answers.BLOCK_BYTES;
    return scsi.allocationLength(packet);
  }

  execute(frame: HostFrame, packet: Uint8Array, data: CommandData): Outcome {
    switch (frame.command) {
      case PACKET:
        return this.#executePacket(packet, data);
      case IDENTIFY_PACKET_DEVICE:
        data.put(identifyCd(this.serial));
        return DONE_PIO_IN;
      case IDENTIFY_DEVICE:
        // So a driver learns that it is no disk: aborted, with the signature in its registers.
        return { ...ABORTED, ...SIGNED };
      case DEVICE_RESET:
        this.reset();
        return { ...SIGNED, status: CD_SIGNATURE.status, error: ERROR_DIAGNOSED };
      case SET_FEATURES:
        return (frame.features & 0xff) === SETFEATURES_TRANSFER_MODE ? DONE : ABORTED;
      case STANDBY_IMMEDIATE:
      case IDLE_IMMEDIATE:
      case SLEEP:
        return DONE;
      case CHECK_POWER_MODE:
        return { ...DONE, count: POWER_ACTIVE };
      default:
        return ABORTED;
    }
  }

  #executePacket(packet: Uint8Array, data: CommandData): Outcome {
    const read = readRange(packet);
    if (read !== undefined) return this.#read(read, data);
    if (packet[0] === scsi.REQUEST_SENSE) {
      data.put(scsi.senseData(this.#sense).subarray(0, scsi.allocationLength(packet)));
      this.#sense = scsi.NO_SENSE;
      return DONE_PACKET;
    }
    const answer = this.#answer(packet);
    if ('key' in answer) return this.#fail(answer);
    this.#sense = scsi.NO_SENSE;
    data.put(answer.subarray(0, scsi.allocationLength(packet)));
    return DONE_PACKET;
  }

  #read({ first, blocks }: BlockRange, data: CommandData): Outcome {
    if (first + blocks > this.#blocks) return this.#fail(scsi.LBA_OUT_OF_RANGE);
    const bytes = blocks * answers.BLOCK_BYTES;
    if (data.bytes < bytes) return this.#fail(scsi.INVALID_FIELD);
    if (data.readFrom(this.image.fd, first * answers.BLOCK_BYTES, bytes) !== 0) {
      return this.#fail(scsi.MEDIUM_UNREADABLE);
    }
    this.#sense = scsi.NO_SENSE;
    return DONE_PACKET;
  }

  /** The bytes of an answer (none for commands without), or why there is none. */
  #answer(packet: Uint8Array): Uint8Array | scsi.Sense {
    const at = (index: number): number => packet[index] ?? 0;
    switch (at(0)) {
      case scsi.TEST_UNIT_READY:
      case scsi.PREVENT_ALLOW_MEDIUM_REMOVAL:
      case scsi.START_STOP_UNIT:
      case scsi.SET_CD_SPEED:
        return NO_BYTES;
      case scsi.SEEK_10:
        return scsi.bigEndian(packet, 2, 4) < this.#blocks ? NO_BYTES : scsi.LBA_OUT_OF_RANGE;
      case scsi.INQUIRY:
        // No pages of vital product data.
        return (at(1) & 1) === 0 && at(2) === 0 ? answers.inquiry() : scsi.INVALID_FIELD;
      case scsi.READ_CAPACITY_10:
        return answers.capacity(this.#blocks);
      case scsi.MODE_SENSE_6:
        return this.#modeSense(at(2), 4);
      case scsi.MODE_SENSE_10:
        return this.#modeSense(at(2), 8);
      case scsi.READ_TOC_PMA_ATIP: {
        // Old drivers have the format in the last byte.
        const format = at(2) & 0x0f || at(9) >> 6;
        return answers.tableOfContents(this.#blocks, format, at(6), (at(1) & 2) !== 0) ?? scsi.INVALID_FIELD;
      }
      case scsi.GET_CONFIGURATION:
        return answers.configuration(this.#blocks, scsi.bigEndian(packet, 2, 2), at(1) & 3);
      case scsi.GET_EVENT_STATUS_NOTIFICATION:
        // Asynchronous notification is not there.
        return (at(1) & 1) === 1 ? answers.eventStatus(at(4)) : scsi.INVALID_FIELD;
      case scsi.READ_DISC_INFORMATION:
        return (at(1) & 7) === 0 ? answers.discInformation() : scsi.INVALID_FIELD;
      case scsi.MECHANISM_STATUS:
        return answers.mechanismStatus();
      case scsi.READ_SUBCHANNEL:
        return answers.subchannel();
      case scsi.REPORT_LUNS:
        return answers.logicalUnits();
      default:
        return scsi.INVALID_COMMAND;
    }
  }

  /** Current, changeable and default values are the same; nothing is saved. */
  #modeSense(page: number, header: 4 | 8): Uint8Array | scsi.Sense {
    const SAVED = 3;
    if (page >> 6 === SAVED) return { key: scsi.INVALID_FIELD.key, code: 0x39 };
    return answers.modePages(page & 0x3f, header) ?? scsi.INVALID_FIELD;
  }

  /** The sense key is in the upper half of the error register. */
  #fail(sense: scsi.Sense): Outcome {
    this.#sense = sense;
    return {
      status: ATA_DRDY | ATA_DSC | ATA_ERR,
      error: (sense.key << 4) | (sense.key === scsi.INVALID_COMMAND.key ? ERROR_ABRT : 0),
      count: REASON_STATUS,
    };
  }
}

/** The interrupt reason register: the command is over, and there is status. */
const REASON_STATUS = 0x03;
const DONE_PACKET: Outcome = { ...DONE, count: REASON_STATUS };
const NO_BYTES = new Uint8Array(0);

interface BlockRange {
  readonly first: number;
  readonly blocks: number;
}

function readRange(packet: Uint8Array): BlockRange | undefined {
  if (packet[0] === scsi.READ_10) return { first: scsi.bigEndian(packet, 2, 4), blocks: scsi.bigEndian(packet, 7, 2) };
  if (packet[0] === scsi.READ_12) return { first: scsi.bigEndian(packet, 2, 4), blocks: scsi.bigEndian(packet, 6, 4) };
  return undefined;
}
