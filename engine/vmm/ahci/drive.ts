import { ATA_DRDY, ATA_DSC, ATA_ERR, ERROR_ABRT } from './ahci-layout';
import type { CommandData } from './command-data';
import type { HostFrame } from './fis';

/** How a command ended. */
export interface Outcome {
  readonly status: number;
  readonly error: number;
  /** Registers that carry an answer; those of the command if left out. */
  readonly lba?: number;
  readonly count?: number;
  /** Data went to the host by PIO: the driver looks for the end in another frame. */
  readonly pioIn?: boolean;
}

/** What is at the other end of the port: commands in, outcomes out. It may block its thread. */
export interface Drive {
  /** After a reset of any kind. */
  reset(): void;
  /** Bytes of data that a command moves at most: no more of the guest's buffers are looked at. There may be fewer. */
  dataBytes(frame: HostFrame, packet: Uint8Array): number;
  execute(frame: HostFrame, packet: Uint8Array, data: CommandData): Outcome;
}

export const DONE: Outcome = { status: ATA_DRDY | ATA_DSC, error: 0 };
export const DONE_PIO_IN: Outcome = { ...DONE, pioIn: true };
export const ABORTED: Outcome = failed(ERROR_ABRT);

export function failed(error: number): Outcome {
  return { status: ATA_DRDY | ATA_DSC | ATA_ERR, error };
}
