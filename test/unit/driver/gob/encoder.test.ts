import { GobEncoder, GobError, GobRegistry, type GobType, type GobValue, gob } from '../../../../driver/gob';
import { decodeAll } from './support/streams';

const point = gob.struct('Point', [
  ['X', gob.int],
  ['Y', gob.int],
]);

it('defines each type once', () => {
  const encoder = new GobEncoder();
  const first = encoder.encode({ X: 1 }, point);
  const second = encoder.encode({ X: 1 }, point);
  expect(first.length).toBeGreaterThan(second.length);
  expect(encoder.define(point)).toHaveLength(0);
  expect(decodeAll(Buffer.concat([first, second]))).toHaveLength(2);
});

it.each<[string, GobValue, GobType]>([
  ['a string for an int', 'x', gob.int],
  ['a fraction for an int', 0.5, gob.int],
  ['NaN for an int', Number.NaN, gob.int],
  ['a negative uint', -1, gob.uint],
  ['an int of 2^63', 2n ** 63n, gob.int],
  ['an int below -2^63', -(2n ** 63n) - 1n, gob.int],
  ['a uint of 2^64', 2n ** 64n, gob.uint],
  ['a bigint for a float', 1n, gob.float],
  ['a number for a bool', 1, gob.bool],
  ['a number for a complex', 1, gob.complex],
  ['a string for bytes', 'x', gob.bytes],
  ['an object for a slice', {}, gob.slice(gob.int)],
  ['undefined in a slice', [undefined, 1] as unknown as GobValue, gob.slice(gob.int)],
  ['too many elements for an array', [1, 2], gob.array(gob.int, 1)],
  ['an object for a map', {}, gob.map(gob.string, gob.int)],
  ['an array for a struct', [], point],
  ['null for a struct', null, point],
  ['a wrong field', { X: 'x' }, point],
  ['a bare value for an interface', 1, gob.interface],
  ['an interface value without a name', { type: '', value: 1 }, gob.interface],
])('refuses %s', (_name, value, type) => {
  const refused = expect.objectContaining({ name: 'GobError', code: 'GOB_TYPE_MISMATCH' });
  expect(() => new GobEncoder().encode(value, type)).toThrow(refused);
});

it('refuses names that are not registered', () => {
  const refused = expect.objectContaining({ code: 'GOB_NOT_REGISTERED' });
  expect(() => new GobEncoder().encode({ type: 'main.T', value: 1 }, gob.interface)).toThrow(refused);
});

it('refuses cycles', () => {
  const list: GobType = gob.slice(() => list, 'List');
  const cycle: GobValue[] = [];
  cycle.push(cycle);
  expect(() => new GobEncoder().encode(cycle, list)).toThrow(expect.objectContaining({ code: 'GOB_LIMIT' }));
});

it('is as before after a refusal: what was not sent is defined again', () => {
  const registry = new GobRegistry().register('P', point);
  const encoder = new GobEncoder({ registry });
  const pair = gob.slice(gob.interface);
  expect(() =>
    encoder.encode(
      [
        { type: 'P', value: { X: 1 } },
        { type: 'Q', value: 1 },
      ],
      pair,
    ),
  ).toThrow(GobError);
  const good: GobValue = [{ type: 'P', value: { X: 1, Y: 2 } }];
  const bytes = encoder.encode(good, pair);
  expect(bytes).toEqual(new GobEncoder({ registry }).encode(good, pair));
  expect(decodeAll(bytes)[0]!.value).toEqual(good);
});

it('sends definitions for interface values ahead of the value', () => {
  const registry = new GobRegistry().register('P', point).register('L', gob.slice(point, 'Points'));
  const value: GobValue = { type: 'L', value: [{ X: 1, Y: 0 }] };
  const encoder = new GobEncoder({ registry });
  const definitions = new GobEncoder({ registry }).define(gob.slice(point, 'Points'));
  expect(encoder.encode(value, gob.interface).subarray(0, definitions.length)).toEqual(definitions);
});

it('takes unsafe integers as bigint or as numbers that are exact', () => {
  const values: GobValue[] = [2 ** 60, 2n ** 60n, 5n, 2 ** 53];
  const found = values.map((value) => decodeAll(new GobEncoder().encode(value, gob.uint))[0]!.value);
  expect(found).toEqual([2n ** 60n, 2n ** 60n, 5, 2n ** 53n]);
});

it('leaves out zeros, null and undefined in structs, and nothing else', () => {
  const type = gob.struct('T', [
    ['B', gob.bool],
    ['I', gob.int],
    ['F', gob.float],
    ['C', gob.complex],
    ['S', gob.string],
    ['D', gob.bytes],
    ['L', gob.slice(gob.int)],
    ['V', gob.interface],
    ['P', point],
    ['M', gob.map(gob.int, gob.int)],
  ]);
  const encoder = new GobEncoder();
  encoder.define(type);
  const zero = { B: false, I: 0n, F: -0, C: { re: 0, im: 0 }, S: '', D: Buffer.alloc(0), L: [], V: null };
  expect(encoder.encode({ ...zero, P: undefined }, type).toString('hex')).toBe('03ff8200');
  expect(encoder.encode({ P: {}, M: new Map() }, type).toString('hex')).toBe('07ff820900010000');
});

it.each<[string, () => unknown]>([
  ['maps keyed by slices', () => gob.map(gob.slice(gob.int), gob.int)],
  ['arrays of negative length', () => gob.array(gob.int, -1)],
  ['fields without a name', () => gob.struct('T', [['', gob.int]])],
  [
    'two fields of one name',
    () =>
      gob.struct('T', [
        ['A', gob.int],
        ['A', gob.int],
      ]),
  ],
  ['names registered twice', () => new GobRegistry().register('int', gob.string)],
  ['an empty name', () => new GobRegistry().register('', gob.string)],
  ['ids that are reserved', () => new GobEncoder({ firstTypeId: 63 })],
])('refuses %s', (_name, make) => {
  expect(make).toThrow(expect.objectContaining({ code: 'GOB_INVALID_TYPE' }));
});
