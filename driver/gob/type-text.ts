import type { GobType } from './type';

/** A type as Go's gob prints it in its errors: `map[string][]int`, `Request = struct { Seq uint; }`. */
export function typeText(type: GobType): string {
  return print(type, new Set());
}

// A type inside itself is cut at its name, as Go does.
function print(type: GobType, seen: Set<GobType>): string {
  if (!('name' in type)) return type.kind;
  if (seen.has(type) || type.kind === 'marshaled') return type.name || type.kind;
  seen.add(type);
  switch (type.kind) {
    case 'slice':
      return `[]${print(type.elem, seen)}`;
    case 'array':
      return `[${type.length}]${print(type.elem, seen)}`;
    case 'map':
      return `map[${print(type.key, seen)}]${print(type.elem, seen)}`;
    case 'struct': {
      const fields = type.fields.map((field) => `${field.name} ${print(field.type, seen)}; `);
      return `${type.name} = struct { ${fields.join('')}}`;
    }
  }
}
