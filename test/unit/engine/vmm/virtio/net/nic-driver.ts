import { NET_F, NET_HEADER_BYTES } from '../../../../../../engine/vmm/virtio/net/net-header';
import type { NicBackend } from '../../../../../../engine/vmm/virtio/net/nic-backend';
import { VirtioNet } from '../../../../../../engine/vmm/virtio/net/virtio-net';
import { Virtqueue } from '../../../../../../engine/vmm/virtio/virtqueue';
import { DriverRing, fakeMemory } from '../driver-ring';

/** Fields of struct virtio_net_hdr that a driver sets. */
export interface NetHeader {
  readonly flags?: number;
  readonly gsoType?: number;
  readonly headerLength?: number;
  readonly gsoSize?: number;
  readonly checksumStart?: number;
  readonly checksumOffset?: number;
}

export interface ReceivedFrame {
  readonly header: Required<NetHeader> & { readonly buffers: number };
  readonly bytes: Buffer;
}

export interface NicDriverOptions {
  /** Negotiated besides what the device offers; all of that unless given. */
  readonly features?: bigint;
  readonly size?: number;
  readonly bufferBytes?: number;
  /** Buffers laid out for frames at first. */
  readonly buffers?: number;
  readonly eventIndex?: boolean;
}

const RING_BYTES = 24 * 1024 * 1024;

export function headerBytes(header: NetHeader = {}): Buffer {
  const bytes = Buffer.alloc(NET_HEADER_BYTES);
  bytes[0] = header.flags ?? 0;
  bytes[1] = header.gsoType ?? 0;
  bytes.writeUInt16LE(header.headerLength ?? 0, 2);
  bytes.writeUInt16LE(header.gsoSize ?? 0, 4);
  bytes.writeUInt16LE(header.checksumStart ?? 0, 6);
  bytes.writeUInt16LE(header.checksumOffset ?? 0, 8);
  return bytes;
}

/** A guest's network driver, as far as a test has one. */
export class NicDriver {
  readonly device: VirtioNet;
  readonly receiveRing: DriverRing;
  readonly transmitRing: DriverRing;
  readonly received: ReceivedFrame[] = [];
  /** Interrupts of the two queues. */
  readonly interrupts = [0, 0];
  /** Codes of what the device complained about. */
  readonly faults: string[] = [];
  #generation = 0;
  readonly features: bigint;
  #queues: readonly Virtqueue[] = [];
  #missing = 0;
  #parts: Buffer[] = [];

  constructor(
    backend: NicBackend,
    private readonly options: NicDriverOptions = {},
  ) {
    const { size = 256, eventIndex = true } = options;
    this.device = new VirtioNet(backend);
    this.features = options.features ?? this.device.identity.features;
    const memory = fakeMemory(2 * RING_BYTES + 0x1_0000);
    const ring = { size, eventIndex, bytes: RING_BYTES };
    this.receiveRing = new DriverRing(memory, ring);
    this.transmitRing = new DriverRing(memory, { ...ring, base: 0x1000 + RING_BYTES });
    this.refill(options.buffers ?? size);
    this.start();
  }

  /** As the hosting of devices does. */
  #again(index: number): void {
    const generation = this.#generation;
    setImmediate(() => {
      if (generation === this.#generation) this.device.notified(index);
    });
  }

  start(): void {
    this.#queues = [this.receiveRing, this.transmitRing].map(
      ({ memory, layout }, index) =>
        new Virtqueue(memory, layout, () => void this.interrupts[index]!++, {
          fail: (fault) => void this.faults.push(fault.code),
          again: () => this.#again(index),
        }),
    );
    this.#generation++;
    this.device.activate(this.#queues, this.features);
  }

  refill(count: number): void {
    const { bufferBytes = 2048 } = this.options;
    for (let index = 0; index < count; index++) this.receiveRing.add([], [bufferBytes]);
  }

  /** Refills, and kicks if the device wants to know. */
  offer(count: number): boolean {
    this.refill(count);
    const needed = this.receiveRing.needsKick();
    if (needed) this.device.notified(0);
    return needed;
  }

  /** Queues frames without a kick. */
  queue(frame: Uint8Array, header: NetHeader = {}): void {
    this.transmitRing.add([headerBytes(header), frame], []);
  }

  /** In pieces as long as told; the last one has the rest. */
  queuePieces(bytes: Uint8Array, lengths: readonly number[]): void {
    const pieces: Uint8Array[] = [];
    let at = 0;
    for (const length of lengths) {
      pieces.push(bytes.subarray(at, at + length));
      at += length;
    }
    this.transmitRing.add(
      [...pieces, bytes.subarray(at)].filter((piece) => piece.length > 0),
      [],
    );
  }

  kick(): void {
    if (this.transmitRing.needsKick()) this.device.notified(1);
  }

  send(frame: Uint8Array, header: NetHeader = {}): void {
    this.queue(frame, header);
    this.kick();
  }

  /** Frames since the last call. */
  collect(): ReceivedFrame[] {
    this.transmitRing.collect();
    for (const { written, bytes } of this.receiveRing.collect()) {
      const part = Buffer.from(bytes.subarray(0, written));
      if (this.#parts.length === 0) {
        this.#missing = (this.features & NET_F.MRG_RXBUF) === 0n ? 1 : part.readUInt16LE(10);
      }
      this.#parts.push(part);
      if (--this.#missing > 0) continue;
      const whole = Buffer.concat(this.#parts);
      this.#parts = [];
      this.received.push({
        header: {
          flags: whole[0]!,
          gsoType: whole[1]!,
          headerLength: whole.readUInt16LE(2),
          gsoSize: whole.readUInt16LE(4),
          checksumStart: whole.readUInt16LE(6),
          checksumOffset: whole.readUInt16LE(8),
          buffers: whole.readUInt16LE(10),
        },
        bytes: whole.subarray(NET_HEADER_BYTES),
      });
    }
    // A frame whose buffers are not all there yet: the driver would have lost it.
    if (this.#parts.length > 0) throw new Error(`${this.#missing} buffers of a frame are missing`);
    return this.received.splice(0);
  }
}
