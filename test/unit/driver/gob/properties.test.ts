import fc from 'fast-check';
import { conform, GobDecoder, GobEncoder, GobError } from '../../../../driver/gob';
import { SAMPLES, streamOf } from './support/arbitraries';
import { fromPlain, type Plain, TypeFactory, type TypeText, toPlain } from './support/plain';
import { bytes, decodeAll } from './support/streams';
import { vectors } from './support/vectors';

type Stream = { readonly types: readonly TypeText[]; readonly values: readonly Plain[] };

function encode({ types, values }: Stream): Buffer {
  const factory = new TypeFactory();
  const registry = factory.registry(SAMPLES);
  const encoder = new GobEncoder({ registry });
  return Buffer.concat(
    types.map((text, index) =>
      encoder.encode(fromPlain(values[index]!, factory.build(text), registry)!, factory.build(text)),
    ),
  );
}

it('what was encoded is decoded, in whatever pieces it arrives', () => {
  fc.assert(
    fc.property(streamOf, fc.integer({ min: 1, max: 100 }), (stream, chunkBytes) => {
      const factory = new TypeFactory();
      const registry = factory.registry(SAMPLES);
      const found = decodeAll(encode(stream), { chunkBytes });
      const plain = found.map(({ value, type }, index) => {
        const wanted = factory.build(stream.types[index]!);
        return toPlain(conform(value, type, wanted, registry), wanted);
      });
      expect(plain).toEqual(stream.values);
    }),
    { numRuns: 200 },
  );
});

it('values are those of the wire type before any conversion', () => {
  fc.assert(
    fc.property(streamOf, (stream) => {
      expect(decodeAll(encode(stream)).map(({ value, type }) => toPlain(value, type))).toEqual(stream.values);
    }),
    { numRuns: 100 },
  );
});

it('a decoded value can be encoded again with the type it came with', () => {
  fc.assert(
    fc.property(streamOf, (stream) => {
      const encoder = new GobEncoder({ registry: new TypeFactory().registry(SAMPLES) });
      const again = decodeAll(encode(stream)).map(({ value, type }) => encoder.encode(value, type));
      expect(decodeAll(Buffer.concat(again)).map(({ value, type }) => toPlain(value, type))).toEqual(stream.values);
    }),
    { numRuns: 100 },
  );
});

/** Reads to the end; true if all went well. Anything but a GobError is for the test to fail on. */
function survives(stream: Uint8Array, chunkBytes: number): boolean {
  try {
    decodeAll(stream, { chunkBytes });
    return true;
  } catch (caught) {
    if (!(caught instanceof GobError)) throw caught;
    return false;
  }
}

const chunkBytes = fc.integer({ min: 1, max: 64 });

it('any bytes at all give values or a GobError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), chunkBytes, (stream, size) => {
      survives(stream, size);
    }),
    { numRuns: 1000 },
  );
});

it('damaged streams of Go give values or a GobError, soon', () => {
  const originals = vectors.map((vector) => bytes(vector.hex));
  const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.constantFrom(...originals), damage, chunkBytes, (original, changes, size) => {
      const stream = Buffer.from(original);
      for (const [at, value] of changes) stream[at % stream.length] = value;
      const started = performance.now();
      survives(stream, size);
      expect(performance.now() - started).toBeLessThan(1000);
    }),
    { numRuns: 2000 },
  );
});

it('the verdict does not depend on how a damaged stream is cut', () => {
  const originals = vectors.map((vector) => bytes(vector.hex));
  const verdict = (stream: Buffer, size: number) => {
    const decoder = new GobDecoder();
    const found: Plain[] = [];
    try {
      for (let at = 0; at < stream.length; at += size) {
        decoder.push(stream.subarray(at, at + size));
        for (let item = decoder.next(); item !== undefined; item = decoder.next()) {
          found.push(toPlain(item.value, item.type));
        }
      }
      decoder.end();
    } catch (caught) {
      return { found, error: (caught as GobError).message };
    }
    return { found };
  };
  fc.assert(
    fc.property(fc.constantFrom(...originals), fc.nat(), fc.nat(255), chunkBytes, (original, at, value, size) => {
      const stream = Buffer.from(original);
      stream[at % stream.length] = value;
      expect(verdict(stream, size)).toEqual(verdict(stream, stream.length));
    }),
    { numRuns: 1000 },
  );
});
