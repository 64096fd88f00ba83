import type { VirtioDevice } from '../../../../../../engine/vmm/virtio/device-model';
import { Virtqueue } from '../../../../../../engine/vmm/virtio/virtqueue';
import { OP, readPacket, VSOCK_HEADER_BYTES } from '../../../../../../engine/vmm/virtio/vsock/packet';
import { DriverRing, fakeMemory } from '../driver-ring';

/** A packet as a test writes and reads it; from the guest unless it was received. */
export interface Packet {
  readonly op: number;
  readonly guestPort: number;
  readonly hostPort: number;
  readonly flags?: number;
  readonly bufAlloc?: number;
  readonly fwdCnt?: number;
  readonly payload?: Uint8Array;
  /** What is wrong with it. */
  readonly length?: number;
  readonly type?: number;
  readonly sourceCid?: number;
  readonly destinationCid?: number;
}

export type Received = Required<Packet>;

const RING_BYTES = 16 * 1024 * 1024;
export const GUEST_CID = 3;

export function packetBytes(packet: Packet): Buffer {
  const { payload = Buffer.alloc(0) } = packet;
  const bytes = Buffer.alloc(VSOCK_HEADER_BYTES);
  bytes.writeBigUInt64LE(BigInt(packet.sourceCid ?? GUEST_CID), 0);
  bytes.writeBigUInt64LE(BigInt(packet.destinationCid ?? 2), 8);
  bytes.writeUInt32LE(packet.guestPort, 16);
  bytes.writeUInt32LE(packet.hostPort, 20);
  bytes.writeUInt32LE(packet.length ?? payload.length, 24);
  bytes.writeUInt16LE(packet.type ?? 1, 28);
  bytes.writeUInt16LE(packet.op, 30);
  bytes.writeUInt32LE(packet.flags ?? 0, 32);
  bytes.writeUInt32LE(packet.bufAlloc ?? 0x4_0000, 36);
  bytes.writeUInt32LE(packet.fwdCnt ?? 0, 40);
  return Buffer.concat([bytes, payload]);
}

/** A guest's socket driver, as far as a test has one. */
export class VsockDriver {
  readonly receiveRing: DriverRing;
  readonly transmitRing: DriverRing;
  readonly faults: string[] = [];
  #generation = 0;
  readonly waiting: Received[] = [];

  constructor(
    readonly device: VirtioDevice,
    private readonly buffers = 64,
    private readonly bufferBytes = 4096,
  ) {
    const memory = fakeMemory(2 * RING_BYTES + 0x1_0000);
    const ring = { size: 256, eventIndex: true, bytes: RING_BYTES };
    this.receiveRing = new DriverRing(memory, ring);
    this.transmitRing = new DriverRing(memory, { ...ring, base: 0x1000 + RING_BYTES });
    this.start();
    this.offer(buffers);
  }

  /** As the hosting of devices does. */
  #again(index: number): void {
    const generation = this.#generation;
    setImmediate(() => {
      if (generation === this.#generation) this.device.notified(index);
    });
  }

  start(): void {
    const queues = [this.receiveRing, this.transmitRing].map(
      ({ memory, layout }, index) =>
        new Virtqueue(memory, layout, () => undefined, {
          fail: (fault) => void this.faults.push(fault.code),
          again: () => this.#again(index),
        }),
    );
    this.#generation++;
    this.device.activate(queues, 0n);
  }

  offer(count: number): void {
    for (let index = 0; index < count; index++) {
      this.receiveRing.add([], [VSOCK_HEADER_BYTES, this.bufferBytes - VSOCK_HEADER_BYTES]);
    }
    if (this.receiveRing.needsKick()) this.device.notified(0);
  }

  send(...packets: readonly Packet[]): void {
    this.sendBytes(...packets.map((packet) => [packetBytes(packet)]));
  }

  /** Chains of whatever pieces. */
  sendBytes(...chains: ReadonlyArray<readonly Uint8Array[]>): void {
    for (const pieces of chains) this.transmitRing.add(pieces, []);
    if (this.transmitRing.needsKick()) this.device.notified(1);
    this.transmitRing.collect();
  }

  /** What came since the last call; as many buffers are offered again unless `refill` is false. */
  collect(refill = true): Received[] {
    const done = this.receiveRing.collect();
    for (const { written, bytes } of done) {
      const all = Buffer.from(bytes);
      const view = new DataView(all.buffer, all.byteOffset);
      const header = readPacket(view);
      if (written !== VSOCK_HEADER_BYTES + header.length) throw new Error(`${written} bytes for ${header.length}`);
      this.waiting.push({
        ...header,
        // From the host to the guest: the other way round.
        guestPort: header.hostPort,
        hostPort: header.guestPort,
        payload: all.subarray(VSOCK_HEADER_BYTES, written),
      });
    }
    if (refill && done.length > 0) this.offer(this.buffers - this.receiveRing.underWay);
    return this.waiting.splice(0);
  }

  /** Reads until it has the next packet of this kind; drops others. */
  async next(op: number, collect = () => this.collect()): Promise<Received> {
    const end = performance.now() + 4000;
    for (;;) {
      const found = collect();
      const index = found.findIndex((packet) => packet.op === op);
      if (index >= 0) {
        this.waiting.unshift(...found.slice(index + 1));
        return found[index]!;
      }
      if (performance.now() > end) throw new Error(`no packet ${op}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Opens a connection to a service of the host. */
  async connect(hostPort: number, guestPort: number, bufAlloc = 0x4_0000): Promise<void> {
    this.send({ op: OP.REQUEST, guestPort, hostPort, bufAlloc });
    await this.next(OP.RESPONSE);
  }
}
