import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { BlockSpec } from '../../../../../../engine/spec/board-spec';
import { closeBlockImage, openBlockImage } from '../../../../../../engine/vmm/io/block-image';
import { VirtioBlk } from '../../../../../../engine/vmm/virtio/blk/virtio-blk';
import { Virtqueue } from '../../../../../../engine/vmm/virtio/virtqueue';
import { DriverRing, fakeMemory, type Request } from '../driver-ring';

export const T = { in: 0, out: 1, flush: 4, getId: 8, discard: 11, writeZeroes: 13 } as const;
export const S = { ok: 0, ioError: 1, unsupported: 2 } as const;
export const FEATURE = { flush: 1n << 9n, configWce: 1n << 11n } as const;

/** An answered request. */
export interface Answer {
  readonly status: number;
  readonly written: number;
  /** What the device was to write, without the status. */
  readonly data: Buffer;
}

export function header(type: number, sector: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(type, 0);
  bytes.writeBigUInt64LE(BigInt(sector), 8);
  return bytes;
}

export function range(sector: number, sectors: number, flags = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(sector), 0);
  bytes.writeUInt32LE(sectors, 8);
  bytes.writeUInt32LE(flags, 12);
  return bytes;
}

export interface BlkDriverOptions extends Partial<BlockSpec> {
  readonly sizeBytes?: number;
  readonly features?: bigint;
  readonly eventIndex?: boolean;
  readonly memoryBytes?: number;
}

/** A disk on a file of its own, and a driver of it; requests are served when `serve` is called. */
export class BlkDriver {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'hk-blk-'));
  readonly file = path.join(this.folder, 'disk.raw');
  readonly content: Buffer;
  readonly image;
  readonly device: VirtioBlk;
  readonly ring: DriverRing;
  interrupts = 0;
  again = 0;

  constructor({
    sizeBytes = 0x10_0000,
    features = FEATURE.flush,
    eventIndex = false,
    memoryBytes = 0x80_0000,
    ...spec
  }: BlkDriverOptions = {}) {
    this.content = randomBytes(sizeBytes);
    writeFileSync(this.file, this.content);
    const defaults = { path: this.file, format: 'raw', readOnly: false, sync: false, sectors: undefined } as const;
    this.image = openBlockImage({ ...defaults, ...spec });
    const memory = fakeMemory(memoryBytes);
    this.ring = new DriverRing(memory, { size: 256, indirect: true, eventIndex, bytes: memoryBytes - 0x1000 });
    this.ring.wantInterrupts(true);
    this.device = this.freshDevice(features);
  }

  /** As after a reset. */
  freshDevice(features = FEATURE.flush): VirtioBlk {
    const { memory, layout } = this.ring;
    const device = new VirtioBlk(this.image, memory, { queues: 1, serial: 'HK-0123' });
    const queue = new Virtqueue(memory, layout, () => void this.interrupts++, {
      fail: (fault) => {
        throw fault;
      },
      again: () => void this.again++,
    });
    device.activate([queue], features);
    return device;
  }

  close(): void {
    closeBlockImage(this.image);
    rmSync(this.folder, { recursive: true });
  }

  onDisk(offset = 0, length = this.image.sizeBytes): Buffer {
    return readFileSync(this.file).subarray(offset, offset + length);
  }

  /** Header, data and status in buffers of their own, as Linux does. */
  add(
    type: number,
    sector: number,
    { out = [] as readonly Uint8Array[], into = [] as readonly number[] } = {},
  ): Request {
    return this.ring.add([header(type, sector), ...out], [...into, 1]);
  }

  /** Kicks the device until it has nothing to do, and answers by the chain's head. */
  serve(): Map<number, Answer> {
    do {
      this.again = 0;
      this.device.notified(0);
    } while (this.again > 0);
    return new Map(
      this.ring.collect().map(({ head, written, bytes }) => {
        const data = Buffer.from(bytes.subarray(0, bytes.length - 1));
        return [head, { status: bytes[bytes.length - 1]!, written, data }];
      }),
    );
  }

  /** One request, answered. */
  ask(type: number, sector: number, buffers: { out?: readonly Uint8Array[]; into?: readonly number[] } = {}): Answer {
    const { head } = this.add(type, sector, buffers);
    return this.serve().get(head)!;
  }
}
