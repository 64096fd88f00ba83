import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { BoardSpec, FirmwareSpec } from '../../../engine/spec/board-spec';
import type { BoardExit, RunningBoard } from '../../../engine/vmm/board/board-attachments';
import { startBoard } from '../../../engine/vmm/board/start-board';

/** Why guests can't run here; undefined: they can. */
export function findKvmObstacle(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'KVM is for x86-64 Linux';
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** A board with a host bridge, serial ports and little memory. */
export function boardSpec(firmware: FirmwareSpec, change: Partial<BoardSpec> = {}): BoardSpec {
  return {
    vcpus: 1,
    memoryBytes: 64 * 1024 * 1024,
    uuid: undefined,
    firmware,
    slots: [
      { slot: 0, func: 0, device: { kind: 'hostbridge', vendor: 'hyperkit' } },
      { slot: 31, func: 0, device: { kind: 'lpc' } },
    ],
    com1: undefined,
    com2: undefined,
    acpi: false,
    mpTable: false,
    rtc: 'utc',
    strictIo: false,
    x2apic: true,
    ignoreUnknownMsrs: false,
    virtioInterrupts: 'msi-x',
    debugConsole: false,
    debugPort: undefined,
    ...change,
  };
}

/** What a guest said, and somebody who waits for it. */
export class Heard {
  #bytes = Buffer.alloc(0);
  #waiters: { readonly isDone: (bytes: Buffer) => boolean; readonly resolve: () => void }[] = [];

  get bytes(): Buffer {
    return this.#bytes;
  }

  get text(): string {
    return this.#bytes.toString('latin1');
  }

  write(bytes: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (const { isDone, resolve } of this.#waiters) if (isDone(this.#bytes)) resolve();
  }

  /** Resolves when the guest says more than it has said so far. */
  async untilMore(): Promise<void> {
    const { length } = this.#bytes;
    await new Promise<void>((resolve) => this.#waiters.push({ isDone: (bytes) => bytes.length > length, resolve }));
  }

  /** Resolves when the guest has said this. */
  async until(text: string): Promise<void> {
    const isDone = (bytes: Buffer): boolean => bytes.includes(text);
    if (isDone(this.#bytes)) return;
    await new Promise<void>((resolve) => this.#waiters.push({ isDone, resolve }));
  }
}

/** A guest that runs, and what it says on COM1. */
export interface Guest {
  readonly board: RunningBoard;
  readonly heard: Heard;
  readonly log: readonly string[];
}

/** Starts guests, and leaves nothing of them behind. */
export class GuestBench {
  #folder = '';
  #boards: RunningBoard[] = [];
  #files = 0;

  async open(): Promise<void> {
    this.#folder = await mkdtemp(path.join(os.tmpdir(), 'hk-guest-'));
  }

  async close(): Promise<void> {
    await Promise.all(this.#boards.splice(0).map(async (board) => await board.kill()));
    await rm(this.#folder, { recursive: true });
  }

  /** A file with these bytes. */
  async file(bytes: Uint8Array): Promise<string> {
    const file = path.join(this.#folder, `image${this.#files++}`);
    await writeFile(file, bytes);
    return file;
  }

  async start(spec: BoardSpec): Promise<Guest> {
    const heard = new Heard();
    const log: string[] = [];
    const board = await startBoard(spec, { com1: heard, com2: undefined, nics: [], log: (line) => log.push(line) });
    this.#boards.push(board);
    return { board, heard, log };
  }

  /** Runs a guest to its end. */
  async run(spec: BoardSpec): Promise<Guest & { readonly exit: BoardExit }> {
    const guest = await this.start(spec);
    return { ...guest, exit: await guest.board.exited };
  }
}
