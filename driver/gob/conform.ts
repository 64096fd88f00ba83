import { GobError, toGobError } from './error';
import type { GobRegistry } from './registry';
import type { GobStructType, GobType } from './type';
import { typeText } from './type-text';
import { DecodedInterface, type GobInterface, type GobStruct, type GobValue } from './value';
import { structOf, zeroField } from './zero';

type Convert = (value: GobValue, registry: GobRegistry | undefined) => GobValue;

/** `undefined`: values of the one type are values of the other as they are. */
type Conversion = {
  convert: Convert | undefined;
  /** Two structs without a common field: Go refuses them as values of their own, though not as parts of others. */
  readonly disjoint: boolean;
};

const conversions = new WeakMap<GobType, WeakMap<GobType, Conversion>>();
const direct: Conversion = { convert: undefined, disjoint: false };

/**
 * A decoded value as one of the type we have: Go's rules for decoding into a variable. Struct fields go by name, ones
 * we do not have are dropped, ones that are missing are zero; everything else must be of the same kind, and int is not
 * uint. Interface values whose name is registered become what is registered; others stay as they are.
 *
 * @param wireType the type the value was decoded with
 * @throws GobError `GOB_TYPE_MISMATCH`
 */
export function conform(value: GobValue, wireType: GobType, type: GobType, registry?: GobRegistry): GobValue {
  try {
    const { convert, disjoint } = conversionOf(wireType, type);
    if (disjoint) throw mismatch(`type mismatch: no fields matched compiling decoder for ${typeName(type)}`);
    return convert === undefined ? value : convert(value, registry);
  } catch (caught) {
    throw toGobError(caught);
  }
}

function isDisjoint(wire: GobType, type: GobType): boolean {
  if (wire.kind !== 'struct' || type.kind !== 'struct') return false;
  const names = new Set(type.fields.map((field) => field.name));
  return names.size > 0 && wire.fields.length > 0 && !wire.fields.some((field) => names.has(field.name));
}

function conversionOf(wire: GobType, type: GobType): Conversion {
  if (wire === type && type.kind !== 'interface' && !('name' in type)) return direct;
  let known = conversions.get(wire);
  if (known === undefined) {
    known = new WeakMap();
    conversions.set(wire, known);
  }
  let conversion = known.get(type);
  if (conversion === undefined) {
    // Types that contain themselves find this one, which only later gets its function.
    conversion = {
      convert: (value, registry) => conversion!.convert!(value, registry),
      disjoint: isDisjoint(wire, type),
    };
    known.set(type, conversion);
    try {
      conversion.convert = buildConvert(wire, type);
    } catch (caught) {
      conversion.convert = () => {
        throw caught;
      };
      known.delete(type);
      throw caught instanceof Incompatible && type.kind !== 'struct' ? new Incompatible(wire, type) : caught;
    }
  }
  return conversion;
}

function buildConvert(wire: GobType, type: GobType): Convert | undefined {
  switch (type.kind) {
    case 'struct':
      return structConvert(wire, type);
    case 'interface':
      if (wire.kind === 'interface') return convertInterface;
      break;
    case 'marshaled':
      if (wire.kind === 'marshaled' && wire.method === type.method) return undefined;
      break;
    case 'map':
      if (wire.kind === 'map') return mapConvert(conversionOf(wire.key, type.key), conversionOf(wire.elem, type.elem));
      break;
    case 'slice':
      if (wire.kind === 'slice') return listConvert(conversionOf(wire.elem, type.elem));
      break;
    case 'array':
      if (wire.kind === 'array' && wire.length === type.length) return listConvert(conversionOf(wire.elem, type.elem));
      break;
    default:
      if (wire.kind === type.kind) return undefined;
  }
  throw new Incompatible(wire, type);
}

function listConvert(elem: Conversion): Convert | undefined {
  const { convert } = elem;
  if (convert === undefined) return undefined;
  return (value, registry) => (value as readonly GobValue[]).map((item) => convert(item, registry));
}

function mapConvert(key: Conversion, elem: Conversion): Convert | undefined {
  if (key.convert === undefined && elem.convert === undefined) return undefined;
  const convert = (conversion: Conversion, value: GobValue, registry: GobRegistry | undefined) =>
    conversion.convert === undefined ? value : conversion.convert(value, registry);
  return (value, registry) => {
    const converted = new Map<GobValue, GobValue>();
    for (const [name, item] of value as ReadonlyMap<GobValue, GobValue>) {
      converted.set(convert(key, name, registry), convert(elem, item, registry));
    }
    return converted;
  };
}

function structConvert(wire: GobType, type: GobStructType): Convert | undefined {
  if (wire.kind !== 'struct') throw mismatch(`type mismatch in decoder: want struct type ${type.name}; got non-struct`);
  const received = new Map(wire.fields.map((field) => [field.name, field.type]));
  const fields = type.fields.map((field) => {
    const wireField = received.get(field.name);
    return {
      ...field,
      type: field.type,
      conversion: wireField && fieldConversion(wireField, field.type, wire, field.name),
    };
  });
  const same = fields.length === wire.fields.length && fields.every((field) => field.conversion?.convert === undefined);
  if (same && fields.every((field) => field.conversion !== undefined)) return undefined;
  return (value, registry) => {
    const struct = value as GobStruct;
    return structOf(
      fields.map(({ name, type, conversion }) => {
        const field = conversion === undefined ? undefined : struct[name];
        if (field === undefined) return [name, zeroField(type)];
        return [name, conversion?.convert === undefined ? field : conversion.convert(field, registry)];
      }),
    );
  };
}

function fieldConversion(wire: GobType, type: GobType, owner: GobStructType, name: string): Conversion {
  try {
    return conversionOf(wire, type);
  } catch (caught) {
    if (!(caught instanceof Incompatible)) throw caught;
    throw mismatch(`wrong type (${shortText(type)}) for received field ${owner.name}.${name}`, caught);
  }
}

function convertInterface(value: GobValue, registry: GobRegistry | undefined): GobValue {
  if (value === null || registry === undefined) return value;
  const { type: name, value: inner } = value as GobInterface;
  const wireType = DecodedInterface.wireTypeOf(value as GobInterface);
  const type = registry.get(name);
  if (wireType === undefined || type === undefined) return value;
  const converted = conform(inner, wireType, type, registry);
  return converted === inner ? value : new DecodedInterface(name, converted, type);
}

/** Two types that do not go together, as opposed to two structs with such fields. */
class Incompatible extends GobError {
  constructor(wire: GobType, type: GobType) {
    super(
      'GOB_TYPE_MISMATCH',
      type.kind === 'interface'
        ? `local interface type can only be decoded from remote interface type; received concrete type ${shortText(wire)}`
        : `decoding into local type ${shortText(type)}, received remote type ${shortText(wire)}`,
    );
  }
}

/** Enough of a type to recognise it: a peer may define types of any length. */
const shortText = (type: GobType): string => typeText(type).slice(0, 200);
const typeName = (type: GobType): string => ('name' in type ? type.name : type.kind);

function mismatch(message: string, cause?: unknown): GobError {
  return new GobError('GOB_TYPE_MISMATCH', message, cause === undefined ? {} : { cause });
}
