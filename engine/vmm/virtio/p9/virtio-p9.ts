import { EngineError } from '../../../errors';
import type { Reactor } from '../../../net/reactor/reactor';
import type { VirtioDevice, VirtioIdentity } from '../device-model';
import { gather, scatter } from '../segments';
import type { DescriptorChain, Virtqueue } from '../virtqueue';
import {
  correctRequest,
  type Dialect,
  dialectOf,
  EINVAL,
  EIO,
  errorReply,
  MAX_MESSAGE_BYTES,
  OLD_TAG_OFFSET,
  P9,
  P9_HEADER_BYTES,
} from './message';
import { type P9Server, ServerConnection } from './server-connection';

const VIRTIO_ID_9P = 9;
const VIRTIO_9P_F_MOUNT_TAG = 1n;
/** PCI code and ID assignment: mass storage controller, other. */
const PCI_CLASS_STORAGE = 0x01_80_00;
/** HyperKit's. */
const QUEUE_SIZE = 256;
const MAX_TAG_BYTES = 256;
/** Requests in a row, before others get their turn. */
const REQUESTS_IN_A_ROW = 64;

export interface P9Options {
  /** What the guest calls it when it mounts; 1 to 256 bytes. */
  readonly tag: string;
  readonly server: P9Server;
}

/**
 * A virtio 9P device (virtio 1.2, 5.9 reserves it; Linux net/9p/trans_virtio.c is what there is) that relays messages
 * between the guest and a 9P server of the host. The server is looked for when the guest mounts, that is with each
 * Tversion, so it may start late, and a guest can mount again when it was lost: until then its requests fail with EIO.
 * HyperKit ends the whole machine instead, and with it everything that has nothing to do with the share.
 * @throws EngineError HK_SPEC_INVALID
 */
export function createP9(reactor: Reactor, { tag, server }: P9Options): VirtioDevice {
  const bytes = Buffer.byteLength(tag);
  if (bytes === 0 || bytes > MAX_TAG_BYTES) {
    throw new EngineError('HK_SPEC_INVALID', `cannot name a share ${JSON.stringify(tag)}: it takes 1 to 256 bytes`);
  }
  return new VirtioP9(reactor, tag, server);
}

class VirtioP9 implements VirtioDevice {
  readonly identity: VirtioIdentity;
  #queue: Virtqueue | undefined;
  #connection: ServerConnection | undefined;
  #dialect: Dialect = '9P2000.L';
  /** Requests that the server has not answered yet, by tag; and which requests those of them that flush mean. */
  readonly #pending = new Map<number, DescriptorChain>();
  readonly #flushes = new Map<number, number>();
  /** The Tversion that waits for the server. */
  #first: Buffer | undefined;
  readonly #request = Buffer.alloc(MAX_MESSAGE_BYTES);

  constructor(
    private readonly reactor: Reactor,
    tag: string,
    private readonly server: P9Server,
  ) {
    const name = Buffer.from(tag);
    // struct virtio_9p_config: 0 u16 length, 2 tag
    const config = Buffer.alloc(2 + name.length);
    config.writeUInt16LE(name.length);
    name.copy(config, 2);
    this.identity = {
      type: VIRTIO_ID_9P,
      pciClass: PCI_CLASS_STORAGE,
      features: VIRTIO_9P_F_MOUNT_TAG,
      queueSizes: [QUEUE_SIZE],
      config: Uint8Array.from(config),
      writableConfig: [],
    };
  }

  activate([queue]: ReadonlyArray<Virtqueue | undefined>): void {
    this.#queue = queue;
    queue?.again();
  }

  notified(): void {
    this.reactor.enter(() => this.#takeRequests());
  }

  deactivate(): void {
    this.#queue = undefined;
    this.#connection?.close();
    this.#connection = undefined;
    this.#pending.clear();
    this.#flushes.clear();
    this.#first = undefined;
  }

  close(): void {
    this.deactivate();
  }

  // ---- from the guest

  #takeRequests(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    try {
      queue.suppressKicks();
      // Requests wait in the ring while the server is looked for, or does not read.
      for (let requests = 0; this.#queue === queue && this.#first === undefined; requests++) {
        if (this.#connection?.hasRoom === false) break;
        if (requests === REQUESTS_IN_A_ROW) {
          queue.again();
          break;
        }
        const chain = queue.pop();
        if (chain !== undefined) this.#takeRequest(queue, chain);
        else if (!queue.wantKicks()) break;
      }
      if (this.#queue === queue) queue.signal();
    } catch (error) {
      if (!(error instanceof EngineError && error.code === 'HK_GUEST_FAULT')) throw error;
      this.deactivate();
      queue.fail(error);
    }
  }

  #takeRequest(queue: Virtqueue, chain: DescriptorChain): void {
    const { readable, readableBytes } = chain;
    const request = this.#request.subarray(0, Math.min(readableBytes, MAX_MESSAGE_BYTES));
    if (request.length < P9_HEADER_BYTES) {
      queue.push(chain.head, 0);
      return;
    }
    gather(queue.memory, readable, 0, request);
    const size = correctRequest(request);
    const type = request.readUInt8(4);
    const tag = request.readUInt16LE(5);
    const isSound = size >= P9_HEADER_BYTES && size <= request.length;
    if (!isSound || this.#pending.has(tag) || this.#pending.size >= QUEUE_SIZE) {
      this.#answer(queue, chain, errorReply(this.#dialect, tag, EINVAL));
      return;
    }
    if (type === P9.TVERSION) this.#dialect = dialectOf(request) ?? this.#dialect;
    if (this.#connection === undefined && type !== P9.TVERSION) {
      this.#answer(queue, chain, errorReply(this.#dialect, tag, EIO));
      return;
    }
    this.#pending.set(tag, chain);
    if (type === P9.TFLUSH && size >= OLD_TAG_OFFSET + 2) this.#flushes.set(tag, request.readUInt16LE(OLD_TAG_OFFSET));
    const message = request.subarray(0, size);
    if (this.#connection !== undefined) {
      this.#connection.send(message);
      return;
    }
    this.#first = Buffer.from(message);
    this.#connection = new ServerConnection(this.reactor, this.server, {
      opened: () => this.#sendFirst(),
      message: (reply) => this.#takeReply(reply),
      drained: () => this.#takeRequests(),
      lost: () => this.#lose(),
    });
  }

  #sendFirst(): void {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) this.#connection?.send(first);
    this.#takeRequests();
  }

  // ---- from the server

  #takeReply(reply: Buffer): void {
    const queue = this.#queue;
    const tag = reply.readUInt16LE(5);
    const chain = this.#pending.get(tag);
    // An answer to a request that was flushed meanwhile, or to none at all.
    if (queue === undefined || chain === undefined) return;
    const type = reply.readUInt8(4);
    this.#pending.delete(tag);
    if (type === P9.RVERSION) {
      this.#dialect = dialectOf(reply) ?? this.#dialect;
      // version(5): a new session forgets what was asked in the old one.
      this.#forget(queue, [...this.#pending.keys()]);
    }
    const flushed = this.#flushes.get(tag);
    this.#flushes.delete(tag);
    // flush(5): before its own answer, what it flushed is over.
    if (type === P9.RFLUSH && flushed !== undefined) this.#forget(queue, [flushed]);
    this.#answer(queue, chain, reply);
    queue.signal();
  }

  /** Gives the buffers of requests back without an answer, which tells the driver that there will be none. */
  #forget(queue: Virtqueue, tags: readonly number[]): void {
    for (const tag of tags) {
      const chain = this.#pending.get(tag);
      if (chain === undefined) continue;
      this.#pending.delete(tag);
      this.#flushes.delete(tag);
      queue.push(chain.head, 0);
    }
  }

  #answer(queue: Virtqueue, { head, writable, writableBytes }: DescriptorChain, reply: Buffer): void {
    const fitting = reply.length <= writableBytes ? reply : errorReply(this.#dialect, reply.readUInt16LE(5), EIO);
    queue.push(head, fitting.length <= writableBytes ? scatter(queue.memory, writable, fitting) : 0);
  }

  #lose(): void {
    this.#connection = undefined;
    this.#first = undefined;
    const queue = this.#queue;
    if (queue === undefined) return;
    for (const [tag, chain] of this.#pending) this.#answer(queue, chain, errorReply(this.#dialect, tag, EIO));
    this.#pending.clear();
    this.#flushes.clear();
    queue.signal();
    // What waited in the ring.
    this.#takeRequests();
  }
}
