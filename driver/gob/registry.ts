import { GobError } from './error';
import { type GobType, gob } from './type';

/** Names every Go program registers by itself, with the sized integer and float types folded into one. */
const BASICS: readonly (readonly [type: GobType, ...names: readonly string[]])[] = [
  [gob.bool, 'bool'],
  [gob.int, 'int', 'int8', 'int16', 'int32', 'int64'],
  [gob.uint, 'uint', 'uint8', 'uint16', 'uint32', 'uint64', 'uintptr'],
  [gob.float, 'float32', 'float64'],
  [gob.complex, 'complex64', 'complex128'],
  [gob.string, 'string'],
];

const predefined = new Map<string, GobType>();
for (const [type, ...names] of BASICS) {
  const list = gob.slice(type, `[]${names[0]}`);
  for (const name of names) {
    predefined.set(name, type);
    predefined.set(`[]${name}`, name === 'uint8' ? gob.bytes : list);
  }
}

/**
 * Registered names and the types behind them: what `gob.Register` is in Go. Interface values carry the name, so both
 * ends need the same ones. Go's predefined names (`string`, `int64`, `[]string`, `[]uint8`, ...) are always there.
 *
 * A pointer type is registered by Go under its package's short name (`*mcnflag.BoolFlag`), any other named type under
 * the full import path (`example.com/a/b.Flag`).
 */
export class GobRegistry {
  readonly #types = new Map<string, GobType>(predefined);

  /** Adds a name. The same name with the same type may be registered again. */
  register(name: string, type: GobType): this {
    const known = this.#types.get(name);
    if (name === '') throw new GobError('GOB_INVALID_TYPE', 'cannot register an empty name');
    if (known !== undefined && known !== type) {
      throw new GobError('GOB_INVALID_TYPE', `registering duplicate types for "${name}"`);
    }
    this.#types.set(name, type);
    return this;
  }

  /** The type of a name, if somebody registered it. */
  get(name: string): GobType | undefined {
    return this.#types.get(name);
  }
}
