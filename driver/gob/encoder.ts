import { type EncodeTarget, writeTopLevel } from './encode-plan';
import { GobError, toGobError } from './error';
import { GobRegistry } from './registry';
import { SentTypes } from './sent-types';
import type { GobType } from './type';
import type { GobValue } from './value';
import { FIRST_DEFINABLE_ID } from './wire-type';
import { Writer } from './writer';

/** What an encoder calls its types. */
export interface GobEncoderOptions {
  /** Names for interface values; without it only Go's predefined ones can be sent. */
  readonly registry?: GobRegistry;
  /** The id of the first type defined, 65 (as in Go) unless bytes of another process are to be reproduced. */
  readonly firstTypeId?: number;
}

/**
 * The sending end of one stream. Returned buffers are complete messages and must be sent in the order in which they
 * were returned.
 */
export class GobEncoder {
  readonly #types: SentTypes;
  readonly #writer = new Writer();
  readonly #target: EncodeTarget;

  constructor(options: GobEncoderOptions = {}) {
    const { registry = new GobRegistry(), firstTypeId = FIRST_DEFINABLE_ID + 1 } = options;
    if (!Number.isInteger(firstTypeId) || firstTypeId < FIRST_DEFINABLE_ID) {
      throw new GobError('GOB_INVALID_TYPE', `type ids start at ${FIRST_DEFINABLE_ID}, not at ${firstTypeId}`);
    }
    const types = new SentTypes(firstTypeId);
    this.#types = types;
    this.#target = {
      writer: this.#writer,
      registered(name) {
        const type = registry.get(name);
        if (type === undefined) {
          throw new GobError('GOB_NOT_REGISTERED', `name not registered for interface: "${name.slice(0, 200)}"`);
        }
        return type;
      },
      idOf: (type) => types.idOf(type),
    };
  }

  /**
   * A value as messages: definitions not sent before, those of types inside interface values included, then the value.
   * Go's own encoder puts the latter into the middle of the value; decoders take both.
   *
   * @throws GobError `GOB_TYPE_MISMATCH`, `GOB_NOT_REGISTERED`, `GOB_INVALID_TYPE` or `GOB_LIMIT` (cyclic values);
   *   the encoder can be used on as if the call had not been made.
   */
  encode(value: GobValue, type: GobType): Buffer {
    try {
      this.#writer.beginMessage();
      this.#writer.int(this.#types.idOf(type));
      writeTopLevel(this.#target, type, value);
    } catch (caught) {
      this.#writer.reset();
      this.#types.forget();
      throw toGobError(caught);
    }
    const message = this.#writer.takeMessage();
    return this.#types.waiting ? Buffer.concat([this.#types.take(), message]) : message;
  }

  /** The definitions of types that will be needed, as far as not sent before: later values are then shorter. */
  define(...types: readonly GobType[]): Buffer {
    try {
      for (const type of types) this.#types.idOf(type);
    } catch (caught) {
      this.#types.forget();
      throw toGobError(caught);
    }
    return this.#types.take();
  }
}
