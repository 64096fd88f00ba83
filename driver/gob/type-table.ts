import { GobError } from './error';
import type { GobLimits } from './limits';
import { type GobType, gob } from './type';
import type { GobStruct } from './value';
import {
  BASIC_IDS,
  checkKeyTypes,
  FIRST_DEFINABLE_ID,
  fromDefinition,
  LAST_DEFINABLE_ID,
  reachableTypes,
} from './wire-type';

const basics = new Map<number, GobType>(
  Object.values(gob).flatMap((type) => {
    return 'kind' in type ? [[BASIC_IDS[type.kind], type] as const] : [];
  }),
);

/** The types a peer has defined on one incoming stream. */
export class TypeTable {
  readonly #limits: GobLimits;
  readonly #types = new Map<number, GobType>(basics);
  /** Types all of whose inner types are known to be defined. */
  readonly #complete = new Set<GobType>(basics.values());
  #bytesLeft: number;

  constructor(limits: GobLimits) {
    this.#limits = limits;
    this.#bytesLeft = limits.definitionBytes;
  }

  /** Refuses ids that cannot be defined (any more), before anything of the definition is read. */
  checkDefinable(id: number): void {
    // "gob: duplicate type received" is what Go says to reserved ids as well.
    if (id < FIRST_DEFINABLE_ID || this.#types.has(id)) {
      throw new GobError('GOB_DUPLICATE_TYPE', `duplicate type received: ${id}`);
    }
    if (id > LAST_DEFINABLE_ID) throw new GobError('GOB_MALFORMED', `type id ${id} out of range`);
    if (this.#types.size - basics.size >= this.#limits.types) {
      throw new GobError('GOB_LIMIT', `more types than the limit of ${this.#limits.types}`);
    }
  }

  /** Adds a definition of `size` bytes. The types inside may be defined later, until a value needs them. */
  define(id: number, definition: GobStruct, size: number): void {
    this.#bytesLeft -= size;
    if (this.#bytesLeft < 0) {
      const limit = this.#limits.definitionBytes;
      throw new GobError('GOB_LIMIT', `more bytes of type definitions than the limit of ${limit}`);
    }
    this.#types.set(
      id,
      fromDefinition(definition, (inner) => this.#defined(inner), this.#limits.fields),
    );
  }

  /** The type of a value about to be read; it and all types inside must be defined by now. */
  typeOf(id: number): GobType {
    const type = this.#defined(id);
    if (!this.#complete.has(type)) {
      checkKeyTypes(type);
      for (const found of reachableTypes(type)) this.#complete.add(found);
    }
    return type;
  }

  #defined(id: number): GobType {
    const type = this.#types.get(id);
    if (type === undefined) throw new GobError('GOB_UNKNOWN_TYPE', `unknown type id ${id} or corrupted data`);
    return type;
  }
}
