import { conform, GobEncoder } from '../../../../driver/gob';
import { fromPlain, TypeFactory, toPlain } from './support/plain';
import { bytes, decodeAll } from './support/streams';
import { type Vector, vectors } from './support/vectors';

const prepare = (vector: Vector) => {
  const factory = new TypeFactory();
  const registry = factory.registry(vector.registry);
  return { types: vector.types.map((text) => factory.build(text)), registry };
};

/** Where the Go version that wrote the vectors starts counting; older ones start at 65, like our encoder. */
const GO_FIRST_TYPE_ID = 64;

describe.each(vectors)('written by Go: $name', (vector) => {
  it.each([Number.POSITIVE_INFINITY, 1, 7])('is read in chunks of %d bytes', (chunkBytes) => {
    const { types, registry } = prepare(vector);
    const found = decodeAll(bytes(vector.hex), { chunkBytes });
    const plain = found.map(({ value, type }, index) => {
      return toPlain(conform(value, type, types[index]!, registry), types[index]!);
    });
    expect(plain).toEqual(vector.values);
  });

  it('is written so that it reads the same', () => {
    const { types, registry } = prepare(vector);
    const encoder = new GobEncoder({ registry });
    const stream = Buffer.concat(
      vector.values.map((plain, index) => encoder.encode(fromPlain(plain, types[index]!, registry)!, types[index]!)),
    );
    const found = decodeAll(stream);
    expect(found.map(({ value }, index) => toPlain(value, types[index]!))).toEqual(vector.values);
  });
});

// Not the same bytes: what Go cuts at definitions inside interface values; unnamed types inside others, which Go names
// after the place where it met them first; NaN, of which Go keeps the payload; ids that Go uses up for pointers to
// self-marshalling types.
const INEXACT = /^(array|map|float|recursive types|marshalers|struct of all kinds|struct with nil and empty fields)$/;
const exact = vectors.filter((vector) => !vector.cut && !INEXACT.test(vector.name));

it.each(exact)('writes $name byte for byte as Go', (vector) => {
  const { types, registry } = prepare(vector);
  const encoder = new GobEncoder({ registry, firstTypeId: GO_FIRST_TYPE_ID });
  const messages = vector.values.map((plain, index) => {
    return encoder.encode(fromPlain(plain, types[index]!, registry)!, types[index]!).toString('hex');
  });
  expect(messages.join('')).toBe(vector.hex);
});
