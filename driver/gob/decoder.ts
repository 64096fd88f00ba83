import { conform } from './conform';
import { readMarker } from './decode-interface';
import { decodePlanOf } from './decode-plan';
import { GobError, toGobError } from './error';
import { DEFAULT_LIMITS, type GobLimits } from './limits';
import { MessageBuffer } from './message-buffer';
import type { GobRegistry } from './registry';
import type { GobType } from './type';
import { readTypeId } from './type-sequence';
import { TypeTable } from './type-table';
import type { GobValue } from './value';
import { SUSPENDED, ValueReader } from './value-reader';

/** What a decoder may believe a peer, and the types it knows by name. */
export interface GobDecoderOptions {
  readonly limits?: Partial<GobLimits>;
  /** Types of interface values for {@link GobDecoder.nextAs}. */
  readonly registry?: GobRegistry;
}

/** A value as it was sent, and the type its sender gave it. */
export interface DecodedValue {
  readonly value: GobValue;
  readonly type: GobType;
}

/**
 * The receiving end of one stream: bytes in, in whatever pieces, values out.
 *
 * Struct fields that were left out are there with their zero value; those that gob never leaves out (structs, arrays,
 * self-marshalling types) are undefined, which stands for a nil pointer.
 */
export class GobDecoder {
  readonly #source: MessageBuffer;
  readonly #reader: ValueReader;
  readonly #registry: GobRegistry | undefined;
  /** Where the value being decoded stands: not begun, before its type id, or inside. */
  #state: 'idle' | 'type' | GobType = 'idle';
  #failure: GobError | undefined;

  constructor(options: GobDecoderOptions = {}) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#source = new MessageBuffer(limits.messageBytes);
    this.#reader = new ValueReader(this.#source, new TypeTable(limits), limits, decodePlanOf);
    this.#registry = options.registry;
  }

  /** Takes bytes from the stream. They are copied; nothing is decoded yet. */
  push(chunk: Uint8Array): void {
    if (this.#failure === undefined) this.#source.push(chunk);
  }

  /**
   * The next value, or undefined if more bytes are needed for it.
   *
   * @throws GobError when the stream cannot be understood; the same error on every later call.
   */
  next(): DecodedValue | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#next();
    } catch (caught) {
      if (caught === SUSPENDED) return undefined;
      this.#failure = toGobError(caught);
      this.#source.clear();
      throw this.#failure;
    }
  }

  /**
   * The next value as one of `type`, interface values inside as what is registered under their name.
   *
   * @throws GobError as {@link next}, and `GOB_TYPE_MISMATCH` if the value is something else; it is skipped then, and
   *   the decoder goes on with the one after it.
   */
  nextAs(type: GobType): GobValue | undefined {
    const found = this.next();
    return found === undefined ? undefined : conform(found.value, found.type, type, this.#registry);
  }

  /** To be called at the end of the stream: throws `GOB_TRUNCATED` if that is in the middle of a value. */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#state === 'idle' && this.#source.pending === 0) return;
    this.#failure = new GobError('GOB_TRUNCATED', 'stream ends in the middle of a value');
    throw this.#failure;
  }

  #next(): DecodedValue | undefined {
    const reader = this.#reader;
    if (this.#state === 'idle') {
      if (!reader.nextMessage()) return undefined;
      reader.begin();
      this.#state = 'type';
    } else {
      reader.resume();
    }
    if (this.#state === 'type') {
      const type = reader.types.typeOf(readTypeId(reader, false));
      readMarker(reader, type);
      this.#state = type;
    }
    const type = this.#state;
    const value = decodePlanOf(type).read(reader);
    if (reader.left > 0) throw new GobError('GOB_MALFORMED', 'extra data in buffer after a value');
    this.#state = 'idle';
    return { value, type };
  }
}
