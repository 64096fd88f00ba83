import { readInterface } from './decode-interface';
import { GobError } from './error';
import type { GobArray, GobMap, GobSlice, GobStructType, GobType } from './type';
import type { GobValue } from './value';
import { type DecodePlan, SUSPENDED, type ValueReader } from './value-reader';
import { structOf, ZERO_COMPLEX, zeroField } from './zero';

class LazyPlan implements DecodePlan {
  read: (reader: ValueReader) => GobValue;

  constructor(type: GobType) {
    // Built at first use: a plan can contain itself.
    this.read = (reader) => {
      this.read = buildRead(type);
      return this.read(reader);
    };
  }
}

const plans = new WeakMap<GobType, LazyPlan>();

export function decodePlanOf(type: GobType): DecodePlan {
  let plan = plans.get(type);
  if (plan === undefined) {
    plan = new LazyPlan(type);
    plans.set(type, plan);
  }
  return plan;
}

function buildRead(type: GobType): DecodePlan['read'] {
  switch (type.kind) {
    case 'bool':
      return (reader) => reader.uint() !== 0;
    case 'int':
      return (reader) => reader.int();
    case 'uint':
      return (reader) => reader.uint();
    case 'float':
      return (reader) => reader.float();
    case 'complex':
      return (reader) => ({ re: reader.float(), im: reader.float() });
    case 'string':
      return (reader) => reader.string();
    case 'bytes':
    case 'marshaled':
      return (reader) => reader.bytes();
    case 'interface':
      return readInterface;
    case 'slice':
    case 'array':
      return listRead(type);
    case 'map':
      return mapRead(type);
    case 'struct':
      return structRead(type);
  }
}

type ListFrame = { readonly list: GobValue[]; readonly count: number };

// Every value takes at least a byte, so a list never grows beyond the bytes received, whatever its count claims.
function listRead(type: GobSlice | GobArray): DecodePlan['read'] {
  const elem = decodePlanOf(type.elem);
  const length = type.kind === 'array' ? type.length : undefined;
  return (reader) => {
    reader.enter();
    const frame = reader.restore<ListFrame>();
    const count = frame === undefined ? reader.count() : frame.count;
    const list = frame === undefined ? [] : frame.list;
    if (frame === undefined) {
      if (length !== undefined && count !== length) {
        throw new GobError('GOB_MALFORMED', `array of ${count} elements instead of ${length}`);
      }
      reader.spend(count);
    }
    try {
      while (list.length < count) list.push(elem.read(reader));
    } catch (caught) {
      if (caught === SUSPENDED) reader.suspend({ list, count } satisfies ListFrame);
      throw caught;
    }
    reader.leave();
    return list;
  };
}

type MapFrame = { readonly map: Map<GobValue, GobValue>; left: number; key: GobValue | undefined };

function mapRead(type: GobMap): DecodePlan['read'] {
  const keys = decodePlanOf(type.key);
  const elems = decodePlanOf(type.elem);
  return (reader) => {
    reader.enter();
    let frame = reader.restore<MapFrame>();
    if (frame === undefined) {
      frame = { map: new Map(), left: reader.count(), key: undefined };
      reader.spend(frame.left);
    }
    try {
      for (; frame.left > 0; frame.left--) {
        if (frame.key === undefined) frame.key = keys.read(reader);
        frame.map.set(frame.key, elems.read(reader));
        frame.key = undefined;
      }
    } catch (caught) {
      if (caught === SUSPENDED) reader.suspend(frame);
      throw caught;
    }
    reader.leave();
    return frame.map;
  };
}

type StructFrame = { readonly struct: Record<string, GobValue>; readonly index: number };

function structRead(type: GobStructType): DecodePlan['read'] {
  const names = type.fields.map((field) => field.name);
  const fields = type.fields.map((field) => decodePlanOf(field.type));
  const zeros = structOf(type.fields.map((field) => [field.name, sharedZero(field.type)]));
  const containers = type.fields
    .map((field) => ({ name: field.name, type: field.type }))
    .filter((field) => field.type.kind === 'slice' || field.type.kind === 'map');
  return (reader) => {
    reader.enter();
    const frame = reader.restore<StructFrame>();
    if (frame === undefined) reader.spend(1 + names.length);
    // The copy has all fields as properties of its own, so that assigning even to `__proto__` only sets a field.
    const struct = frame === undefined ? ({ ...zeros } as StructFrame['struct']) : frame.struct;
    let index = frame === undefined ? -1 : frame.index;
    try {
      if (frame !== undefined) struct[names[index]!] = fields[index]!.read(reader);
      for (let delta = reader.uint(); delta !== 0; delta = reader.uint()) {
        index += Number(delta);
        const field = fields[index];
        if (field === undefined) throw new GobError('GOB_MALFORMED', 'bad data: field numbers out of bounds');
        struct[names[index]!] = field.read(reader);
      }
    } catch (caught) {
      if (caught === SUSPENDED) reader.suspend({ struct, index } satisfies StructFrame);
      throw caught;
    }
    for (const { name, type } of containers) if (struct[name] === undefined) struct[name] = zeroField(type)!;
    reader.leave();
    return struct;
  };
}

/** Zeros that may be the same object in every struct; slices and maps, which callers may well change, are not. */
function sharedZero(type: GobType): GobValue | undefined {
  if (type.kind === 'slice' || type.kind === 'map') return undefined;
  return type.kind === 'complex' ? ZERO_COMPLEX : zeroField(type);
}
