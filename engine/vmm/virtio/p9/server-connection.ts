import { allocatePinned } from '../../../../native/pinned-buffer';
import {
  AF_INET,
  AF_UNIX,
  EAGAIN,
  EINPROGRESS,
  EPOLLERR,
  EPOLLHUP,
  EPOLLOUT,
  SO_ERROR,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  sockets,
  TCP_NODELAY,
} from '../../../../native/sockets';
import type { Reactor, Watch } from '../../../net/reactor/reactor';
import { MAX_MESSAGE_BYTES, P9_HEADER_BYTES } from './message';

/** Where a 9P server listens: a unix socket, or a TCP port of 127.0.0.1. */
export type P9Server = { readonly path: string } | { readonly port: number };

/** HyperKit's: one try every 50 ms, 200 of them. */
const RETRY_MS = 50;
const MAX_TRIES = 200;
const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const BUFFER_BYTES = 2 * MAX_MESSAGE_BYTES;
const READS_IN_A_ROW = 8;

export interface ConnectionEvents {
  readonly opened: () => void;
  /** A message is there; valid during the call. */
  readonly message: (message: Buffer) => void;
  /** There is room for a request again, after there was none. */
  readonly drained: () => void;
  /** Nobody listens, or the server ended it, or sent something that is not 9P. It is closed. */
  readonly lost: () => void;
}

/** One connection to a 9P server, from the first try until it is lost or closed. */
export class ServerConnection {
  readonly #input = allocatePinned(BUFFER_BYTES);
  readonly #output = allocatePinned(BUFFER_BYTES);
  #filled = 0;
  #sent = 0;
  #queued = 0;
  #writable = false;
  #wasFull = false;
  #state: 'trying' | 'connecting' | 'open' | 'closed' = 'trying';
  #fd = -1;
  #watch: Watch | undefined;
  #tries = 0;
  readonly #retry;

  constructor(
    private readonly reactor: Reactor,
    private readonly server: P9Server,
    private readonly events: ConnectionEvents,
  ) {
    this.#retry = reactor.timer(() => this.#try());
    this.#retry.set(reactor.nowMs);
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether a request of any size finds room; if not, `drained` tells when it does. */
  get hasRoom(): boolean {
    const has = this.#queued - this.#sent <= BUFFER_BYTES - MAX_MESSAGE_BYTES;
    if (!has) this.#wasFull = true;
    return has;
  }

  /** Sends a request of up to MAX_MESSAGE_BYTES; the caller has looked at the room. */
  send(message: Buffer): void {
    const { bytes } = this.#output;
    if (this.#queued + message.length > BUFFER_BYTES) {
      bytes.copyWithin(0, this.#sent, this.#queued);
      this.#queued -= this.#sent;
      this.#sent = 0;
    }
    message.copy(bytes, this.#queued);
    this.#queued += message.length;
    this.#write();
  }

  /** Without `lost`. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#retry.clear();
    this.#drop();
  }

  #try(): void {
    this.#tries++;
    const isPath = 'path' in this.server;
    const fd = sockets.socket(isPath ? AF_UNIX : AF_INET, SOCK_STREAM);
    const result = this.#connect(fd);
    if (result !== 0 && result !== -EINPROGRESS) {
      sockets.close(fd);
      this.#failed();
      return;
    }
    if (!isPath) sockets.setOption(fd, SOL_TCP, TCP_NODELAY, 1);
    this.#fd = fd;
    this.#state = 'connecting';
    this.#watch = this.reactor.watch(fd, (events) => this.#onEvent(events));
  }

  #connect(fd: number): number {
    try {
      return 'path' in this.server
        ? sockets.connectPath(fd, this.server.path)
        : sockets.connect(fd, { address: LOOPBACK, port: this.server.port });
    } catch {
      // A path that is too long for a socket.
      return -1;
    }
  }

  #failed(): void {
    this.#drop();
    this.#state = 'trying';
    if (this.#tries >= MAX_TRIES) this.#lose();
    else this.#retry.set(this.reactor.nowMs + RETRY_MS);
  }

  #drop(): void {
    this.#watch?.close();
    this.#watch = undefined;
    if (this.#fd >= 0) sockets.close(this.#fd);
    this.#fd = -1;
  }

  #lose(): void {
    if (this.#state === 'closed') return;
    this.close();
    this.events.lost();
  }

  #onEvent(events: number): void {
    if (this.#state === 'connecting') {
      if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) === 0) return;
      if (sockets.getOption(this.#fd, SOL_SOCKET, SO_ERROR) !== 0) {
        this.#failed();
        return;
      }
      this.#state = 'open';
      this.#writable = true;
      this.events.opened();
    }
    if ((events & EPOLLOUT) !== 0) {
      this.#writable = true;
      this.#write();
    }
    this.#read();
  }

  #write(): void {
    while (this.isOpen && this.#writable && this.#sent < this.#queued) {
      const sent = sockets.send(this.#fd, this.#output.address + this.#sent, this.#queued - this.#sent);
      if (sent > 0) this.#sent += sent;
      else if (sent === -EAGAIN) this.#writable = false;
      else this.#lose();
    }
    if (this.#sent === this.#queued) {
      this.#sent = 0;
      this.#queued = 0;
    }
    if (!this.isOpen || !this.#wasFull || this.#queued - this.#sent > BUFFER_BYTES - MAX_MESSAGE_BYTES) return;
    this.#wasFull = false;
    this.events.drained();
  }

  #read(): void {
    for (let reads = 0; reads < READS_IN_A_ROW; reads++) {
      if (!this.isOpen) return;
      const length = sockets.receive(this.#fd, this.#input.address + this.#filled, BUFFER_BYTES - this.#filled);
      if (length === -EAGAIN) return;
      if (length <= 0) {
        this.#lose();
        return;
      }
      this.#filled += length;
      this.#takeMessages();
    }
    this.#watch?.again();
  }

  #takeMessages(): void {
    const { bytes } = this.#input;
    let offset = 0;
    while (this.isOpen && this.#filled - offset >= P9_HEADER_BYTES) {
      const size = bytes.readUInt32LE(offset);
      if (size < P9_HEADER_BYTES || size > MAX_MESSAGE_BYTES) {
        this.#lose();
        return;
      }
      if (offset + size > this.#filled) break;
      this.events.message(bytes.subarray(offset, offset + size));
      offset += size;
    }
    bytes.copyWithin(0, offset, this.#filled);
    this.#filled -= offset;
  }
}
