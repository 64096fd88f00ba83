import { allocatePinned } from '../../../../native/pinned-buffer';
import { EngineError } from '../../../errors';
import { type FrameReceiver, HEADROOM, type Link, type OutgoingFrame } from '../../../net/link/link';
import { frameCount, writeFrames } from '../../../net/link/segment';
import type { Reactor } from '../../../net/reactor/reactor';
import { ETHERNET_HEADER_BYTES } from '../../../net/wire/ethernet';
import { gather } from '../segments';
import type { DescriptorChain } from '../virtqueue';
import {
  classifySentFrame,
  LONGEST_FRAME_BYTES,
  NET_F,
  NET_HEADER_BYTES,
  NUM_BUFFERS_OFFSET,
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
} from './net-header';
import type { NicQueues } from './nic-backend';
import { ReceiveBuffers } from './receive-buffers';

/** Frames and bytes of the guest in a row, before others get their turn. */
const FRAMES_IN_A_ROW = 128;
const BYTES_IN_A_ROW = 1024 * 1024;
/** For frames that are cut here: 64 KiB of payload in the smallest segments that TCP makes. */
const CUT_BYTES = 256 * 1024;

export interface GuestLinkOptions {
  readonly name: string;
  /** Frames above MTU + 18 are dropped, except those that are to be cut. */
  readonly mtu: number;
  /** Whether the guest's frames must wait for now; `resume` is called when that is over. */
  readonly mustWait?: () => boolean;
}

interface Running extends NicQueues {
  readonly buffers: ReceiveBuffers;
}

/** Counters for people. */
export interface DropCounters {
  /** Frames of the guest that no driver would send. */
  malformed: number;
  /** Frames to the guest that it can't take, or that came while its NIC was down. */
  undeliverable: number;
}

/**
 * A guest's NIC as a link of our network. Frames of the guest are copied once, out of its memory: whoever reads them
 * afterwards reads what was checked. Frames to the guest are written straight into its buffers. Nothing is cut or
 * summed unless the guest's driver can't do without.
 */
export class GuestLink implements Link {
  readonly name: string;
  readonly drops: DropCounters = { malformed: 0, undeliverable: 0 };
  readonly #input = allocatePinned(NET_HEADER_BYTES + LONGEST_FRAME_BYTES);
  readonly #header = new DataView(new ArrayBuffer(NET_HEADER_BYTES));
  readonly #headerBytes = new Uint8Array(this.#header.buffer);
  readonly #cut = allocatePinned(CUT_BYTES);
  #running: Running | undefined;
  /** The guest has no buffers for what was to be sent. */
  #starved = false;
  #open = true;
  readonly #drainListeners: (() => void)[] = [];
  readonly #closeListeners: (() => void)[] = [];
  readonly #endFlushing;

  constructor(
    private readonly reactor: Reactor,
    private readonly options: GuestLinkOptions,
    private readonly receive: FrameReceiver,
  ) {
    this.name = options.name;
    this.#endFlushing = reactor.atTurnEnd(() => this.#signal());
  }

  // ---- the guest's side

  /** The driver is ready. */
  start(queues: NicQueues): void {
    const mergeable = (queues.features & NET_F.MRG_RXBUF) !== 0n;
    this.#running = { ...queues, buffers: new ReceiveBuffers(queues.receive, mergeable) };
    this.#starved = false;
    queues.receive.suppressKicks();
    // What was queued before we were here was kicked for to nobody.
    queues.transmit.again();
  }

  stop(): void {
    this.#running = undefined;
    // Nobody may wait for buffers of a driver that is gone.
    this.#endStarving();
  }

  receiveKicked(): void {
    this.#endStarving();
  }

  transmitKicked(): void {
    this.resume();
  }

  /** Goes on with the guest's frames after `mustWait`. */
  resume(): void {
    this.reactor.enter(() => {
      try {
        this.#transmit();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  // ---- the network's side

  get full(): boolean {
    return this.#starved;
  }

  /** To be called within a turn of the reactor, at whose end the guest is told. */
  send(frame: OutgoingFrame): boolean {
    const running = this.#running;
    const count = frameCount(frame);
    const longest = frame.headerBytes + (count === 1 ? frame.payloadBytes : frame.segmentBytes);
    if (running === undefined || longest > this.options.mtu + ETHERNET_HEADER_BYTES) {
      this.drops.undeliverable++;
      return false;
    }
    try {
      if (this.#deliver(running, frame, count, longest)) return true;
    } catch (error) {
      this.#fail(error);
    }
    this.drops.undeliverable++;
    return false;
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.stop();
    this.#endFlushing();
    for (const listener of this.#closeListeners) listener();
  }

  // ---- frames of the guest

  #transmit(): void {
    const running = this.#running;
    if (running === undefined) return;
    const { transmit } = running;
    transmit.suppressKicks();
    let bytes = 0;
    // A frame may have ended everything.
    for (let frames = 0; this.#running === running; frames++) {
      if (this.options.mustWait?.() === true) break;
      if (frames === FRAMES_IN_A_ROW || bytes > BYTES_IN_A_ROW) {
        transmit.again();
        break;
      }
      const chain = transmit.pop();
      if (chain === undefined) {
        if (transmit.wantKicks()) continue;
        break;
      }
      bytes += chain.readableBytes;
      this.#take(chain, running);
      if (this.#running !== running) return;
      transmit.push(chain.head, 0);
      transmit.signalEarly(chain.readableBytes);
    }
    if (this.#running === running) transmit.signal();
  }

  #take({ readable, readableBytes }: DescriptorChain, { transmit }: Running): void {
    const { bytes, view } = this.#input;
    const frameBytes = readableBytes - NET_HEADER_BYTES;
    if (frameBytes < ETHERNET_HEADER_BYTES || frameBytes > LONGEST_FRAME_BYTES) {
      this.drops.malformed++;
      return;
    }
    gather(transmit.memory, readable, 0, bytes.subarray(0, readableBytes));
    const kind = classifySentFrame(view, 0, frameBytes, this.options.mtu);
    if (kind === 'invalid') this.drops.malformed++;
    else this.receive(this.#input, NET_HEADER_BYTES, readableBytes, kind === 'offloaded');
  }

  // ---- frames to the guest

  #deliver(running: Running, frame: OutgoingFrame, count: number, longest: number): boolean {
    const { buffers, features } = running;
    const canSum = frame.checksumStart < 0 || (features & NET_F.GUEST_CSUM) !== 0n;
    const canCut = count === 1 || (canSum && (features & segmentationFeature(frame)) !== 0n);
    if (!canSum || !canCut) return this.#deliverCut(running, frame, count, longest);
    const bytes = NET_HEADER_BYTES + frame.headerBytes + frame.payloadBytes;
    if (!this.#reserve(buffers, bytes, 1)) return false;
    const { header, headerBytes, payload, payloadStart, payloadBytes } = frame;
    this.#writeHeader(buffers.chainsFor(bytes), frame, count > 1);
    buffers.write(this.#headerBytes, 0, NET_HEADER_BYTES);
    buffers.write(header.bytes, HEADROOM, HEADROOM + headerBytes);
    buffers.write(payload.bytes, payloadStart, payloadStart + payloadBytes);
    buffers.finish();
    running.receive.signalEarly(bytes);
    return true;
  }

  /** For drivers without offloads: makes complete frames of it first. */
  #deliverCut({ receive, buffers }: Running, frame: OutgoingFrame, count: number, longest: number): boolean {
    const room = count * frame.headerBytes + frame.payloadBytes;
    if (room > CUT_BYTES) return false;
    if (!this.#reserve(buffers, NET_HEADER_BYTES + longest, count)) return false;
    const { bytes, view } = this.#cut;
    const lengths: number[] = [];
    writeFrames(frame, bytes, view, 0, 0, (_view, _offset, length) => void lengths.push(length));
    let at = 0;
    for (const length of lengths) {
      this.#writeHeader(buffers.chainsFor(NET_HEADER_BYTES + length));
      buffers.write(this.#headerBytes, 0, NET_HEADER_BYTES);
      buffers.write(bytes, at, at + length);
      buffers.finish();
      at += length;
    }
    receive.signalEarly(room);
    return true;
  }

  /** False also makes the link full when waiting helps. */
  #reserve(buffers: ReceiveBuffers, bytes: number, count: number): boolean {
    for (;;) {
      const answer = buffers.reserve(bytes, count);
      if (answer !== 'none') return answer === 'room';
      // The ring is empty now, so the next buffer is worth a kick.
      if (this.#running?.receive.wantKicks() === false) {
        this.#starved = true;
        return false;
      }
    }
  }

  /** With `frame` its checksum is left to the guest. */
  #writeHeader(chains: number, frame?: OutgoingFrame, isCut = false): void {
    const header = this.#header;
    const sums = frame !== undefined && frame.checksumStart >= 0;
    header.setUint8(0, sums ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
    header.setUint8(1, frame !== undefined && isCut ? segmentationType(frame) : VIRTIO_NET_HDR_GSO_NONE);
    header.setUint16(2, isCut ? (frame?.headerBytes ?? 0) : 0, true);
    header.setUint16(4, isCut ? (frame?.segmentBytes ?? 0) : 0, true);
    header.setUint16(6, sums ? frame.checksumStart : 0, true);
    header.setUint16(8, sums ? frame.checksumOffset : 0, true);
    header.setUint16(NUM_BUFFERS_OFFSET, chains, true);
  }

  #signal(): void {
    try {
      this.#running?.receive.signal();
    } catch (error) {
      this.#fail(error);
    }
  }

  #endStarving(): void {
    if (!this.#starved) return;
    this.#starved = false;
    this.#running?.receive.suppressKicks();
    this.reactor.enter(() => {
      for (const listener of this.#drainListeners) listener();
    });
  }

  /** A driver that breaks its rings loses its NIC until it resets it; whoever sends to it just sends to nobody. */
  #fail(error: unknown): void {
    const running = this.#running;
    if (running === undefined || !(error instanceof EngineError && error.code === 'HK_GUEST_FAULT')) throw error;
    this.stop();
    running.receive.fail(error);
  }
}

function isIpv4({ header }: OutgoingFrame): boolean {
  return header.view.getUint8(HEADROOM + ETHERNET_HEADER_BYTES) >> 4 === 4;
}

function segmentationFeature(frame: OutgoingFrame): bigint {
  return isIpv4(frame) ? NET_F.GUEST_TSO4 : NET_F.GUEST_TSO6;
}

function segmentationType(frame: OutgoingFrame): number {
  return isIpv4(frame) ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}
