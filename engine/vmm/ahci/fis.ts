// Frames between host and device (Serial ATA 3.x, 10.5), as they lie in memory.

const FIS_REGISTER_HOST = 0x27;
const FIS_REGISTER_DEVICE = 0x34;
const FIS_PIO_SETUP = 0x5f;
export const FIS_BYTES = 20;

/** Where received frames go, from PxFB (AHCI 4.2.1). */
export const RECEIVED_PIO_SETUP = 0x20;
export const RECEIVED_REGISTER = 0x40;

const FLAG_COMMAND = 0x80;
const FLAG_INTERRUPT = 0x40;
const FLAG_TO_HOST = 0x20;

/** A Register FIS from the host. */
export interface HostFrame {
  /** A command; else the device control register is written, with `control`. */
  readonly isCommand: boolean;
  readonly command: number;
  readonly features: number;
  /** 48 bits. */
  readonly lba: number;
  /** Of those 48: as 28-bit commands have it, the upper four bits in the device register. */
  readonly lba28: number;
  readonly count: number;
  readonly control: number;
}

/**
 * 0 type, 1 flags, 2 command, 3 features, 4-6 LBA, 7 device, 8-10 LBA, 11 features, 12-13 count, 15 control.
 * Undefined: it is no such frame.
 */
export function readHostFrame(bytes: Uint8Array): HostFrame | undefined {
  const at = (index: number): number => bytes[index] ?? 0;
  if (at(0) !== FIS_REGISTER_HOST) return undefined;
  const low = at(4) + at(5) * 0x100 + at(6) * 0x1_0000;
  return {
    isCommand: (at(1) & FLAG_COMMAND) !== 0,
    command: at(2),
    features: at(3) + at(11) * 0x100,
    lba: low + at(8) * 0x100_0000 + at(9) * 0x1_0000_0000 + at(10) * 0x100_0000_0000,
    lba28: low + (at(7) & 0x0f) * 0x100_0000,
    count: at(12) + at(13) * 0x100,
    control: at(15),
  };
}

/** What a device's registers hold when a command is over. */
export interface TaskFile {
  readonly status: number;
  readonly error: number;
  readonly lba: number;
  readonly count: number;
}

/** 0 type, 1 flags, 2 status, 3 error, 4-6 LBA, 8-10 LBA, 12-13 count. */
export function registerFrame(task: TaskFile, interrupt: boolean): Uint8Array {
  const bytes = frame(task, FIS_REGISTER_DEVICE, interrupt ? FLAG_INTERRUPT : 0);
  bytes[2] = task.status;
  return bytes;
}

/** The same, and 15 the status after the transfer, 16-17 how many bytes. */
export function pioSetupFrame(task: TaskFile, bytesMoved: number): Uint8Array {
  const DATA_REQUEST = 0x08;
  const bytes = frame(task, FIS_PIO_SETUP, FLAG_INTERRUPT | FLAG_TO_HOST);
  bytes[2] = task.status | DATA_REQUEST;
  bytes[15] = task.status;
  bytes[16] = bytesMoved & 0xff;
  bytes[17] = (bytesMoved >> 8) & 0xff;
  return bytes;
}

function frame({ error, lba, count }: TaskFile, type: number, flags: number): Uint8Array {
  const bytes = new Uint8Array(FIS_BYTES);
  bytes[0] = type;
  bytes[1] = flags;
  bytes[3] = error;
  bytes[12] = count & 0xff;
  bytes[13] = (count >> 8) & 0xff;
  for (let index = 0; index < 6; index++) {
    bytes[index < 3 ? 4 + index : 5 + index] = Math.floor(lba / 2 ** (8 * index)) & 0xff;
  }
  return bytes;
}
