import fc from 'fast-check';
import { type Plain, sortKey, type TypeText } from './plain';

/** Types that Go registers by itself, as contents of interface values. */
const REGISTERED: readonly (readonly [name: string, type: TypeText])[] = [
  ['bool', { kind: 'bool' }],
  ['int64', { kind: 'int' }],
  ['uint64', { kind: 'uint' }],
  ['float64', { kind: 'float' }],
  ['complex128', { kind: 'complex' }],
  ['string', { kind: 'string' }],
  ['[]uint8', { kind: 'bytes' }],
  ['[]string', { kind: 'slice', elem: { kind: 'string' } }],
  ['[]int64', { kind: 'slice', elem: { kind: 'int' } }],
  ['[]float64', { kind: 'slice', elem: { kind: 'float' } }],
];

/** Types of test/peers/gob/samples.go, likewise. */
const point: TypeText = {
  kind: 'struct',
  name: 'Point',
  fields: [
    { name: 'X', type: { kind: 'int' } },
    { name: 'Y', type: { kind: 'int' } },
  ],
};
export const SAMPLES: { readonly [name: string]: TypeText } = {
  'sample.Point': point,
  'sample.Holder': { kind: 'struct', name: 'Holder', fields: [{ name: 'V', type: { kind: 'interface' } }] },
  'sample.Outer': {
    kind: 'struct',
    name: 'Outer',
    fields: [
      { name: 'Before', type: { kind: 'int' } },
      { name: 'Point', type: point },
      { name: 'After', type: { kind: 'int' } },
    ],
  },
};

const basic = (kind: 'bool' | 'int' | 'uint' | 'float' | 'complex' | 'string' | 'bytes' | 'interface') =>
  fc.constant<TypeText>({ kind });
const keyType = fc.oneof(basic('bool'), basic('int'), basic('uint'), basic('string'));
const fieldNames = fc.uniqueArray(
  fc.constantFrom('A', 'B', 'Name', 'Value', 'Seq', 'Long_name_of_a_field', '\u00c4', 'X1', 'Z'),
  { maxLength: 6 },
);

/** Any type that Go can build by reflection. */
export const typeText: fc.Arbitrary<TypeText> = fc.letrec<{ type: TypeText; struct: TypeText }>((tie) => ({
  struct: fieldNames.chain((names) =>
    fc.tuple(...names.map(() => tie('type'))).map((types): TypeText => {
      return { kind: 'struct', fields: names.map((name, index) => ({ name, type: types[index]! })) };
    }),
  ),
  type: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    basic('bool'),
    basic('int'),
    basic('uint'),
    basic('float'),
    basic('complex'),
    basic('string'),
    basic('bytes'),
    basic('interface'),
    tie('type').map((elem): TypeText => ({ kind: 'slice', elem })),
    fc.tuple(tie('type'), fc.nat(3)).map(([elem, length]): TypeText => ({ kind: 'array', elem, length })),
    fc.tuple(keyType, tie('type')).map(([key, elem]): TypeText => ({ kind: 'map', key, elem })),
    tie('struct'),
  ),
})).type;

const bits = (value: number): string => {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleBE(value);
  return Number.isNaN(value) ? 'nan' : buffer.toString('hex');
};
// A struct field of -0 equals zero and is left out, so that it comes back as 0; the vectors have -0.
const float = fc.double().map((value) => bits(value === 0 ? 0 : value));
const edge = (values: readonly bigint[]) => fc.constantFrom(...values);
const integer = fc.oneof(
  fc.integer().map(BigInt),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  edge([0n, -1n, 63n, 64n, 2n ** 51n + 1n, -(2n ** 51n) - 1n, 2n ** 53n, 1n - 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]),
);
const unsigned = fc.oneof(
  fc.nat().map(BigInt),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  edge([0n, 127n, 128n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n]),
);
const text = fc.string({ unit: 'grapheme', maxLength: 40 });

/** Any value of a type, as {@link Plain}. */
export function plainOf(type: TypeText, depth = 0): fc.Arbitrary<Plain> {
  const size = { maxLength: depth > 2 ? 2 : 5 };
  switch (type.kind) {
    case 'bool':
      return fc.boolean();
    case 'int':
      return integer.map(String);
    case 'uint':
      return unsigned.map(String);
    case 'float':
      return float;
    case 'complex':
      return fc.tuple(float, float);
    case 'string':
      return text;
    case 'bytes':
      return fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value).toString('hex'));
    case 'slice':
      return fc.array(plainOf(type.elem, depth + 1), size);
    case 'array':
      return fc.tuple(...Array.from({ length: type.length ?? 0 }, () => plainOf(type.elem, depth + 1)));
    case 'map':
      return fc
        .uniqueArray(fc.tuple(plainOf(type.key), plainOf(type.elem, depth + 1)), {
          ...size,
          selector: ([key]) => JSON.stringify(key),
        })
        .map((pairs) => [...pairs].sort(([a], [b]) => (sortKey(a) < sortKey(b) ? -1 : 1)));
    case 'struct': {
      const fields = (type.fields ?? []).map((field) => [field.name, plainOf(field.type, depth + 1)] as const);
      return fc.record(Object.fromEntries(fields), { noNullPrototype: true });
    }
    case 'interface': {
      const names = depth > 3 ? REGISTERED.slice(0, 7) : [...REGISTERED, ...Object.entries(SAMPLES)];
      const filled = fc.constantFrom(...names).chain(([name, inner]) => {
        return plainOf(inner, depth + 1).map((value): Plain => ({ type: name, value }));
      });
      return fc.option(filled, { nil: null });
    }
    default:
      throw new Error(`no values for ${type.kind}`);
  }
}

/** A few values, the last one of the type of the first: a stream. */
export const streamOf: fc.Arbitrary<{ types: readonly TypeText[]; values: Plain[] }> = fc
  .array(typeText, { minLength: 1, maxLength: 3 })
  .map((types): readonly TypeText[] => [...types, types[0]!])
  .chain((types) => fc.record({ types: fc.constant(types), values: fc.tuple(...types.map((type) => plainOf(type))) }));
