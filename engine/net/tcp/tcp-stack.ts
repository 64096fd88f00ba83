import { createHash, randomBytes } from 'node:crypto';
import type { PinnedBuffer } from '../../../native/pinned-buffer';
import { EINPROGRESS, IPPROTO_TCP } from '../../../native/sockets';
import type { Neighbour } from '../gateway/neighbours';
import type { PacketWriter } from '../gateway/packet-writer';
import type { Reactor } from '../reactor/reactor';
import { finish, sumBytes } from '../wire/checksum';
import { type IpAddress, isV4 } from '../wire/ip-address';
import { pseudoSum } from '../wire/pseudo-header';
import { ChunkPool } from './chunk-pool';
import { Connection } from './connection';
import { ConnectionTable, hash } from './connection-table';
import type { EarlySegments } from './early-segments';
import { ACK, FIN, RST, readSynOptions, SYN, TCP_HEADER_BYTES, writeSynOptions } from './segment-header';
import type { TcpClient, TcpContext, TcpEnds } from './tcp-context';

const CHECKSUM_OFFSET = 16;

/** Where a connection that a guest opens goes. */
export type TcpTarget =
  /** A non-blocking socket that is connected or connecting (EINPROGRESS). The stack owns it from now on. */
  | { readonly kind: 'socket'; readonly fd: number }
  /** A reset, as from a closed port. */
  | { readonly kind: 'refuse' }
  /** Silence. */
  | { readonly kind: 'drop' };

export interface TcpStackOptions {
  readonly reactor: Reactor;
  readonly writer: PacketWriter;
  readonly mtu: number;
  /** Bytes in transit of all connections together. */
  readonly memoryBytes: number;
  /** Connections at once; more are refused. */
  readonly maxConnections: number;
  /** Decides where a guest's connection goes. Must not throw. */
  readonly route: (ends: TcpEnds) => TcpTarget;
}

/** Counters for people. */
export interface TcpStatistics {
  readonly connections: number;
  readonly opened: number;
  readonly refused: number;
  readonly memoryBytes: number;
}

/** All TCP connections of a network. */
export class TcpStack implements TcpContext {
  readonly reactor: Reactor;
  readonly pool: ChunkPool;
  readonly #writer: PacketWriter;
  readonly #table = new ConnectionTable();
  readonly #options: TcpStackOptions;
  readonly #secret = randomBytes(16);
  #acks: TcpClient[] = [];
  readonly #linkWaiters = new Set<TcpClient>();
  readonly #memoryWaiters = new Set<TcpClient>();
  readonly #endFlushing: () => void;
  #opened = 0;
  #refused = 0;
  #isnCounter = 0;

  constructor(options: TcpStackOptions) {
    this.#options = options;
    this.reactor = options.reactor;
    this.#writer = options.writer;
    this.pool = new ChunkPool(options.memoryBytes);
    this.#endFlushing = this.reactor.atTurnEnd(() => this.#flush());
  }

  get statistics(): TcpStatistics {
    return {
      connections: this.#table.size,
      opened: this.#opened,
      refused: this.#refused,
      memoryBytes: this.pool.lentBytes,
    };
  }

  connections(): Iterable<Connection> {
    return this.#table;
  }

  /** A TCP segment in an IP packet from a guest: bytes [start, end) of `buffer`. */
  receive(
    neighbour: Neighbour,
    guest: IpAddress,
    remote: IpAddress,
    buffer: PinnedBuffer,
    start: number,
    end: number,
    verified: boolean,
  ): void {
    const { view } = buffer;
    if (end - start < TCP_HEADER_BYTES) return;
    const headerBytes = (view.getUint8(start + 12) >> 4) * 4;
    if (headerBytes < TCP_HEADER_BYTES || start + headerBytes > end) return;
    if (!verified && !checksumHolds(view, guest, remote, start, end)) return;
    const ends: TcpEnds = { guest, guestPort: view.getUint16(start), remote, remotePort: view.getUint16(start + 2) };
    const sequence = view.getInt32(start + 4);
    const acknowledged = view.getInt32(start + 8);
    const flags = view.getUint8(start + 13);
    const connection = this.#table.find(ends);
    const opens = (flags & (SYN | ACK | RST)) === SYN;
    if (connection !== undefined && !(opens && connection.phase === 'time-wait')) {
      const options =
        (flags & SYN) !== 0 ? readSynOptions(view, start + TCP_HEADER_BYTES, start + headerBytes) : undefined;
      connection.receive(
        flags,
        sequence,
        acknowledged,
        view.getUint16(start + 14),
        options,
        buffer,
        start + headerBytes,
        end,
      );
      return;
    }
    connection?.destroy();
    if (opens) this.#open(ends, neighbour, sequence, view, start, headerBytes);
    else if ((flags & ACK) !== 0) {
      if ((flags & RST) === 0) this.resetUnknown(ends, neighbour, acknowledged);
    } else if ((flags & RST) === 0) {
      // RFC 9293 section 3.10.7.1.
      const length = end - start - headerBytes + ((flags & FIN) !== 0 ? 1 : 0);
      this.refuse(ends, neighbour, (sequence + length) | 0);
    }
  }

  #open(
    ends: TcpEnds,
    neighbour: Neighbour,
    sequence: number,
    view: DataView,
    start: number,
    headerBytes: number,
  ): void {
    const full = this.#table.size >= this.#options.maxConnections;
    const target: TcpTarget = full ? { kind: 'refuse' } : this.#options.route(ends);
    if (target.kind === 'drop') return;
    if (target.kind === 'refuse') {
      this.#refused++;
      this.refuse(ends, neighbour, (sequence + 1) | 0);
      return;
    }
    this.#opened++;
    const connection = new Connection(this, ends, neighbour, target.fd, hash(ends), 'connecting');
    this.#table.add(connection);
    const options = readSynOptions(view, start + TCP_HEADER_BYTES, start + headerBytes);
    connection.openFromGuest(sequence, options);
  }

  /**
   * Opens a connection to a guest for an accepted socket of the host, which the stack owns from now on.
   * @param onAnswer told once whether the guest took it.
   * @returns false when the ends are taken or the network has all the connections it may; the socket is then still the caller's.
   */
  connect(ends: TcpEnds, neighbour: Neighbour, fd: number, onAnswer?: (open: boolean) => void): boolean {
    if (this.#table.size >= this.#options.maxConnections || this.#table.find(ends) !== undefined) return false;
    this.#opened++;
    const connection = new Connection(this, ends, neighbour, fd, hash(ends), 'syn-sent');
    connection.onAnswer = onAnswer;
    this.#table.add(connection);
    this.reactor.enter(() => connection.openToGuest());
    return true;
  }

  /** Resets every connection. */
  close(): void {
    for (const connection of [...this.#table]) connection.abort();
    this.#endFlushing();
  }

  /** A link is gone, and its guest with it: the host's peers learn at once. */
  dropLink(link: Neighbour['link']): void {
    for (const connection of [...this.#table]) if (connection.neighbour.link === link) connection.abort();
  }

  /** A link has room again. */
  resumeLink(): void {
    for (const connection of [...this.#linkWaiters]) {
      // Who finds the link full again keeps its place before those that have just used it.
      if (connection.neighbour.link.full) continue;
      this.#linkWaiters.delete(connection);
      connection.resume();
    }
  }

  // ---- TcpContext

  /** RFC 6528 with a counter for its clock: four microseconds are not worth a call. */
  initialSequence(): number {
    this.#isnCounter = (this.#isnCounter + 1) >>> 0;
    return createHash('sha256').update(this.#secret).update(String(this.#isnCounter)).digest().readInt32LE(0);
  }

  mssFor(guest: IpAddress): number {
    return this.#options.mtu - (isV4(guest) ? 20 : 40) - TCP_HEADER_BYTES;
  }

  sendSyn(
    { ends, neighbour, acknowledged }: TcpClient,
    flags: number,
    sequence: number,
    window: number,
    windowScale: number,
    sack: boolean,
  ): void {
    const offset = this.#begin(ends, neighbour, flags, sequence, acknowledged, window);
    const { view } = this.#writer;
    const options = { mss: this.mssFor(ends.guest), windowScale, sack };
    const length = writeSynOptions(view, offset + TCP_HEADER_BYTES, options);
    view.setUint8(offset + 12, ((TCP_HEADER_BYTES + length) / 4) << 4);
    this.#writer.send(neighbour.link, TCP_HEADER_BYTES + length, CHECKSUM_OFFSET);
  }

  sendControl(connection: TcpClient, flags: number, sequence: number, early?: EarlySegments): boolean {
    const offset = this.#beginSegment(connection, flags, sequence);
    const { view } = this.#writer;
    const length = TCP_HEADER_BYTES + (early?.writeBlocks(view, offset + TCP_HEADER_BYTES) ?? 0);
    view.setUint8(offset + 12, (length / 4) << 4);
    return this.#writer.send(connection.neighbour.link, length, CHECKSUM_OFFSET);
  }

  sendData(
    connection: TcpClient,
    flags: number,
    sequence: number,
    payload: PinnedBuffer,
    start: number,
    length: number,
    mss: number,
  ): boolean {
    this.#beginSegment(connection, flags, sequence);
    return this.#writer.send(
      connection.neighbour.link,
      TCP_HEADER_BYTES,
      CHECKSUM_OFFSET,
      payload,
      start,
      length,
      length > mss ? mss : 0,
    );
  }

  refuse(ends: TcpEnds, neighbour: Neighbour, acknowledged: number): void {
    this.#begin(ends, neighbour, RST | ACK, 0, acknowledged, 0);
    this.#writer.send(neighbour.link, TCP_HEADER_BYTES, CHECKSUM_OFFSET);
  }

  resetUnknown(ends: TcpEnds, neighbour: Neighbour, sequence: number): void {
    this.#begin(ends, neighbour, RST, sequence, 0, 0);
    this.#writer.send(neighbour.link, TCP_HEADER_BYTES, CHECKSUM_OFFSET);
  }

  ackAtTurnEnd(connection: TcpClient): void {
    this.#acks.push(connection);
  }

  waitForLink(connection: TcpClient): void {
    this.#linkWaiters.add(connection);
  }

  waitForMemory(connection: TcpClient): void {
    this.#memoryWaiters.add(connection);
  }

  forget(connection: Connection): void {
    this.#table.remove(connection);
    this.#linkWaiters.delete(connection);
    this.#memoryWaiters.delete(connection);
  }

  #beginSegment(connection: TcpClient, flags: number, sequence: number): number {
    const { ends, neighbour, acknowledged } = connection;
    return this.#begin(ends, neighbour, flags, sequence, acknowledged, connection.promiseWindow());
  }

  #begin(
    { guest, guestPort, remote, remotePort }: TcpEnds,
    neighbour: Neighbour,
    flags: number,
    sequence: number,
    acknowledged: number,
    window: number,
  ): number {
    const offset = this.#writer.begin(neighbour, remote, guest, IPPROTO_TCP);
    const { view } = this.#writer;
    view.setUint16(offset, remotePort);
    view.setUint16(offset + 2, guestPort);
    view.setInt32(offset + 4, sequence);
    view.setInt32(offset + 8, acknowledged);
    view.setUint8(offset + 12, (TCP_HEADER_BYTES / 4) << 4);
    view.setUint8(offset + 13, flags);
    view.setUint16(offset + 14, window);
    view.setUint16(offset + 18, 0);
    return offset;
  }

  #flush(): void {
    const acks = this.#acks;
    if (acks.length > 0) {
      this.#acks = [];
      for (const connection of acks) connection.flushAck();
    }
    if (this.#memoryWaiters.size === 0 || this.pool.usedUp) return;
    for (const connection of [...this.#memoryWaiters]) {
      if (this.pool.usedUp) break;
      this.#memoryWaiters.delete(connection);
      connection.resume();
    }
  }
}

/** Whether a connect is under way or done. */
export function isConnecting(result: number): boolean {
  return result === 0 || result === -EINPROGRESS;
}

function checksumHolds(view: DataView, source: IpAddress, destination: IpAddress, start: number, end: number): boolean {
  return finish(sumBytes(view, start, end, pseudoSum(source, destination, IPPROTO_TCP, end - start))) === 0;
}
