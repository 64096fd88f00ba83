import { conform, GobDecoder, GobEncoder, GobRegistry, type GobType, type GobValue, gob } from '../../../../driver/gob';

function convert(value: GobValue, sent: GobType, wanted: GobType, registry?: GobRegistry): GobValue {
  const decoder = new GobDecoder();
  decoder.push(new GobEncoder(registry === undefined ? {} : { registry }).encode(value, sent));
  const found = decoder.next()!;
  return conform(found.value, found.type, wanted, registry);
}

const struct = (fields: Record<string, GobType>, name = 'T') => gob.struct(name, Object.entries(fields));

it('matches fields by name: drops unknown ones, fills missing ones with zeros', () => {
  const sent = struct({ A: gob.int, B: gob.string, C: gob.bool });
  const wanted = struct({
    C: gob.bool,
    A: gob.int,
    L: gob.slice(gob.int),
    M: gob.map(gob.string, gob.int),
    D: gob.bytes,
    V: gob.interface,
    P: struct({ X: gob.int }),
  });
  const found = convert({ A: 1, B: 'x', C: true }, sent, wanted);
  const zeros = { L: [], M: new Map(), D: Buffer.alloc(0), V: null, P: undefined };
  expect(found).toStrictEqual({ C: true, A: 1, ...zeros });
});

it('looks inside slices, arrays, maps and structs', () => {
  const one = (elem: GobType) =>
    struct({ L: gob.slice(elem), A: gob.array(elem, 1), M: gob.map(gob.string, elem), S: struct({ I: elem }) });
  const value = { L: [{ X: 1 }], A: [{ X: 2 }], M: new Map([['k', { X: 3 }]]), S: { I: { X: 4 } } };
  const found = convert(value, one(struct({ X: gob.int })), one(struct({ X: gob.int, Y: gob.int })));
  const y = (X: number) => ({ X, Y: 0 });
  expect(found).toEqual({ L: [y(1)], A: [y(2)], M: new Map([['k', y(3)]]), S: { I: y(4) } });
});

it('goes through types that contain themselves', () => {
  const sent: GobType = gob.struct('List', [
    ['Value', gob.int],
    ['Next', () => sent],
  ]);
  const wanted: GobType = gob.struct('List', [
    ['Next', () => wanted],
    ['Extra', gob.string],
    ['Value', gob.int],
  ]);
  const found = convert({ Value: 1, Next: { Value: 2 } }, sent, wanted);
  expect(found).toEqual({ Value: 1, Extra: '', Next: { Value: 2, Extra: '', Next: undefined } });
});

it('does not copy what already fits', () => {
  const decoder = new GobDecoder();
  const type = struct({ A: gob.int, L: gob.slice(gob.string) });
  decoder.push(new GobEncoder().encode([{ A: 1 }], gob.slice(type)));
  const found = decoder.next()!;
  expect(conform(found.value, found.type, gob.slice(type))).toBe(found.value);
});

it('gives interface values as what is registered, and leaves other names alone', () => {
  const registry = new GobRegistry().register('P', struct({ X: gob.int }));
  const wider = new GobRegistry().register('P', struct({ X: gob.int, Y: gob.int }));
  const decoder = new GobDecoder();
  decoder.push(new GobEncoder({ registry }).encode([{ type: 'P', value: { X: 1 } }, null], gob.slice(gob.interface)));
  const { value, type } = decoder.next()!;
  expect(conform(value, type, gob.slice(gob.interface), wider)).toEqual([{ type: 'P', value: { X: 1, Y: 0 } }, null]);
  expect(conform(value, type, gob.slice(gob.interface))).toEqual([{ type: 'P', value: { X: 1 } }, null]);
  expect(conform(value, type, gob.slice(gob.interface), new GobRegistry())).toEqual(value);
});

it.each<[GobValue, GobType, GobType, string]>([
  ['x', gob.string, gob.int, 'gob: decoding into local type int, received remote type string'],
  [1, gob.int, gob.uint, 'gob: decoding into local type uint, received remote type int'],
  [[1], gob.slice(gob.int), gob.slice(gob.uint), 'gob: decoding into local type []uint, received remote type []int'],
  [
    [1],
    gob.array(gob.int, 1),
    gob.array(gob.int, 2),
    'gob: decoding into local type [2]int, received remote type [1]int',
  ],
  [
    new Map(),
    gob.map(gob.string, gob.int),
    gob.map(gob.string, gob.string),
    'gob: decoding into local type map[string]string, received remote type map[string]int',
  ],
  [
    1,
    gob.int,
    gob.interface,
    'gob: local interface type can only be decoded from remote interface type; received concrete type int',
  ],
  [1, gob.int, struct({ A: gob.int }), 'gob: type mismatch in decoder: want struct type T; got non-struct'],
  [{ A: 1 }, struct({ A: gob.int }), struct({ A: gob.uint }), 'gob: wrong type (uint) for received field T.A'],
  [
    { A: [1] },
    struct({ A: gob.slice(gob.int) }, 'Remote'),
    struct({ A: gob.slice(gob.uint) }),
    'gob: wrong type ([]uint) for received field Remote.A',
  ],
  [
    { A: 1 },
    struct({ A: gob.int }),
    struct({ B: gob.int }),
    'gob: type mismatch: no fields matched compiling decoder for T',
  ],
  [Buffer.alloc(1), gob.marshaled('Time'), gob.bytes, 'gob: decoding into local type bytes, received remote type Time'],
])('%j as %j as another type', (value, sent, wanted, message) => {
  expect(() => convert(value, sent, wanted)).toThrow(expect.objectContaining({ code: 'GOB_TYPE_MISMATCH', message }));
});

it('fails the same way again, also where a type that contains itself is involved', () => {
  const sent: GobType = gob.struct('A', [
    [
      'B',
      gob.struct('B', [
        ['A', () => sent],
        ['N', gob.int],
      ]),
    ],
    ['X', gob.int],
  ]);
  const inner: GobType = gob.struct('B', [
    ['A', () => wanted],
    ['N', gob.int],
  ]);
  const wanted: GobType = gob.struct('A', [
    ['B', inner],
    ['X', gob.string],
  ]);
  const mismatch = expect.objectContaining({ code: 'GOB_TYPE_MISMATCH' });
  for (let time = 0; time < 2; time++) expect(() => convert({ X: 1 }, sent, wanted)).toThrow(mismatch);
  const decoder = new GobDecoder();
  decoder.push(new GobEncoder().encode({ X: 1, B: { N: 2, A: { X: 3 } } }, sent));
  const { value, type } = decoder.next()!;
  const field = type.kind === 'struct' ? type.fields[0]!.type : type;
  expect(() => conform(value, type, wanted)).toThrow(mismatch);
  expect(() => conform((value as { B: GobValue }).B, field, inner)).toThrow(mismatch);
});

it('takes structs without fields for any struct', () => {
  expect(convert({}, struct({}), struct({ A: gob.int }))).toEqual({ A: 0 });
  expect(convert({ A: 1 }, struct({ A: gob.int }), struct({}))).toEqual({});
});
