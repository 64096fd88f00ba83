import { GobError } from './error';
import type { GobArray, GobMap, GobSlice, GobStructType, GobType } from './type';
import { typeText } from './type-text';
import type { GobStruct, GobValue } from './value';
import type { Writer } from './writer';

/** Where a value is being written to. */
export interface EncodeTarget {
  readonly writer: Writer;
  /** The type registered under a name; throws `GOB_NOT_REGISTERED`. */
  registered(name: string): GobType;
  /** The id of a type on this stream, which from then on counts as defined. */
  idOf(type: GobType): number;
}

/**
 * How values of one type are written: `write` writes always, `omits` tells whether a struct field may be left out
 * (it never looks further than needed, a value of a wrong type is for `write` to refuse).
 */
export class EncodePlan {
  write: (target: EncodeTarget, value: GobValue) => void;

  constructor(
    type: GobType,
    readonly omits: (value: GobValue) => boolean,
  ) {
    // Built at first use: a plan can contain itself, and most types of a registry are never sent.
    this.write = (target, value) => {
      this.write = buildWrite(type);
      this.write(target, value);
    };
  }
}

const plans = new WeakMap<GobType, EncodePlan>();

export function encodePlanOf(type: GobType): EncodePlan {
  let plan = plans.get(type);
  if (plan === undefined) {
    plan = new EncodePlan(type, omitRule(type));
    plans.set(type, plan);
  }
  return plan;
}

/** Writes a value as it stands after its type id: whatever is not a struct is marked by a zero byte in front. */
export function writeTopLevel(target: EncodeTarget, type: GobType, value: GobValue): void {
  if (type.kind !== 'struct') target.writer.byte(0);
  encodePlanOf(type).write(target, value);
}

const never = (): boolean => false;
const isZero = (value: GobValue): boolean => value === 0 || value === 0n;
const isEmpty = (value: GobValue): boolean => Array.isArray(value) && value.length === 0;

// Go leaves out maps only when nil; a Map is never nil, and an empty one is sent.
function omitRule(type: GobType): (value: GobValue) => boolean {
  switch (type.kind) {
    case 'bool':
      return (value) => value === false;
    case 'int':
    case 'uint':
    case 'float':
      return isZero;
    case 'complex':
      return (value) => {
        const { re, im } = value as { readonly re?: unknown; readonly im?: unknown };
        return re === 0 && im === 0;
      };
    case 'string':
      return (value) => value === '';
    case 'bytes':
      return (value) => value instanceof Uint8Array && value.length === 0;
    case 'slice':
      return isEmpty;
    default:
      return never;
  }
}

function buildWrite(type: GobType): EncodePlan['write'] {
  switch (type.kind) {
    case 'bool':
      return (target, value) => {
        if (typeof value !== 'boolean') throw mismatch(type, value);
        target.writer.byte(value ? 1 : 0);
      };
    case 'int':
      return (target, value) => {
        if (typeof value === 'number' && Number.isSafeInteger(value)) target.writer.int(value);
        else target.writer.bigInt(wideInteger(type, value));
      };
    case 'uint':
      return (target, value) => {
        if (typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)) target.writer.uint(value);
        else target.writer.bigUint(wideInteger(type, value));
      };
    case 'float':
      return (target, value) => {
        if (typeof value !== 'number') throw mismatch(type, value);
        target.writer.float(value);
      };
    case 'complex':
      return (target, value) => {
        const { re, im } = (value ?? {}) as { readonly re?: unknown; readonly im?: unknown };
        if (typeof re !== 'number' || typeof im !== 'number') throw mismatch(type, value);
        target.writer.float(re);
        target.writer.float(im);
      };
    case 'string':
      return (target, value) => {
        if (typeof value !== 'string') throw mismatch(type, value);
        target.writer.string(value);
      };
    case 'bytes':
    case 'marshaled':
      return (target, value) => {
        if (!(value instanceof Uint8Array)) throw mismatch(type, value);
        target.writer.bytes(value);
      };
    case 'interface':
      return writeInterface;
    case 'slice':
    case 'array':
      return listWrite(type);
    case 'map':
      return mapWrite(type);
    case 'struct':
      return structWrite(type);
  }
}

/* uint count, elements; the count of an array is in its type and written all the same. */
function listWrite(type: GobSlice | GobArray): EncodePlan['write'] {
  const elem = encodePlanOf(type.elem);
  return (target, value) => {
    if (!Array.isArray(value)) throw mismatch(type, value);
    const list: readonly GobValue[] = value;
    if (type.kind === 'array' && list.length !== type.length) {
      throw new GobError('GOB_TYPE_MISMATCH', `${list.length} elements for an array of ${type.length}`);
    }
    target.writer.uint(list.length);
    // A hole or an undefined element reaches the element's own check.
    for (let index = 0; index < list.length; index++) elem.write(target, list[index] as GobValue);
  };
}

/* uint count, then key, element, key, element, ... */
function mapWrite(type: GobMap): EncodePlan['write'] {
  const key = encodePlanOf(type.key);
  const elem = encodePlanOf(type.elem);
  return (target, value) => {
    if (!(value instanceof Map)) throw mismatch(type, value);
    const map: ReadonlyMap<GobValue, GobValue> = value;
    target.writer.uint(map.size);
    for (const entry of map) {
      key.write(target, entry[0]);
      elem.write(target, entry[1]);
    }
  };
}

/* For each field that is not zero: uint distance to the field before (the first counts from -1), value. Then 0. */
function structWrite(type: GobStructType): EncodePlan['write'] {
  const names = type.fields.map((field) => field.name);
  const fields = type.fields.map((field) => encodePlanOf(field.type));
  return (target, value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Map) {
      throw mismatch(type, value);
    }
    const struct = value as GobStruct;
    const { writer } = target;
    let last = -1;
    for (let index = 0; index < fields.length; index++) {
      const plan = fields[index]!;
      const field = struct[names[index]!];
      if (field === undefined || field === null || plan.omits(field)) continue;
      writer.uint(index - last);
      last = index;
      plan.write(target, field);
    }
    writer.byte(0);
  };
}

/* Registered name (empty: nil, and that is all), type id, length of the rest, value as at top level. */
function writeInterface(target: EncodeTarget, value: GobValue): void {
  const { writer } = target;
  if (value === null) {
    writer.byte(0);
    return;
  }
  const { type: name, value: inner } = (value ?? {}) as { readonly type?: unknown; readonly value?: GobValue };
  if (typeof name !== 'string' || name === '' || inner === undefined) throw mismatch({ kind: 'interface' }, value);
  const type = target.registered(name);
  writer.string(name);
  writer.int(target.idOf(type));
  const start = writer.open();
  writeTopLevel(target, type, inner);
  writer.close(start);
}

function wideInteger(type: GobType, value: GobValue): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  throw mismatch(type, value);
}

function mismatch(type: GobType, value: GobValue | undefined): GobError {
  const found = value === null ? 'null' : typeof value === 'number' ? String(value) : typeof value;
  return new GobError('GOB_TYPE_MISMATCH', `cannot encode ${found} as ${typeText(type).slice(0, 200)}`);
}
