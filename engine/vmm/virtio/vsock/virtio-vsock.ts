import { sockets } from '../../../../native/sockets';
import { EngineError } from '../../../errors';
import type { Reactor } from '../../../net/reactor/reactor';
import type { VirtioDevice, VirtioIdentity } from '../device-model';
import { gather, scatter } from '../segments';
import type { DescriptorChain, Segment, Virtqueue } from '../virtqueue';
import { BUFFER_BYTES, type ConnectionOwner, VsockConnection } from './connection';
import { type HostSockets, openHostSockets } from './host-sockets';
import {
  type GuestPacket,
  HOST_CID,
  OP,
  readPacket,
  VIRTIO_VSOCK_TYPE_STREAM,
  VSOCK_HEADER_BYTES,
  type VsockEnds,
  writePacket,
} from './packet';

const VIRTIO_ID_VSOCK = 19;
/** PCI code and ID assignment: communication controller, other. */
const PCI_CLASS_COMMUNICATION = 0x07_80_00;
/** HyperKit's. */
const QUEUE_SIZES = [256, 256, 4];
const RECEIVE = 0;
const TRANSMIT = 1;

/** HyperKit's. */
const MAX_CONNECTIONS = 1024;
/** Resets that wait for buffers; with more of them the guest's packets wait, too. */
const MAX_RESETS = 256;
/** Packets in a row in one direction, before others get their turn. */
const PACKETS_IN_A_ROW = 128;
/** virtio 1.2, 5.10.4: 0 to 2 are taken, and so is 0xffffffff. */
const LOWEST_GUEST_CID = 3;
const HIGHEST_GUEST_CID = 0xffff_fffe;

export interface VsockOptions {
  readonly guestCid: number;
  /** The folder of the host's sockets. */
  readonly folder: string;
  /** Ports of the guest with a socket of their own there. */
  readonly guestForwards: readonly number[];
}

/**
 * Opens a socket device for streams between the guest and unix sockets of the host.
 * @throws EngineError HK_SPEC_INVALID, HK_NET_UNAVAILABLE
 */
export async function openVsock(reactor: Reactor, options: VsockOptions): Promise<VirtioDevice> {
  const { guestCid, folder, guestForwards } = options;
  if (!Number.isInteger(guestCid) || guestCid < LOWEST_GUEST_CID || guestCid > HIGHEST_GUEST_CID) {
    throw new EngineError(
      'HK_SPEC_INVALID',
      `cannot give the guest the socket address (CID) ${guestCid}; take one from ${LOWEST_GUEST_CID} to ${HIGHEST_GUEST_CID}`,
    );
  }
  const device = new VirtioVsock(reactor, guestCid);
  device.host = await openHostSockets(reactor, {
    folder,
    guestCid,
    guestForwards,
    connected: (fd, guestPort) => device.connectToGuest(fd, guestPort),
  });
  return device;
}

/** A virtio socket device (virtio 1.2, 5.10). */
class VirtioVsock implements VirtioDevice, ConnectionOwner {
  readonly identity: VirtioIdentity;
  host: HostSockets | undefined;
  #receive: Virtqueue | undefined;
  #transmit: Virtqueue | undefined;
  /** By the host's port, then by the guest's. */
  readonly #connections = new Map<number, Map<number, VsockConnection>>();
  #count = 0;
  /** HyperKit's ports of the host: place and generation. */
  readonly #places: (VsockConnection | undefined)[] = [];
  #generation = 0;
  /** Who has something for the guest, in the order of asking. */
  readonly #talkers = new Set<VsockConnection>();
  readonly #resets: VsockEnds[] = [];
  /** A chain for the guest that nobody had anything for. */
  #kept: DescriptorChain | undefined;
  #starved = false;
  /** Packets of the guest wait for room among the resets. */
  #held = false;
  readonly #header = new DataView(new ArrayBuffer(VSOCK_HEADER_BYTES));
  readonly #headerBytes = new Uint8Array(this.#header.buffer);
  readonly #endFlushing;

  constructor(
    readonly reactor: Reactor,
    private readonly guestCid: number,
  ) {
    const config = new Uint8Array(8);
    new DataView(config.buffer).setUint32(0, guestCid, true);
    this.identity = {
      type: VIRTIO_ID_VSOCK,
      pciClass: PCI_CLASS_COMMUNICATION,
      features: 0n,
      queueSizes: QUEUE_SIZES,
      config,
      writableConfig: [],
    };
    this.#endFlushing = reactor.atTurnEnd(() => this.#flush());
  }

  activate(queues: ReadonlyArray<Virtqueue | undefined>): void {
    this.#receive = queues[RECEIVE];
    this.#transmit = queues[TRANSMIT];
    this.#receive?.suppressKicks();
    this.#starved = false;
    this.#transmit?.again();
  }

  notified(index: number): void {
    this.reactor.enter(() => {
      if (index === TRANSMIT) this.#takePackets();
      if (index !== RECEIVE) return;
      // What waits is sent at the turn's end.
      this.#starved = false;
      this.#receive?.suppressKicks();
    });
  }

  deactivate(): void {
    this.#receive = undefined;
    this.#transmit = undefined;
    for (const connection of [...this.#all()]) connection.end(false);
    this.#resets.length = 0;
    this.#kept = undefined;
    this.#held = false;
  }

  close(): void {
    this.host?.close();
    this.deactivate();
    this.#endFlushing();
  }

  // ---- connections

  connectToGuest(fd: number, guestPort: number): void {
    const isBusy = this.#count >= MAX_CONNECTIONS || this.#resets.length >= MAX_RESETS;
    // HyperKit's numbers: ports that were in use a moment ago do not come again soon.
    const place = this.#places.indexOf(undefined);
    const index = place >= 0 ? place : this.#places.length;
    this.#generation = (this.#generation + 1) & 0xffff;
    const hostPort = ((index + 1) << 16) + this.#generation;
    if (this.#receive === undefined || isBusy || this.#find({ hostPort, guestPort }) !== undefined) {
      sockets.close(fd);
      return;
    }
    const connection = new VsockConnection(this, fd, guestPort, hostPort, undefined);
    this.#places[index] = connection;
    this.#add(connection);
  }

  hasNews(connection: VsockConnection): void {
    this.#talkers.add(connection);
  }

  ended(connection: VsockConnection, reset: boolean): void {
    const { hostPort, guestPort } = connection;
    const ofPort = this.#connections.get(hostPort);
    ofPort?.delete(guestPort);
    if (ofPort?.size === 0) this.#connections.delete(hostPort);
    this.#count--;
    this.#talkers.delete(connection);
    const place = this.#places.indexOf(connection);
    if (place >= 0) this.#places[place] = undefined;
    if (reset) this.#resets.push({ hostPort, guestPort });
  }

  #add(connection: VsockConnection): void {
    const { hostPort, guestPort } = connection;
    let ofPort = this.#connections.get(hostPort);
    if (ofPort === undefined) {
      ofPort = new Map();
      this.#connections.set(hostPort, ofPort);
    }
    ofPort.set(guestPort, connection);
    this.#count++;
  }

  #find({ hostPort, guestPort }: VsockEnds): VsockConnection | undefined {
    return this.#connections.get(hostPort)?.get(guestPort);
  }

  *#all(): Generator<VsockConnection> {
    for (const ofPort of this.#connections.values()) yield* ofPort.values();
  }

  // ---- from the guest

  #takePackets(): void {
    const queue = this.#transmit;
    if (queue === undefined) return;
    this.#guarded(queue, () => {
      queue.suppressKicks();
      for (let packets = 0; ; packets++) {
        this.#held = this.#resets.length >= MAX_RESETS;
        if (this.#held) break;
        if (packets === PACKETS_IN_A_ROW) {
          queue.again();
          break;
        }
        const chain = queue.pop();
        if (chain === undefined) {
          if (queue.wantKicks()) continue;
          break;
        }
        this.#takePacket(queue, chain);
        queue.push(chain.head, 0);
      }
      queue.signal();
    });
  }

  #takePacket({ memory }: Virtqueue, { readable, readableBytes }: DescriptorChain): void {
    // Too short to be from or to anybody.
    if (readableBytes < VSOCK_HEADER_BYTES) return;
    gather(memory, readable, 0, this.#headerBytes);
    const packet = readPacket(this.#header);
    if (packet.sourceCid !== this.guestCid) return;
    const { hostPort, guestPort, type, op, length } = packet;
    const connection = this.#find(packet);
    const isSound =
      packet.destinationCid === HOST_CID &&
      type === VIRTIO_VSOCK_TYPE_STREAM &&
      length <= readableBytes - VSOCK_HEADER_BYTES &&
      length <= BUFFER_BYTES;
    if (connection !== undefined && isSound && op !== OP.REQUEST) {
      connection.receive(packet, memory, payloadOf(readable, length));
    } else if (connection !== undefined && packet.destinationCid === HOST_CID) connection.end();
    else if (op === OP.REQUEST && isSound) this.#open(packet);
    else if (op !== OP.RST) this.#resets.push({ hostPort, guestPort });
  }

  #open(packet: GuestPacket): void {
    const { hostPort, guestPort } = packet;
    const fd = this.#count < MAX_CONNECTIONS ? this.#connectToService(hostPort) : undefined;
    if (fd === undefined) this.#resets.push({ hostPort, guestPort });
    else this.#add(new VsockConnection(this, fd, guestPort, hostPort, packet));
  }

  #connectToService(port: number): number | undefined {
    try {
      return this.host?.connectToService(port);
    } catch {
      // Out of descriptors, or a path that is too long: nobody is there.
      return undefined;
    }
  }

  // ---- to the guest

  #flush(): void {
    const queue = this.#receive;
    if (queue === undefined || this.#starved) return;
    if (this.#resets.length === 0 && this.#talkers.size === 0) return;
    this.#guarded(queue, () => {
      for (let packets = 0; this.#resets.length > 0 || this.#talkers.size > 0; packets++) {
        if (packets === PACKETS_IN_A_ROW) {
          queue.again();
          break;
        }
        const chain = this.#kept ?? this.#takeChain(queue);
        if (chain === undefined) {
          this.#starved = !queue.wantKicks();
          if (this.#starved) break;
          continue;
        }
        this.#kept = chain;
        this.#putPacket(queue, chain);
      }
      queue.signal();
    });
    if (this.#held && this.#resets.length < MAX_RESETS) this.#transmit?.again();
  }

  #takeChain(queue: Virtqueue): DescriptorChain | undefined {
    const chain = queue.pop();
    if (chain !== undefined && chain.writableBytes <= VSOCK_HEADER_BYTES) {
      throw new EngineError('HK_GUEST_FAULT', `the guest offers ${chain.writableBytes} bytes for a socket's packet`);
    }
    return chain;
  }

  #putPacket(queue: Virtqueue, chain: DescriptorChain): void {
    const reset = this.#resets.shift();
    if (reset !== undefined) {
      this.#finish(queue, chain, reset, OP.RST, { length: 0 });
      return;
    }
    const [connection] = this.#talkers;
    if (connection === undefined) return;
    this.#talkers.delete(connection);
    const packet = connection.nextPacket(queue.memory, chain);
    if (packet === undefined) return;
    const { op, length, flags } = packet;
    this.#finish(queue, chain, connection, op, { length, flags, bufAlloc: BUFFER_BYTES, fwdCnt: connection.fwdCnt });
    // It may have more, after the others.
    this.#talkers.add(connection);
  }

  #finish(
    queue: Virtqueue,
    chain: DescriptorChain,
    ends: VsockEnds,
    op: number,
    fields: Parameters<typeof writePacket>[4],
  ): void {
    writePacket(this.#header, this.guestCid, ends, op, fields);
    scatter(queue.memory, chain.writable, this.#headerBytes);
    this.#kept = undefined;
    queue.push(chain.head, VSOCK_HEADER_BYTES + (fields.length ?? 0));
  }

  /** A driver that breaks its rings loses the device, and its connections, until it resets that. */
  #guarded(queue: Virtqueue, action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof EngineError && error.code === 'HK_GUEST_FAULT')) throw error;
      this.deactivate();
      queue.fail(error);
    }
  }
}

/** Where the `bytes` behind a packet's header lie. */
function payloadOf(segments: readonly Segment[], bytes: number): readonly Segment[] {
  const part: Segment[] = [];
  let before = VSOCK_HEADER_BYTES;
  let left = bytes;
  for (const { address, length } of segments) {
    const skipped = Math.min(before, length);
    before -= skipped;
    const here = Math.min(length - skipped, left);
    if (here > 0) part.push({ address: address + skipped, length: here });
    left -= here;
  }
  return part;
}
