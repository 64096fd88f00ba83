import type { GobType } from './type';

/** complex64 and complex128. */
export type GobComplex = { readonly re: number; readonly im: number };

/** A struct by field name. `undefined` (or no key at all) stands for a nil pointer; see {@link GobDecoder} for zeros. */
export type GobStruct = { readonly [field: string]: GobValue | undefined };

/** A non-nil interface value: the registered name of its concrete type, and the value. */
export type GobInterface = { readonly type: string; readonly value: GobValue };

/**
 * What the decoder yields and the encoder accepts, by Go type:
 *
 * | Go                          | JavaScript                                                        |
 * |-----------------------------|-------------------------------------------------------------------|
 * | bool                        | boolean                                                           |
 * | int*, uint*                 | number if a safe integer, else bigint (the encoder takes either)  |
 * | float*                      | number                                                            |
 * | complex*                    | {@link GobComplex}                                                |
 * | string                      | string; bytes that are not UTF-8 become U+FFFD                    |
 * | []byte                      | Uint8Array (decoded: a Buffer, not shared with the stream)          |
 * | slice, array                | array                                                             |
 * | map                         | Map                                                               |
 * | struct                      | {@link GobStruct}                                                 |
 * | interface                   | null or {@link GobInterface}                                      |
 * | GobEncoder, BinaryMarshaler, TextMarshaler | Uint8Array: the bytes that method returned         |
 * | pointer                     | what it points to; nil is a struct field left out                 |
 */
export type GobValue =
  | boolean
  | number
  | bigint
  | string
  | null
  | Uint8Array
  | GobComplex
  | GobInterface
  | GobStruct
  | readonly GobValue[]
  | ReadonlyMap<GobValue, GobValue>;

/** A decoded interface value. It remembers, out of sight, the type its value had on the wire. */
export class DecodedInterface {
  readonly #wireType: GobType;

  constructor(
    readonly type: string,
    readonly value: GobValue,
    wireType: GobType,
  ) {
    this.#wireType = wireType;
  }

  /** The type that `value` was sent as, or undefined for an object this library did not decode. */
  static wireTypeOf(value: object): GobType | undefined {
    return #wireType in value ? value.#wireType : undefined;
  }
}
