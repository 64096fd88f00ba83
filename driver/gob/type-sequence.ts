import { GobError } from './error';
import type { GobStruct } from './value';
import type { ValueReader } from './value-reader';
import { WIRE_TYPE } from './wire-type';

/**
 * Reads the id of the type of the value that follows, with the definitions in front of it:
 *
 *   int  not negative: the id
 *        negative: -id of a type whose definition (a wireType) follows; then again, in the next message
 *
 * Go ends the message after each definition. Inside an interface inside an interface that "message" is a part of the
 * outer value: more bytes follow at once, beginning with their count.
 *
 * @param inside whether the value is that of an interface
 */
export function readTypeId(reader: ValueReader, inside: boolean): number {
  for (;;) {
    if (reader.left === 0) reader.continueInNextMessage();
    const id = reader.int();
    if (typeof id !== 'number') throw new GobError('GOB_MALFORMED', `type id ${id} out of range`);
    if (id >= 0) return id;
    reader.types.checkDefinable(-id);
    const before = reader.left;
    const definition = reader.planOf(WIRE_TYPE).read(reader) as GobStruct;
    reader.types.define(-id, definition, before - reader.left);
    if (reader.left > 0) {
      if (!inside) throw new GobError('GOB_MALFORMED', 'extra data in buffer after a type definition');
      reader.uint();
    }
  }
}
