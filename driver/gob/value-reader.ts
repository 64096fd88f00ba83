import { GobError } from './error';
import type { GobLimits } from './limits';
import type { MessageBuffer } from './message-buffer';
import { Reader } from './reader';
import type { GobType } from './type';
import type { TypeTable } from './type-table';
import type { GobValue } from './value';

/**
 * Thrown, and caught again by the decoder, when a value continues in a message that has not arrived. On its way out
 * every value under construction leaves its state with {@link ValueReader.suspend}; when decoding is resumed, each
 * takes it back and goes on. So nothing is decoded twice, however the stream is cut.
 */
export const SUSPENDED = new Error('the value continues in a message that has not arrived');

/** How values of one type are read. */
export interface DecodePlan {
  read(reader: ValueReader): GobValue;
}

/** A reader with what decoding a whole value needs besides bytes: the types of the stream, limits, suspension. */
export class ValueReader extends Reader {
  #depth = 0;
  #budget = 0;
  #bytesLeft = 0;
  readonly #frames: unknown[] = [];

  constructor(
    source: MessageBuffer,
    readonly types: TypeTable,
    readonly limits: GobLimits,
    readonly planOf: (type: GobType) => DecodePlan,
  ) {
    super(source);
  }

  /** Starts a new top-level value in the current message. */
  begin(): void {
    this.#depth = 0;
    this.#budget = this.limits.values;
    this.#bytesLeft = this.limits.valueBytes - this.left;
    if (this.#bytesLeft < 0) throw this.#beyond('valueBytes', 'bytes in one value');
  }

  /** Resumes the value that was suspended. */
  resume(): void {
    this.#depth = 0;
  }

  /** Goes on in the next message, or suspends. */
  continueInNextMessage(): void {
    if (!this.nextMessage()) throw SUSPENDED;
    this.#bytesLeft -= this.left;
    if (this.#bytesLeft < 0) throw this.#beyond('valueBytes', 'bytes in one value');
  }

  /** Enters a nested value; {@link leave} when it is complete (not when it is suspended: resuming enters again). */
  enter(): void {
    if (++this.#depth > this.limits.depth) throw this.#beyond('depth', 'values nested in each other');
  }

  leave(): void {
    this.#depth--;
  }

  /** Accounts for `count` values about to be made. */
  spend(count: number): void {
    this.#budget -= count;
    if (this.#budget < 0) throw this.#beyond('values', 'elements and fields in one value');
  }

  /** Keeps the state of a value under construction, innermost first. */
  suspend(frame: unknown): void {
    this.#frames.push(frame);
  }

  /** The state this value was suspended in, or undefined if it starts here. */
  restore<Frame>(): Frame | undefined {
    return this.#frames.length === 0 ? undefined : (this.#frames.pop() as Frame);
  }

  #beyond(limit: keyof GobLimits, what: string): GobError {
    return new GobError('GOB_LIMIT', `more ${what} than the limit of ${this.limits[limit]}`);
  }
}
