import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ahciPlan } from '../../../../../engine/vmm/ahci/ahci-layout';
import { AhciPort } from '../../../../../engine/vmm/ahci/ahci-port';
import { AhciRegisters } from '../../../../../engine/vmm/ahci/ahci-registers';
import { AhciState } from '../../../../../engine/vmm/ahci/ahci-state';
import { AtaDisk, DISK_SIGNATURE } from '../../../../../engine/vmm/ahci/ata-disk';
import { AtapiDrive, CD_SIGNATURE } from '../../../../../engine/vmm/ahci/atapi-drive';
import { BoardLock } from '../../../../../engine/vmm/bus/board-lock';
import { closeBlockImage, openBlockImage } from '../../../../../engine/vmm/io/block-image';
import type { GuestMemory } from '../../../../../engine/vmm/memory/guest-memory';
import { PciFunction } from '../../../../../engine/vmm/pci/pci-function';
import { FakeLines } from '../platform/fakes';
import { fakeMemory } from '../virtio/driver-ring';

export const MEMORY_BYTES = 16 * 2 ** 20;
const COMMAND_LIST = 0x1000;
const RECEIVED = 0x2000;
const TABLES = 0x4000;
const TABLE_BYTES = 0x1000;
export const BUFFERS = 0x10_0000;

export const GHC = 0x04;
export const PX_IS = 0x110;
export const PX_IE = 0x114;
export const PX_CMD = 0x118;
export const PX_TFD = 0x120;
export const PX_CI = 0x138;
export const PX_SERR = 0x130;

/** How a command ended, as a driver sees it. */
export interface Ended {
  readonly failed: boolean;
  readonly status: number;
  readonly error: number;
  readonly moved: number;
  readonly data: Buffer;
  /** The last register frame. */
  readonly frame: Uint8Array;
}

export interface Taskfile {
  readonly command: number;
  readonly features?: number;
  readonly lba?: number;
  readonly count?: number;
  readonly device?: number;
}

/** An AHCI controller with a drive on a temporary file, and a driver that does what Linux's does. */
export class AhciMachine {
  readonly memory: GuestMemory = fakeMemory(MEMORY_BYTES);
  readonly lines = new FakeLines();
  readonly messages: number[] = [];
  readonly faults: string[] = [];
  readonly pci: PciFunction;
  readonly state: AhciState;
  readonly registers: AhciRegisters;
  readonly port: AhciPort;
  /** The eventfd between the halves. While `held`, the drive's thread doesn't come to it. */
  held = false;
  #signalled = false;
  readonly #close: () => void;

  constructor(kind: 'ahci-hd' | 'ahci-cd', contents: Uint8Array, { readOnly = kind === 'ahci-cd', sector = 512 } = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'hk-ahci-'));
    const path = join(folder, 'image');
    writeFileSync(path, contents);
    const sectors = { logical: sector, physical: Math.max(sector, 4096) };
    const image = openBlockImage({ path, format: 'raw', readOnly, sync: false, sectors });
    this.#close = () => {
      closeBlockImage(image);
      rmSync(folder, { recursive: true });
    };
    this.path = path;
    const plan = ahciPlan(3, 0);
    const wires = {
      messages: { send: (_low: number, _high: number, data: number) => this.messages.push(data) },
      lines: this.lines,
    };
    this.pci = new PciFunction(plan, new SharedArrayBuffer(PciFunction.stateBytes(plan)));
    this.pci.connect(wires);
    this.pci.reset();
    this.pci.writeConfig(4, 2, 0x0006);
    const signature = kind === 'ahci-hd' ? DISK_SIGNATURE : CD_SIGNATURE;
    this.state = new AhciState(new SharedArrayBuffer(AhciState.STATE_BYTES), signature, this.pci, wires);
    this.state.initialize();
    this.registers = new AhciRegisters(this.state, () => this.#wake());
    const drive = kind === 'ahci-hd' ? new AtaDisk(image, 'SERIAL-1') : new AtapiDrive(image, 'SERIAL-1');
    this.port = new AhciPort(this.state, drive, {
      memory: this.memory,
      lock: new BoardLock(new SharedArrayBuffer(BoardLock.BYTES)),
      again: () => this.#wake(),
      report: (fault) => this.faults.push(fault.message),
    });
  }

  readonly path: string;

  close(): void {
    this.#close();
  }

  read(register: number): number {
    return this.registers.read(register, 4);
  }

  write(register: number, value: number): void {
    this.registers.write(register, 4, value);
    if (!this.held) this.work();
  }

  /** The drive's thread comes to its work. */
  work(): void {
    while (this.#signalled) {
      this.#signalled = false;
      this.port.notified();
    }
  }

  /** As Linux: reset of the controller, frames on, link reset, engine on. */
  start(): void {
    this.write(GHC, 0x8000_0001);
    expect(this.read(GHC) & 1).toBe(0);
    this.write(GHC, 0x8000_0002);
    this.write(0x100, COMMAND_LIST);
    this.write(0x104, 0);
    this.write(0x108, RECEIVED);
    this.write(0x10c, 0);
    this.write(PX_CMD, this.read(PX_CMD) | 0x10);
    expect(this.read(PX_CMD) & 0x4000).not.toBe(0);
    this.write(0x12c, 0x301);
    this.write(0x12c, 0x300);
    expect(this.read(0x128)).toBe(0x133);
    expect(this.read(PX_TFD) & 0x88).toBe(0);
    this.write(PX_SERR, this.read(PX_SERR));
    this.write(PX_IS, this.read(PX_IS));
    this.write(PX_IE, 0x7dc0_007f);
    this.write(PX_CMD, this.read(PX_CMD) | 1);
    expect(this.read(PX_CMD) & 0x8000).not.toBe(0);
  }

  /** As error handling does: the engine off and on again. */
  restart(): void {
    this.write(PX_CMD, this.read(PX_CMD) & ~1);
    expect(this.read(PX_CMD) & 0x8000).toBe(0);
    this.write(PX_SERR, this.read(PX_SERR));
    this.write(PX_IS, this.read(PX_IS));
    this.write(PX_CMD, this.read(PX_CMD) | 1);
  }

  /** Puts a command into a slot. `regions` are the sizes of its buffers. */
  prepare(
    task: Taskfile,
    { slot = 0, regions = [] as readonly number[], data = Buffer.alloc(0), packet = Buffer.alloc(0) } = {},
  ): Array<readonly [number, number]> {
    const { command, features = 0, lba = 0, count = 0, device = 0x40 } = task;
    const table = TABLES + slot * TABLE_BYTES;
    const header = COMMAND_LIST + slot * 32;
    this.memory.slice(header, 32).fill(0);
    this.memory.slice(table, 0x80).fill(0);
    const places: Array<readonly [number, number]> = [];
    let next = BUFFERS + slot * 0x4_0000;
    for (const [index, length] of regions.entries()) {
      places.push([next, length]);
      this.memory.slice(next, length).fill(0xee);
      this.memory.writeU32(table + 0x80 + index * 16, next);
      this.memory.writeU32(table + 0x84 + index * 16, 0);
      this.memory.writeU32(table + 0x8c + index * 16, length - 1);
      next += Math.ceil(length / 64) * 64 + 64;
    }
    let done = 0;
    for (const [address, length] of places) {
      const part = data.subarray(done, done + length);
      this.memory.slice(address, part.length).set(part);
      done += part.length;
    }
    const at = (index: number): number => Math.floor(lba / 2 ** (8 * index)) & 0xff;
    this.memory
      .slice(table, 20)
      .set([
        0x27,
        0x80,
        command,
        features & 0xff,
        at(0),
        at(1),
        at(2),
        device,
        at(3),
        at(4),
        at(5),
        features >> 8,
        count & 0xff,
        count >> 8,
      ]);
    this.memory.slice(table + 0x40, packet.length).set(packet);
    this.memory.writeU16(header, 5 | (packet.length > 0 ? 0x20 : 0));
    this.memory.writeU16(header + 2, regions.length);
    this.memory.writeU32(header + 8, table);
    return places;
  }

  /** Runs one command to its end. */
  run(task: Taskfile, options: Parameters<AhciMachine['prepare']>[1] = {}): Ended {
    const slot = options.slot ?? 0;
    const places = this.prepare(task, options);
    this.write(PX_CI, 1 << slot);
    const failed = (this.read(PX_IS) & 0x4000_0000) !== 0;
    expect((this.read(PX_CI) >>> slot) & 1).toBe(failed ? 1 : 0);
    const taskFile = this.read(PX_TFD);
    const ended = {
      failed,
      status: taskFile & 0xff,
      error: taskFile >> 8,
      moved: this.memory.readU32(COMMAND_LIST + slot * 32 + 4),
      data: Buffer.concat(places.map(([address, length]) => this.memory.slice(address, length))),
      frame: Uint8Array.from(this.memory.slice(RECEIVED + 0x40, 20)),
    };
    if (failed) this.restart();
    else this.write(PX_IS, this.read(PX_IS));
    return ended;
  }

  /** A packet command with room for `bytes` of answer. */
  packet(packet: readonly number[], bytes = 0, regions = bytes > 0 ? [bytes] : []): Ended {
    const padded = Buffer.alloc(12);
    padded.set(packet);
    return this.run({ command: 0xa0, features: 1 }, { regions, packet: padded });
  }

  get received(): Uint8Array {
    return this.memory.slice(RECEIVED, 256);
  }

  #wake(): void {
    this.#signalled = true;
  }
}

/** Contents of a disk in which each sector tells its number. */
export function numbered(sectors: number, sectorBytes = 512): Buffer {
  const bytes = Buffer.alloc(sectors * sectorBytes);
  for (let at = 0; at < bytes.length; at += 4)
    bytes.writeUInt32LE(Math.floor(at / sectorBytes) * 0x1000 + (at % sectorBytes), at);
  return bytes;
}
