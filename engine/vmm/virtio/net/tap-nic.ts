import { allocatePinned } from '../../../../native/pinned-buffer';
import { EAGAIN, sockets, TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 } from '../../../../native/sockets';
import { EngineError } from '../../../errors';
import type { Reactor } from '../../../net/reactor/reactor';
import type { GuestMemory } from '../../memory/guest-memory';
import type { DescriptorChain, Segment } from '../virtqueue';
import { ALL_OFFLOADS, LONGEST_FRAME_BYTES, NET_F, NET_HEADER_BYTES, NUM_BUFFERS_OFFSET } from './net-header';
import type { NicBackend, NicQueues } from './nic-backend';
import { ReceiveBuffers } from './receive-buffers';

/** struct iovec: 0 u64 base, 8 u64 length; as many as a call takes (IOV_MAX). */
const IOVEC_BYTES = 16;
const MAX_VECTORS = 1024;
/** Frames in a row in one direction, before others get their turn. */
const FRAMES_IN_A_ROW = 128;
/** Frames that a device keeps while nobody reads: more than any queue of one. */
const MAX_STALE_FRAMES = 16_384;

export interface TapNicOptions {
  /** Name of the device. */
  readonly device: string;
  /** 6 bytes. */
  readonly mac: Uint8Array;
  /** Bytes of an IP packet. */
  readonly mtu: number;
  /** Path of the network namespace that holds the device; ours unless told. */
  readonly netns?: string | undefined;
}

/**
 * Connects a NIC to a Linux tap device. The kernel reads the guest's frames from its memory and writes to its buffers by
 * itself: its header in front of frames is virtio's, offloads included.
 * @throws EngineError HK_NET_UNAVAILABLE
 */
export function openTapNic(reactor: Reactor, options: TapNicOptions): NicBackend {
  const { device, netns } = options;
  try {
    return new TapNic(reactor, sockets.openTap(device, netns, NET_HEADER_BYTES).fd, options);
  } catch (cause) {
    throw new EngineError(
      'HK_NET_UNAVAILABLE',
      `cannot open the tap device ${device}: ${(cause as Error).message}; it takes /dev/net/tun and the right to manage the network (CAP_NET_ADMIN) of its namespace, or a device that belongs to this user`,
      { cause },
    );
  }
}

class TapNic implements NicBackend {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly offloads = ALL_OFFLOADS;
  readonly #vectors = allocatePinned(MAX_VECTORS * IOVEC_BYTES);
  readonly #watch;
  #running: (NicQueues & { readonly buffers: ReceiveBuffers; readonly longestBytes: number }) | undefined;
  /** The device has frames, as far as is known; the guest has no buffers for them. */
  #readable = false;
  #starved = false;

  constructor(
    reactor: Reactor,
    private readonly fd: number,
    { device, mac, mtu }: TapNicOptions,
  ) {
    this.name = `tap ${device}`;
    this.mac = mac;
    this.mtu = mtu;
    this.#watch = reactor.watch(fd, () => {
      this.#readable = true;
      this.#goOn();
    });
  }

  start(queues: NicQueues): void {
    const { features } = queues;
    const sums = (features & NET_F.GUEST_CSUM) !== 0n;
    const tso4 = sums && (features & NET_F.GUEST_TSO4) !== 0n;
    const tso6 = sums && (features & NET_F.GUEST_TSO6) !== 0n;
    sockets.setTapOffloads(this.fd, (sums ? TUN_F_CSUM : 0) | (tso4 ? TUN_F_TSO4 : 0) | (tso6 ? TUN_F_TSO6 : 0));
    this.#dropStaleFrames();
    this.#starved = false;
    this.#running = {
      ...queues,
      buffers: new ReceiveBuffers(queues.receive, (features & NET_F.MRG_RXBUF) !== 0n),
      longestBytes: NET_HEADER_BYTES + (tso4 || tso6 ? LONGEST_FRAME_BYTES : this.mtu + 18),
    };
    queues.receive.suppressKicks();
    this.#readable = true;
    queues.transmit.again();
  }

  receiveKicked(): void {
    if (!this.#starved) return;
    this.#starved = false;
    this.#running?.receive.suppressKicks();
    this.#goOn();
  }

  transmitKicked(): void {
    this.#goOn();
  }

  stop(): void {
    this.#running = undefined;
  }

  close(): void {
    this.#watch.close();
    sockets.close(this.fd);
  }

  /** Both directions. A driver that breaks its rings loses its NIC until it resets it. */
  #goOn(): void {
    const running = this.#running;
    if (running === undefined) return;
    try {
      this.#transmit();
      this.#receive();
    } catch (error) {
      if (!(error instanceof EngineError && error.code === 'HK_GUEST_FAULT')) throw error;
      this.stop();
      running.receive.fail(error);
    }
  }

  #transmit(): void {
    if (this.#running === undefined) return;
    const { transmit } = this.#running;
    transmit.suppressKicks();
    for (let frames = 0; ; frames++) {
      if (frames === FRAMES_IN_A_ROW) {
        transmit.again();
        break;
      }
      const chain = transmit.pop();
      if (chain === undefined) {
        if (transmit.wantKicks()) continue;
        break;
      }
      const count = this.#setVectors(transmit.memory, chain.readable, 0);
      if (count > 0 && sockets.writeVectors(this.fd, this.#vectors.address, count) === -EAGAIN) {
        // The device's event comes when it takes more. Anything else is a frame that the kernel finds wrong: a lost one.
        transmit.unpop();
        break;
      }
      transmit.push(chain.head, 0);
      transmit.signalEarly(chain.readableBytes);
    }
    transmit.signal();
  }

  #receive(): void {
    if (this.#running === undefined) return;
    const { receive, transmit, buffers, longestBytes } = this.#running;
    for (let frames = 0; this.#readable && !this.#starved; frames++) {
      if (frames === FRAMES_IN_A_ROW) {
        transmit.again();
        break;
      }
      // What finds too little room is cut off and lost: as much as there can be, or all that the driver has.
      if (buffers.reserve(longestBytes) === 'none') {
        this.#starved = !receive.wantKicks();
        continue;
      }
      const length = this.#read(receive.memory, buffers.kept, longestBytes);
      if (length <= 0) {
        this.#readable = false;
        break;
      }
      const count = buffers.chainsFor(length);
      writeU16(receive.memory, buffers.kept, NUM_BUFFERS_OFFSET, count);
      buffers.give(length, count);
      receive.signalEarly(length);
    }
    receive.signal();
  }

  #read(memory: GuestMemory, chains: readonly DescriptorChain[], longestBytes: number): number {
    let count = 0;
    let room = 0;
    for (const { writable, writableBytes } of chains) {
      if (room >= longestBytes) break;
      count = this.#setVectors(memory, writable, count);
      room += writableBytes;
    }
    return sockets.readVectors(this.fd, this.#vectors.address, count);
  }

  #setVectors(memory: GuestMemory, segments: readonly Segment[], from: number): number {
    const { view } = this.#vectors;
    let count = from;
    for (const { address, length } of segments) {
      if (count === MAX_VECTORS) break;
      const pointer = memory.hostPointer(address, length);
      view.setUint32(count * IOVEC_BYTES, pointer % 0x1_0000_0000, true);
      view.setUint32(count * IOVEC_BYTES + 4, Math.floor(pointer / 0x1_0000_0000), true);
      view.setUint32(count * IOVEC_BYTES + 8, length, true);
      view.setUint32(count * IOVEC_BYTES + 12, 0, true);
      count++;
    }
    return count;
  }

  #dropStaleFrames(): void {
    for (let frames = 0; frames < MAX_STALE_FRAMES; frames++) {
      if (sockets.read(this.fd, this.#vectors.address, this.#vectors.bytes.length) < 0) return;
    }
  }
}

/** Writes a number over whatever chains and segments lie at its place. */
function writeU16(memory: GuestMemory, chains: readonly DescriptorChain[], offset: number, value: number): void {
  let before = 0;
  for (const { writable } of chains) {
    for (const { address, length } of writable) {
      for (const [at, byte] of [value & 0xff, value >> 8].entries()) {
        const place = offset + at - before;
        if (place >= 0 && place < length) memory.slice(address + place, 1)[0] = byte;
      }
      before += length;
      if (before > offset + 1) return;
    }
  }
}
