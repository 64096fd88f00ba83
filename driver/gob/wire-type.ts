import { GobError } from './error';
import { type GobBasicKind, type GobMarshaler, type GobType, type GobTypeRef, gob, isKeyType } from './type';
import type { GobStruct, GobValue } from './value';

/** Ids every stream starts with. */
export const BASIC_IDS: Readonly<Record<GobBasicKind, number>> = {
  bool: 1,
  int: 2,
  uint: 3,
  float: 4,
  bytes: 5,
  string: 6,
  complex: 7,
  interface: 8,
};

/** Ids below are gob's own: the basic kinds, seven reserved ones, and the types that describe types (16 to 23). */
export const FIRST_DEFINABLE_ID = 64;

/** Go keeps type ids in an int32. */
export const LAST_DEFINABLE_ID = 2 ** 31 - 1;

/*
 * A type definition is itself a gob value, of a type both ends know (id 16). Exactly one field is set:
 *
 *   wireType   0 ArrayT  1 SliceT  2 StructT  3 MapT  4 GobEncoderT  5 BinaryMarshalerT  6 TextMarshalerT
 *   ArrayT     0 CommonType  1 Elem int  2 Len int
 *   SliceT     0 CommonType  1 Elem int
 *   StructT    0 CommonType  1 Field []{ 0 Name string  1 Id int }
 *   MapT       0 CommonType  1 Key int   2 Elem int
 *   *ncoderT   0 CommonType
 *   CommonType 0 Name string  1 Id int
 *
 * (Go: encoding/gob/type.go.)
 */
const commonType = gob.struct('CommonType', [
  ['Name', gob.string],
  ['Id', gob.int],
]);
const common = ['CommonType', commonType] as const;
const marshaledType = gob.struct('gobEncoderType', [common]);
const fieldType = gob.struct('fieldType', [
  ['Name', gob.string],
  ['Id', gob.int],
]);

export const WIRE_TYPE = gob.struct('wireType', [
  ['ArrayT', gob.struct('arrayType', [common, ['Elem', gob.int], ['Len', gob.int]])],
  ['SliceT', gob.struct('sliceType', [common, ['Elem', gob.int]])],
  ['StructT', gob.struct('structType', [common, ['Field', gob.slice(fieldType, '[]*gob.fieldType')]])],
  ['MapT', gob.struct('mapType', [common, ['Key', gob.int], ['Elem', gob.int]])],
  ['GobEncoderT', marshaledType],
  ['BinaryMarshalerT', marshaledType],
  ['TextMarshalerT', marshaledType],
]);

/** The definition of a type, as a value of {@link WIRE_TYPE}. `idOf` gives the ids of the types inside. */
export function toDefinition(
  type: Exclude<GobType, { kind: GobBasicKind }>,
  id: number,
  idOf: (type: GobType) => number,
): GobStruct {
  const CommonType = { Name: type.name, Id: id };
  switch (type.kind) {
    case 'array':
      return { ArrayT: { CommonType, Elem: idOf(type.elem), Len: type.length } };
    case 'slice':
      return { SliceT: { CommonType, Elem: idOf(type.elem) } };
    case 'struct':
      return {
        StructT: { CommonType, Field: type.fields.map((field) => ({ Name: field.name, Id: idOf(field.type) })) },
      };
    case 'map':
      return { MapT: { CommonType, Key: idOf(type.key), Elem: idOf(type.elem) } };
    case 'marshaled':
      return { [`${type.method}T`]: { CommonType } };
  }
}

const MARSHALERS: readonly GobMarshaler[] = ['GobEncoder', 'BinaryMarshaler', 'TextMarshaler'];

const struct = (value: GobValue | undefined): GobStruct => value as GobStruct;
const text = (value: GobValue | undefined): string => value as string;

/** The type that a decoded {@link WIRE_TYPE} value describes; `typeOf` is asked for inner ids when they are needed. */
export function fromDefinition(definition: GobStruct, typeOf: (id: number) => GobType, maxFields: number): GobType {
  const ref = (id: GobValue | undefined): GobTypeRef => {
    if (typeof id !== 'number' || id <= 0) throw new GobError('GOB_UNKNOWN_TYPE', 'unknown type id or corrupted data');
    return () => typeOf(id);
  };
  const named = (value: GobStruct): string => {
    const { CommonType } = value;
    return CommonType === undefined ? '' : text(struct(CommonType)['Name']);
  };
  const { ArrayT, SliceT, StructT, MapT } = definition;
  if (ArrayT !== undefined) {
    const { Elem, Len } = struct(ArrayT);
    if (typeof Len !== 'number' || Len < 0) throw new GobError('GOB_MALFORMED', 'array length is not a count');
    return gob.array(ref(Elem), Len, named(struct(ArrayT)));
  }
  if (SliceT !== undefined) return gob.slice(ref(struct(SliceT)['Elem']), named(struct(SliceT)));
  if (StructT !== undefined) {
    const fields = struct(StructT)['Field'] as readonly GobStruct[];
    const name = named(struct(StructT));
    if (fields.length > maxFields) {
      throw new GobError('GOB_LIMIT', `type ${name} has ${fields.length} fields, more than the limit of ${maxFields}`);
    }
    try {
      return gob.struct(
        name,
        fields.map((field) => [text(field['Name']), ref(field['Id'])] as const),
      );
    } catch (error) {
      if (!(error instanceof GobError) || error.code !== 'GOB_INVALID_TYPE') throw error;
      throw new GobError('GOB_MALFORMED', error.message.replace(/^gob: /, ''), { cause: error });
    }
  }
  if (MapT !== undefined) return gob.map(ref(struct(MapT)['Key']), ref(struct(MapT)['Elem']), named(struct(MapT)));
  for (const method of MARSHALERS) {
    const found = definition[`${method}T`];
    if (found !== undefined) return gob.marshaled(named(struct(found)), method);
  }
  throw new GobError('GOB_MALFORMED', 'type definition describes no type');
}

/** Every type a value of `type` can contain without an interface in between, `type` itself first. */
export function* reachableTypes(type: GobType): Generator<GobType> {
  const seen = new Set<GobType>([type]);
  for (const found of seen) {
    yield found;
    for (const inner of innerTypes(found)) seen.add(inner);
  }
}

/** The types a definition refers to, in the order Go visits them. */
export function innerTypes(type: GobType): readonly GobType[] {
  switch (type.kind) {
    case 'slice':
    case 'array':
      return [type.elem];
    case 'map':
      return [type.key, type.elem];
    case 'struct':
      return type.fields.map((field) => field.type);
    default:
      return [];
  }
}

/** Throws unless every map inside has a key type Go can compare. */
export function checkKeyTypes(type: GobType): void {
  for (const found of reachableTypes(type)) {
    if (found.kind === 'map' && !isKeyType(found.key)) {
      throw new GobError('GOB_MALFORMED', `map with keys of type ${found.key.kind}`);
    }
  }
}
