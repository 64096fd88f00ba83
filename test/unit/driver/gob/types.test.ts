import { GobEncoder, type GobType, gob, typeText, zeroValue } from '../../../../driver/gob';

const list: GobType = gob.struct('List', [
  ['Value', gob.int],
  ['Next', () => list],
]);

it.each<[GobType, unknown]>([
  [gob.bool, false],
  [gob.uint, 0],
  [gob.string, ''],
  [gob.bytes, Buffer.alloc(0)],
  [gob.complex, { re: 0, im: 0 }],
  [gob.interface, null],
  [gob.slice(gob.int), []],
  [gob.array(gob.array(gob.string, 1), 2), [[''], ['']]],
  [gob.map(gob.int, gob.int), new Map()],
  [gob.marshaled('Time'), Buffer.alloc(0)],
  [list, { Value: 0, Next: undefined }],
])('zero value of %j', (type, zero) => {
  expect(zeroValue(type)).toStrictEqual(zero);
  expect(() => new GobEncoder().encode(zeroValue(type), type)).not.toThrow();
});

it('types are printed as Go prints them', () => {
  expect(typeText(gob.map(gob.string, gob.slice(gob.array(gob.float, 3))))).toBe('map[string][][3]float');
  expect(typeText(list)).toBe('List = struct { Value int; Next List; }');
  expect(typeText(gob.marshaled('Time'))).toBe('Time');
});

it('unnamed slices of one type are one type, defined once', () => {
  expect(gob.slice(gob.string)).toBe(gob.slice(gob.string));
  expect(gob.slice(gob.string, 'Names')).not.toBe(gob.slice(gob.string));
});

it('a type that cannot be defined leaves the stream as it was', () => {
  const keyed = gob.map(() => gob.slice(gob.int), gob.int);
  const encoder = new GobEncoder();
  expect(() => encoder.define(list, keyed)).toThrow(/keys of type slice/);
  expect(encoder.define(list)).toEqual(new GobEncoder().define(list));
});
