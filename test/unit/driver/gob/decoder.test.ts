import { GobDecoder, GobEncoder, GobError, GobRegistry, gob } from '../../../../driver/gob';
import { messages } from './support/streams';

const point = gob.struct('Point', [
  ['X', gob.int],
  ['Y', gob.int],
]);

it('gives each value once and asks for more', () => {
  const encoder = new GobEncoder();
  const decoder = new GobDecoder();
  expect(decoder.next()).toBeUndefined();
  decoder.push(Buffer.concat([encoder.encode(1, gob.int), encoder.encode('two', gob.string)]));
  expect(decoder.next()).toEqual({ value: 1, type: gob.int });
  expect(decoder.next()).toEqual({ value: 'two', type: gob.string });
  expect(decoder.next()).toBeUndefined();
  expect(() => decoder.end()).not.toThrow();
});

it('describes the type as the sender defined it', () => {
  const decoder = new GobDecoder();
  decoder.push(new GobEncoder().encode([{ X: 1 }], gob.slice(point, 'Points')));
  const { type } = decoder.next()!;
  expect(type).toMatchObject({ kind: 'slice', name: 'Points', elem: { kind: 'struct', name: 'Point' } });
});

it('keeps nothing of the chunks it was given', () => {
  const decoder = new GobDecoder();
  const chunk = new GobEncoder().encode(Buffer.from('bytes'), gob.bytes);
  decoder.push(chunk);
  chunk.fill(0);
  const { value } = decoder.next()!;
  decoder.push(new GobEncoder().encode(Buffer.from('other'), gob.bytes));
  decoder.next();
  expect(value).toEqual(Buffer.from('bytes'));
});

it('takes a mebibyte in small pieces in linear time', () => {
  const stream = new GobEncoder().encode(Buffer.alloc(2 ** 20, 7), gob.bytes);
  for (const size of [1024, 1]) {
    const decoder = new GobDecoder();
    const started = performance.now();
    let found: ReturnType<GobDecoder['next']>;
    for (let at = 0; at < stream.length; at += size) {
      decoder.push(stream.subarray(at, at + size));
      found = decoder.next();
    }
    expect(found!.value).toHaveLength(2 ** 20);
    expect(performance.now() - started).toBeLessThan(size === 1 ? 5000 : 500);
  }
});

it('resumes a value of many messages where it stopped, however long that already is', () => {
  const names = Array.from({ length: 1000 }, (_, index) => `T${index}`);
  const text = (value: string) => Buffer.from(value).toString('hex');
  const count = (value: number) =>
    value < 128 ? value.toString(16).padStart(2, '0') : `fe${value.toString(16).padStart(4, '0')}`;
  const id = (index: number) => (index * 2).toString(16).padStart(4, '0');
  const definitions = names.map((name, index) => {
    const hex = `${count(name.length)} ${text(name)}`;
    const define = `fe${(2 * (index + 100) - 1).toString(16).padStart(4, '0')} 03 01 02 fe${id(index + 100)} 00 00 00`;
    return `${hex} ${define}`;
  });
  // Every element is of a type of its own, defined where it is needed: a thousand and one messages for one value.
  const contents = definitions.map((definition, index) => {
    return index === 0 ? `ff88 00 ${count(names.length)} ${definition}` : `fe${id(index + 99)} 01 00 ${definition}`;
  });
  const decoder = new GobDecoder();
  decoder.push(messages('ff87 02 01 02 ff88 00 01 10 00 00'));
  for (const content of contents) {
    decoder.push(messages(content));
    expect(decoder.next()).toBeUndefined();
  }
  expect(() => new GobDecoder().end()).not.toThrow();
  decoder.push(messages(`fe${id(1099)} 01 00`));
  expect(decoder.next()!.value).toEqual(names.map((type) => ({ type, value: {} })));
  expect(() => decoder.end()).not.toThrow();
});

it('is told apart from the end of the stream in the middle of a value', () => {
  const decoder = new GobDecoder();
  decoder.push(messages('ff87 02 01 02 ff88 00 01 10 00 00'));
  expect(decoder.next()).toBeUndefined();
  expect(() => decoder.end()).toThrow(expect.objectContaining({ code: 'GOB_TRUNCATED' }));
});

describe('nextAs', () => {
  it('gives the value as the type asked for', () => {
    const decoder = new GobDecoder({ registry: new GobRegistry().register('P', point) });
    const sender = new GobRegistry().register('P', gob.struct('Point', [['Y', gob.int]]));
    decoder.push(new GobEncoder({ registry: sender }).encode({ type: 'P', value: { Y: 2 } }, gob.interface));
    expect(decoder.nextAs(gob.interface)).toEqual({ type: 'P', value: { X: 0, Y: 2 } });
    expect(decoder.nextAs(gob.interface)).toBeUndefined();
  });

  it('skips a value of another type and goes on', () => {
    const encoder = new GobEncoder();
    const decoder = new GobDecoder();
    decoder.push(Buffer.concat([encoder.encode('text', gob.string), encoder.encode(1, gob.int)]));
    expect(() => decoder.nextAs(gob.int)).toThrow(GobError);
    expect(decoder.nextAs(gob.int)).toBe(1);
  });
});
