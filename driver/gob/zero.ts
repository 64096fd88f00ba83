import type { GobType } from './type';
import type { GobComplex, GobStruct, GobValue } from './value';

export const ZERO_COMPLEX: GobComplex = Object.freeze({ re: 0, im: 0 });

/**
 * What a struct field holds when it was left out. Gob never leaves out a struct, an array or a self-marshalling value,
 * so there it was a nil pointer (or a field the sender does not have): undefined.
 */
export function zeroField(type: GobType): GobValue | undefined {
  return type.kind === 'struct' || type.kind === 'array' || type.kind === 'marshaled' ? undefined : zeroValue(type);
}

/** The zero value of a type, as `new(T)` gives in Go. */
export function zeroValue(type: GobType): GobValue {
  switch (type.kind) {
    case 'bool':
      return false;
    case 'int':
    case 'uint':
    case 'float':
      return 0;
    case 'string':
      return '';
    case 'complex':
      return ZERO_COMPLEX;
    case 'bytes':
    case 'marshaled':
      return Buffer.alloc(0);
    case 'interface':
      return null;
    case 'slice':
      return [];
    case 'map':
      return new Map();
    case 'array':
      return Array.from({ length: type.length }, () => zeroValue(type.elem));
    case 'struct':
      return structOf(type.fields.map((field) => [field.name, zeroField(field.type)]));
  }
}

/** An object with just these fields, whatever their names: a field called `__proto__` is a field like any other. */
export function structOf(fields: readonly (readonly [name: string, value: GobValue | undefined])[]): GobStruct {
  return Object.fromEntries(fields);
}
