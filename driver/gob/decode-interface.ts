import { GobError } from './error';
import type { GobType } from './type';
import { readTypeId } from './type-sequence';
import { DecodedInterface, type GobValue } from './value';
import { SUSPENDED, type ValueReader } from './value-reader';

type InterfaceFrame = { readonly name: string; readonly type: GobType | undefined };

/*
 * string  registered name; empty for nil, and nothing follows
 *         type definitions the value needs, see readTypeId
 * int     type id
 * uint    length of the rest; not to be relied on: if types had to be defined inside, it is the length up to there
 *         00 unless a struct follows
 *         value
 */
export function readInterface(reader: ValueReader): GobValue {
  reader.enter();
  const frame = reader.restore<InterfaceFrame>();
  const name = frame === undefined ? reader.string(reader.limits.nameBytes) : frame.name;
  if (name === '') {
    reader.leave();
    return null;
  }
  let type = frame?.type;
  try {
    if (type === undefined) {
      type = reader.types.typeOf(readTypeId(reader, true));
      reader.uint();
      readMarker(reader, type);
    }
    const value = reader.planOf(type).read(reader);
    reader.leave();
    return new DecodedInterface(name, value, type);
  } catch (caught) {
    if (caught === SUSPENDED) reader.suspend({ name, type } satisfies InterfaceFrame);
    throw caught;
  }
}

/** Reads the zero byte that stands before a value with a type id of its own, unless it is a struct. */
export function readMarker(reader: ValueReader, type: GobType): void {
  if (type.kind !== 'struct' && reader.uint() !== 0) {
    throw new GobError('GOB_MALFORMED', 'corrupted data: non-zero delta for singleton');
  }
}
