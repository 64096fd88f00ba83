import { type GobMarshaler, GobRegistry, type GobType, type GobValue, gob } from '../../../../../driver/gob';
import { DecodedInterface } from '../../../../../driver/gob/value';

/** A Go type as JSON, as test/peers/gob/types.go writes it. A `ref` stands for the named type it is inside of. */
export type TypeText =
  | { kind: 'bool' | 'int' | 'uint' | 'float' | 'complex' | 'string' | 'bytes' | 'interface' }
  | { kind: 'pointer'; elem: TypeText }
  | { kind: 'slice'; name?: string; elem: TypeText }
  | { kind: 'array'; name?: string; length?: number; elem: TypeText }
  | { kind: 'map'; name?: string; key: TypeText; elem: TypeText }
  | { kind: 'struct'; name?: string; fields?: { name: string; type: TypeText }[] }
  | { kind: 'marshaled'; name: string; method: GobMarshaler }
  | { kind: 'ref'; name: string };

/** A value as JSON that loses nothing, as test/peers/gob/plain.go writes it. */
export type Plain = boolean | string | null | readonly Plain[] | { readonly [name: string]: Plain };

/** Builds types from their texts. One factory per stream: the same named type is the same object throughout. */
export class TypeFactory {
  readonly #named = new Map<string, GobType>();
  readonly #unnamed = new Map<string, GobType>();

  build(text: TypeText): GobType {
    if (text.kind === 'pointer') return this.build(text.elem);
    if (text.kind === 'ref') return this.#named.get(text.name)!;
    const name = ('name' in text && text.name) || '';
    const known = name === '' ? this.#unnamed : this.#named;
    const key = name === '' ? JSON.stringify(text) : name;
    let type = known.get(key);
    if (type === undefined) {
      type = this.#make(text, name);
      known.set(key, type);
    }
    return type;
  }

  registry(texts: { readonly [name: string]: TypeText } = {}): GobRegistry {
    const registry = new GobRegistry();
    for (const [name, text] of Object.entries(texts)) registry.register(name, this.build(text));
    return registry;
  }

  #make(text: Exclude<TypeText, { kind: 'pointer' | 'ref' }>, name: string): GobType {
    const lazy = (inner: TypeText) => () => this.build(inner);
    switch (text.kind) {
      case 'slice':
        return gob.slice(lazy(text.elem), name);
      case 'array':
        return gob.array(lazy(text.elem), text.length ?? 0, name);
      case 'map':
        return gob.map(lazy(text.key), lazy(text.elem), name);
      case 'struct':
        return gob.struct(
          name,
          (text.fields ?? []).map((field) => [field.name, lazy(field.type)] as const),
        );
      case 'marshaled':
        return gob.marshaled(name, text.method);
      default:
        return gob[text.kind];
    }
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The order in which maps are rendered. */
export const sortKey = (value: Plain): string =>
  hex(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));

function floatBits(value: number): string {
  const bits = Buffer.alloc(8);
  bits.writeDoubleBE(value);
  return Number.isNaN(value) ? 'nan' : hex(bits);
}

/** Renders what the decoder yields. */
export function toPlain(value: GobValue | undefined, type: GobType): Plain {
  if (value === undefined) return null;
  switch (type.kind) {
    case 'bool':
      return value as boolean;
    case 'int':
    case 'uint':
      return String(value);
    case 'float':
      return floatBits(value as number);
    case 'complex': {
      const { re, im } = value as { re: number; im: number };
      return [floatBits(re), floatBits(im)];
    }
    case 'string':
      return value as string;
    case 'bytes':
    case 'marshaled':
      return hex(value as Uint8Array);
    case 'slice':
    case 'array':
      return (value as GobValue[]).map((item) => toPlain(item, type.elem));
    case 'map':
      return [...(value as Map<GobValue, GobValue>)]
        .map(([key, item]): Plain => [toPlain(key, type.key), toPlain(item, type.elem)])
        .sort((a, b) => (sortKey((a as Plain[])[0]!) < sortKey((b as Plain[])[0]!) ? -1 : 1));
    case 'struct': {
      const struct = value as { [name: string]: GobValue | undefined };
      return Object.fromEntries(type.fields.map((field) => [field.name, toPlain(struct[field.name], field.type)]));
    }
    case 'interface': {
      if (value === null) return null;
      const inner = value as DecodedInterface;
      return { type: inner.type, value: toPlain(inner.value, DecodedInterface.wireTypeOf(inner)!) };
    }
  }
}

function integer(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

const float = (bits: string): number => (bits === 'nan' ? Number.NaN : Buffer.from(bits, 'hex').readDoubleBE());

/** The value that is rendered so: what the encoder is given. */
export function fromPlain(plain: Plain, type: GobType, registry: GobRegistry): GobValue | undefined {
  if (plain === null) return type.kind === 'interface' ? null : undefined;
  const list = plain as readonly Plain[];
  switch (type.kind) {
    case 'bool':
      return plain as boolean;
    case 'int':
    case 'uint':
      return integer(plain as string);
    case 'float':
      return float(plain as string);
    case 'complex':
      return { re: float(list[0] as string), im: float(list[1] as string) };
    case 'string':
      return plain as string;
    case 'bytes':
    case 'marshaled':
      return Buffer.from(plain as string, 'hex');
    case 'slice':
    case 'array':
      return list.map((item) => fromPlain(item, type.elem, registry)!);
    case 'map':
      return new Map(
        list.map((pair) => {
          const [key, item] = pair as readonly [Plain, Plain];
          return [fromPlain(key, type.key, registry)!, fromPlain(item, type.elem, registry)!];
        }),
      );
    case 'struct': {
      const fields = plain as { readonly [name: string]: Plain };
      return Object.fromEntries(
        type.fields.map((field) => [field.name, fromPlain(fields[field.name]!, field.type, registry)]),
      );
    }
    case 'interface': {
      const { type: name, value } = plain as { readonly type: string; readonly value: Plain };
      return { type: name, value: fromPlain(value, registry.get(name)!, registry)! };
    }
  }
}
