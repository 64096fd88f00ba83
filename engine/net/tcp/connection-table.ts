import { randomBytes } from 'node:crypto';
import type { Connection } from './connection';
import type { TcpEnds } from './tcp-context';

/** Connections by both their ends. */
export class ConnectionTable {
  readonly #buckets = new Map<number, Connection>();
  #size = 0;
  /** What the last segment belonged to; the next one often does, too. */
  #last: Connection | undefined;

  get size(): number {
    return this.#size;
  }

  find(ends: TcpEnds): Connection | undefined {
    if (this.#last !== undefined && same(this.#last.ends, ends)) return this.#last;
    let candidate = this.#buckets.get(hash(ends));
    while (candidate !== undefined && !same(candidate.ends, ends)) candidate = candidate.next;
    if (candidate !== undefined) this.#last = candidate;
    return candidate;
  }

  add(connection: Connection): void {
    connection.next = this.#buckets.get(connection.hash);
    this.#buckets.set(connection.hash, connection);
    this.#size++;
  }

  remove(connection: Connection): void {
    if (this.#last === connection) this.#last = undefined;
    let before: Connection | undefined;
    let candidate = this.#buckets.get(connection.hash);
    while (candidate !== undefined && candidate !== connection) {
      before = candidate;
      candidate = candidate.next;
    }
    if (candidate === undefined) return;
    this.#size--;
    if (before !== undefined) before.next = connection.next;
    else if (connection.next !== undefined) this.#buckets.set(connection.hash, connection.next);
    else this.#buckets.delete(connection.hash);
    connection.next = undefined;
  }

  *[Symbol.iterator](): Generator<Connection> {
    for (const first of this.#buckets.values()) {
      for (let connection: Connection | undefined = first; connection !== undefined; ) {
        const { next } = connection as Connection;
        yield connection;
        connection = next;
      }
    }
  }
}

/** Keeps guests from choosing ports and addresses that all fall into one bucket. */
const SEED = randomBytes(4).readInt32LE(0);

/** 30 bits, so that the engine keeps it as a small integer. */
export function hash({ guest, guestPort, remote, remotePort }: TcpEnds): number {
  let mixed = Math.imul(guest.w3 ^ guest.w0 ^ SEED, 0x9e37_79b1) ^ Math.imul(remote.w3 ^ remote.w0, 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2_ae35) ^ Math.imul(guestPort | (remotePort << 16), 0x27d4_eb2f);
  return (mixed ^ (mixed >>> 13)) & 0x3fff_ffff;
}

function same(a: TcpEnds, b: TcpEnds): boolean {
  return (
    a.guestPort === b.guestPort &&
    a.remotePort === b.remotePort &&
    a.guest.w3 === b.guest.w3 &&
    a.remote.w3 === b.remote.w3 &&
    a.guest.w2 === b.guest.w2 &&
    a.remote.w2 === b.remote.w2 &&
    a.guest.w1 === b.guest.w1 &&
    a.remote.w1 === b.remote.w1 &&
    a.guest.w0 === b.guest.w0 &&
    a.remote.w0 === b.remote.w0
  );
}
