import { type Answer, createAnswer, encodeFault, encodeReply } from './answer';
import type { AnswerCache, CachedAnswer } from './answer-cache';
import { type Query, readQuery, wantsWholeAnswer } from './query';
import type { Upstream } from './upstream';
import { EDNS_DO, FLAG_AD, FLAG_CD, FLAG_RD, MAX_MESSAGE_BYTES, PLAIN_UDP_BYTES, SERVFAIL } from './wire';

/** Guests' questions that wait for a server at the same time; those above get SERVFAIL. */
const MAX_WAITING = 512;

/** Somebody who may know an answer without asking a server; `asker` is the guest's address. */
export type LocalSource = (query: Query, asker: string) => Answer | undefined;

export interface ResponderOptions {
  /** Asked in this order, before any server. */
  readonly local: readonly LocalSource[];
  readonly cache: AnswerCache;
  readonly upstream: Upstream;
  /** The longest UDP message that a guest is sent, however much it says it can take. */
  readonly maxDatagramBytes: number;
}

/** Gets the reply, or nothing for a message that deserves none. Called once, maybe before `respond` returns. */
export type Done = (reply: Buffer | undefined) => void;

interface Waiter {
  readonly query: Query;
  readonly maxBytes: number;
  readonly done: Done;
}

/** Turns messages of guests into replies: own names, then what is still good of earlier answers, then the servers. */
export class Responder {
  readonly #options: ResponderOptions;
  /** Equal questions wait for one answer. */
  readonly #waiters = new Map<string, Waiter[]>();
  #waiting = 0;
  /** Of the configuration; answers of an earlier one are not kept. */
  #generation = 0;

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** The bytes are not needed after the call. Never throws. */
  respond(bytes: Uint8Array, transport: 'udp' | 'tcp', asker: string, done: Done): void {
    const reading = readQuery(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    if (reading.kind === 'query') this.#answer(reading.query, transport, asker, done);
    else done(reading.kind === 'fault' ? encodeFault(reading.id, reading.flags, reading.rcode) : undefined);
  }

  /** Forgets all answers, those under way, too: they are of servers that are no longer asked. */
  forget(): void {
    this.#options.cache.clear();
    this.#generation++;
  }

  #answer(query: Query, transport: 'udp' | 'tcp', asker: string, done: Done): void {
    const maxBytes = transport === 'tcp' ? MAX_MESSAGE_BYTES : this.#datagramBytes(query);
    const key = query.key + variant(query);
    const known = this.#lookUp(query, key, asker);
    if (known) done(encodeReply(query, known.answer, { maxBytes, ageS: known.ageS }));
    else if (this.#waiting >= MAX_WAITING) done(encodeReply(query, createAnswer(query, SERVFAIL), { maxBytes }));
    else this.#forward(key, wantsWholeAnswer(query, transport), { query, maxBytes, done });
  }

  #lookUp(query: Query, key: string, asker: string): CachedAnswer | undefined {
    for (const find of this.#options.local) {
      const answer = find(query, asker);
      if (answer) return { answer, ageS: 0 };
    }
    return this.#options.cache.get(key);
  }

  #datagramBytes(query: Query): number {
    return Math.min(query.edns?.udpBytes ?? PLAIN_UDP_BYTES, this.#options.maxDatagramBytes);
  }

  #forward(key: string, whole: boolean, waiter: Waiter): void {
    const { query } = waiter;
    this.#waiting++;
    // Those with EDNS and those who need all of it are asked in other words.
    const way = `${key}${query.edns ? 'e' : ''}${whole ? 'w' : ''}${this.#generation}`;
    const others = this.#waiters.get(way);
    if (others) {
      others.push(waiter);
      return;
    }
    const waiters = [waiter];
    this.#waiters.set(way, waiters);
    const generation = this.#generation;
    this.#options.upstream.ask({ query, whole }, (answer) => {
      this.#waiters.delete(way);
      this.#waiting -= waiters.length;
      if (answer && generation === this.#generation) this.#options.cache.set(key, answer);
      for (const each of waiters) {
        const reply = answer ?? createAnswer(each.query, SERVFAIL);
        each.done(encodeReply(each.query, reply, { maxBytes: each.maxBytes }));
      }
    });
  }
}

/** The bits of a query that may change its answer. */
function variant(query: Query): string {
  return String.fromCharCode((query.flags & (FLAG_RD | FLAG_AD | FLAG_CD)) | (query.edns?.dnssecOk ? EDNS_DO : 0));
}
