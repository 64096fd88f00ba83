import { GobError } from './error';

/** Kinds whose ids every gob stream knows without a definition. */
export type GobBasicKind = 'bool' | 'int' | 'uint' | 'float' | 'bytes' | 'string' | 'complex' | 'interface';

/** How a type with its own marshalling method was encoded; all three carry opaque bytes. */
export type GobMarshaler = 'GobEncoder' | 'BinaryMarshaler' | 'TextMarshaler';

/** A type that needs no definition. */
export type GobBasic = { readonly kind: GobBasicKind };
/** Go's `[]elem`. */
export type GobSlice = { readonly kind: 'slice'; readonly name: string; readonly elem: GobType };
/** Go's `[length]elem`. */
export type GobArray = {
  readonly kind: 'array';
  readonly name: string;
  readonly elem: GobType;
  readonly length: number;
};
/** Go's `map[key]elem`. */
export type GobMap = { readonly kind: 'map'; readonly name: string; readonly key: GobType; readonly elem: GobType };
/** A field of a struct. */
export type GobField = { readonly name: string; readonly type: GobType };
/** A Go struct, of which only the exported fields travel. */
export type GobStructType = { readonly kind: 'struct'; readonly name: string; readonly fields: readonly GobField[] };
/** A type that encodes itself; its bytes are passed on as they are. */
export type GobMarshaled = { readonly kind: 'marshaled'; readonly name: string; readonly method: GobMarshaler };

/**
 * A gob type: what the caller wants to send or receive, and also how the decoder describes what a peer defined.
 * Compared by identity: one definition per object and stream. Build with {@link gob}, once per type, not per call.
 */
export type GobType = GobBasic | GobSlice | GobArray | GobMap | GobStructType | GobMarshaled;

/** A type, or a function giving it: the way to write a type that contains itself. */
export type GobTypeRef = GobType | (() => GobType);

const resolve = (ref: GobTypeRef): GobType => (typeof ref === 'function' ? ref() : ref);

/** Go allows as map keys what `==` can compare. */
export const isKeyType = (type: GobType): boolean =>
  type.kind !== 'slice' && type.kind !== 'map' && type.kind !== 'bytes';

const slices = new WeakMap<GobType, Map<string, GobSlice>>();

function slice(elem: GobTypeRef, name = ''): GobSlice {
  // Slices of one element type and name are one type in Go too: one object here, so one definition on a stream.
  const siblings = typeof elem === 'function' ? undefined : slices.get(elem);
  const known = siblings?.get(name);
  if (known !== undefined) return known;
  const type: GobSlice = {
    kind: 'slice',
    name,
    get elem() {
      return resolve(elem);
    },
  };
  if (siblings !== undefined) siblings.set(name, type);
  else if (typeof elem !== 'function') slices.set(elem, new Map([[name, type]]));
  return type;
}

function array(elem: GobTypeRef, length: number, name = ''): GobArray {
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new GobError('GOB_INVALID_TYPE', `array length ${length} is not a count`);
  }
  return {
    kind: 'array',
    name,
    length,
    get elem() {
      return resolve(elem);
    },
  };
}

function map(key: GobTypeRef, elem: GobTypeRef, name = ''): GobMap {
  if (typeof key !== 'function' && !isKeyType(key)) {
    throw new GobError('GOB_INVALID_TYPE', `a ${key.kind} cannot be a map key`);
  }
  return {
    kind: 'map',
    name,
    get key() {
      return resolve(key);
    },
    get elem() {
      return resolve(elem);
    },
  };
}

function struct(name: string, fields: readonly (readonly [name: string, type: GobTypeRef])[] = []): GobStructType {
  const names = new Set<string>();
  for (const [field] of fields) {
    if (field === '') throw new GobError('GOB_INVALID_TYPE', `empty name for a field of type ${name}`);
    if (names.has(field)) throw new GobError('GOB_INVALID_TYPE', `type ${name} has two fields ${field}`);
    names.add(field);
  }
  return {
    kind: 'struct',
    name,
    fields: fields.map(([field, type]) => ({
      name: field,
      get type() {
        return resolve(type);
      },
    })),
  };
}

function marshaled(name: string, method: GobMarshaler = 'GobEncoder'): GobMarshaled {
  return { kind: 'marshaled', name, method };
}

const basic = (kind: GobBasicKind): GobBasic => ({ kind });

/**
 * Type descriptors. Names (of slices, arrays, maps, structs) travel in definitions but no decoder checks them; struct
 * fields are matched by their names, which in Go must start with a capital letter to be seen.
 *
 * @example
 * const request = gob.struct('Request', [['ServiceMethod', gob.string], ['Seq', gob.uint]]);
 * const list: GobType = gob.struct('List', [['Next', () => list]]);
 */
export const gob = {
  bool: basic('bool'),
  int: basic('int'),
  uint: basic('uint'),
  float: basic('float'),
  bytes: basic('bytes'),
  string: basic('string'),
  complex: basic('complex'),
  interface: basic('interface'),
  /** `[]elem`; the same object for the same element type and name. */
  slice,
  /** `[length]elem` @throws GobError GOB_INVALID_TYPE for a length that is no count */
  array,
  /** `map[key]elem` @throws GobError GOB_INVALID_TYPE for keys that Go cannot compare */
  map,
  /** A struct with its fields in order. @throws GobError GOB_INVALID_TYPE for a field without name or with another's */
  struct,
  /** A type that marshals itself (time.Time, big.Int, ...): its values are the bytes of that method. */
  marshaled,
} as const;
