import {
  DEFAULT_LIMITS,
  GobDecoder,
  GobEncoder,
  GobError,
  type GobErrorCode,
  type GobLimits,
  type GobType,
  gob,
} from '../../../../driver/gob';
import { bytes, messages } from './support/streams';

function failure(stream: Uint8Array, limits: Partial<GobLimits> = {}): GobError {
  const decoder = new GobDecoder({ limits });
  decoder.push(stream);
  try {
    while (decoder.next() !== undefined);
    decoder.end();
  } catch (caught) {
    expect(caught).toBeInstanceOf(GobError);
    expect(() => decoder.end()).toThrow(caught as GobError);
    decoder.push(bytes('03 04 00 02'));
    expect(() => decoder.next()).toThrow(caught as GobError);
    return caught as GobError;
  }
  throw new Error('the stream was accepted');
}

const encode = (value: Parameters<GobEncoder['encode']>[0], type: GobType): Buffer => {
  return new GobEncoder().encode(value, type);
};
describe('limits', () => {
  const list = gob.slice(gob.int);
  const nested: GobType = gob.slice(() => nested, 'Nested');
  const deep = (levels: number): [] => {
    let value: unknown[] = [];
    for (let level = 1; level < levels; level++) value = [value];
    return value as [];
  };
  const big = encode(Buffer.alloc(100), gob.bytes);
  const cases: [keyof GobLimits, number, Uint8Array][] = [
    ['messageBytes', 103, big],
    ['valueBytes', 103, big],
    ['values', 3, encode([1, 2, 3], list)],
    ['depth', 5, encode(deep(5), nested)],
    ['types', 1, encode([], list)],
    [
      'fields',
      2,
      encode(
        {},
        gob.struct('Two', [
          ['A', gob.int],
          ['B', gob.int],
        ]),
      ),
    ],
    ['definitionBytes', 10, encode([], list)],
    ['nameBytes', 6, encode({ type: 'string', value: 'x' }, gob.interface)],
  ];

  // Definitions count as values too, so that one limit at a time is met with the others out of the way.
  it.each(cases.filter(([limit]) => limit !== 'values' && limit !== 'depth'))(
    '%s: %d is enough',
    (limit, enough, stream) => {
      const decoder = new GobDecoder({ limits: { [limit]: enough } });
      decoder.push(stream);
      expect(decoder.next()).toBeDefined();
      expect(failure(stream, { [limit]: enough - 1 }).code).toBe('GOB_LIMIT');
    },
  );

  it.each(['values', 'depth'] as const)('%s', (limit) => {
    const [, enough, stream] = cases.find(([name]) => name === limit)!;
    const defined = stream.subarray(0, stream[0]! + 1);
    const decode = (maximum: number, value: Uint8Array) => {
      const decoder = new GobDecoder({ limits: { [limit]: maximum } });
      decoder.push(defined);
      decoder.push(value);
      return decoder.next();
    };
    const large = 40;
    expect(decode(large, stream.subarray(defined.length))).toBeDefined();
    const beyond = limit === 'values' ? encode(Array(large).fill(0), list) : encode(deep(large + 1), nested);
    expect(() => decode(large, beyond.subarray(beyond[0]! + 1))).toThrow(/limit of 40/);
    expect(enough).toBeLessThan(large);
  });

  it('a value spread over many messages counts as a whole', () => {
    const decoder = new GobDecoder({ limits: { valueBytes: 40 } });
    decoder.push(messages('ff87 02 01 02 ff88 00 01 10 00 00', 'ff88 00 02 01 61 ff89 03 01 02 ff8a 00 00 00'));
    expect(decoder.next()).toBeUndefined();
    decoder.push(messages('ff8a 01 00 01 61 ff8b 03 01 02 ff8c 00 00 00'));
    expect(() => decoder.next()).toThrow(GobError);
  });

  it('defaults are what the documentation of GobLimits says', () => {
    expect(DEFAULT_LIMITS.messageBytes).toBe(2 ** 26);
    expect(DEFAULT_LIMITS.values).toBe(2 ** 20);
  });
});

describe('hostile streams', () => {
  const slices = (elem: string) => `ff81 02 01 02 ff82 00 01 ${elem} 00 00`;
  const empty = 'ff83 03 01 02 ff84 00 00 00';
  const cases: [string, GobErrorCode, Buffer][] = [
    ['a message of 2^63 bytes', 'GOB_LIMIT', bytes('f8 8000000000000000')],
    ['a length of nine bytes', 'GOB_MALFORMED', bytes('f7 010203040506070809')],
    ['an empty message', 'GOB_TRUNCATED', bytes('00')],
    ['a stream cut short', 'GOB_TRUNCATED', bytes('03 04 00')],
    ['an int cut short', 'GOB_TRUNCATED', messages('04 00 fe')],
    ['a uint of 9 bytes', 'GOB_MALFORMED', messages('06 00 f7 010203040506070809')],
    ['bytes left over', 'GOB_MALFORMED', messages('04 00 02 02')],
    ['no marker', 'GOB_MALFORMED', messages('04 01 02')],
    ['a string longer than its message', 'GOB_TRUNCATED', messages('0c 00 05 61')],
    ['a string of 2^48 bytes', 'GOB_TRUNCATED', messages('0c 00 f9 01000000000000 61')],
    ['a string of 2^64 - 1 bytes', 'GOB_MALFORMED', messages('0c 00 f8 ffffffffffffffff')],
    ['an undefined type', 'GOB_UNKNOWN_TYPE', messages('ff84 00')],
    ['type 0', 'GOB_UNKNOWN_TYPE', messages('00 00')],
    ['type 16, of definitions, as a value', 'GOB_UNKNOWN_TYPE', messages('20 00')],
    ['a definition of id 8', 'GOB_DUPLICATE_TYPE', messages('0f 02 01 02 10 00 00 00')],
    ['a definition of id 63', 'GOB_DUPLICATE_TYPE', messages('7d 02 01 02 7e 00 00 00')],
    ['an id defined twice', 'GOB_DUPLICATE_TYPE', messages(empty, empty)],
    ['an id beyond 2^31', 'GOB_MALFORMED', messages('fb 0200000001 03 00 00')],
    ['an id beyond 2^53', 'GOB_MALFORMED', messages('f8 ffffffffffffffff 03 00 00')],
    ['a definition of nothing', 'GOB_MALFORMED', messages('ff81 00')],
    ['a definition with an eighth field', 'GOB_MALFORMED', messages('ff81 08 00')],
    ['more after a definition', 'GOB_MALFORMED', messages(`${empty} 00`)],
    ['a slice of an undefined type', 'GOB_UNKNOWN_TYPE', messages(slices('ff90'), 'ff82 00 00')],
    ['a slice of type -1', 'GOB_UNKNOWN_TYPE', messages(slices('01'))],
    ['an array of -1', 'GOB_MALFORMED', messages('ff81 01 01 02 ff82 00 01 04 01 01 00 00')],
    [
      'an array of another length',
      'GOB_MALFORMED',
      messages('ff81 01 01 02 ff82 00 01 04 01 04 00 00', 'ff82 00 01 02'),
    ],
    ['a map keyed by slices', 'GOB_MALFORMED', messages('ff81 04 01 02 ff82 00 01 0a 01 04 00 00', 'ff82 00 00')],
    ['a field without a name', 'GOB_MALFORMED', messages('ff81 03 01 02 ff82 00 01 01 02 04 00 00 00')],
    [
      'two fields of one name',
      'GOB_MALFORMED',
      messages('ff81 03 01 02 ff82 00 01 02 01 01 41 01 04 00 01 01 41 01 04 00 00 00'),
    ],
    ['a field number out of bounds', 'GOB_MALFORMED', messages(empty, 'ff84 01 02 00')],
    ['a field number of 2^63', 'GOB_MALFORMED', messages(empty, 'ff84 f8 8000000000000000 00')],
    ['a struct without an end', 'GOB_TRUNCATED', messages(empty, 'ff84')],
    ['2^40 empty structs', 'GOB_LIMIT', messages(slices('ff84'), empty, 'ff82 00 fa 010000000000')],
    ['2^20 + 1 empty structs that are not there', 'GOB_LIMIT', messages(slices('ff84'), empty, 'ff82 00 fd 100001')],
    ['2^18 empty structs that are not there', 'GOB_TRUNCATED', messages(slices('ff84'), empty, 'ff82 00 fd 040000 00')],
    ['a slice of itself, without end', 'GOB_TRUNCATED', messages(slices('ff82'), 'ff82 00 01 01 01 01 01 01')],
    ['an array of itself', 'GOB_TRUNCATED', messages('ff81 01 01 02 ff82 00 01 ff82 01 02 00 00', 'ff82 00 01 01 01')],
    [
      'a struct of itself',
      'GOB_TRUNCATED',
      messages('ff81 03 01 02 ff82 00 01 01 01 01 41 01 ff82 00 00 00', 'ff82 01 01 01'),
    ],
    ['a long name of an interface value', 'GOB_LIMIT', messages(`10 00 fe0401 ${'61'.repeat(1025)}`)],
  ];

  it.each(cases)('%s: %s', (_name, code, stream) => {
    expect(failure(stream).code).toBe(code);
  });

  it('nesting is stopped before the stack overflows', () => {
    const stream = messages(slices('ff82'), `ff82 00 ${'01'.repeat(100_000)}`);
    expect(failure(stream).code).toBe('GOB_LIMIT');
    // Even a limit that lets the stack overflow gives no other error.
    expect(failure(stream, { depth: 1e9 }).code).toBe('GOB_LIMIT');
  });

  it('interfaces in interfaces count as nesting', () => {
    expect(failure(messages(`10 00 ${'01 61 10 00 00'.repeat(2000)}`)).code).toBe('GOB_LIMIT');
  });

  it('zeros of fields left out do not multiply without bound', () => {
    const names = Array.from({ length: 1000 }, (_, index) => [`F${index}`, gob.slice(gob.int)] as const);
    const type = gob.slice(gob.struct('Wide', names));
    const stream = encode(
      Array.from({ length: 10_000 }, () => ({})),
      type,
    );
    expect(failure(stream).code).toBe('GOB_LIMIT');
  });

  it('a field named __proto__ is a field', () => {
    const type = gob.struct('P', [['__proto__', gob.struct('Q', [['polluted', gob.int]])]]);
    const value = JSON.parse('{"__proto__": {"polluted": 1}}') as Record<string, never>;
    const decoder = new GobDecoder();
    decoder.push(encode(value, type));
    const found = decoder.next()!.value as Record<string, unknown>;
    expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
    expect(Object.keys(found)).toEqual(['__proto__']);
    expect(found['polluted']).toBeUndefined();
    expect(Object.getOwnPropertyDescriptor(found, '__proto__')?.value).toEqual({ polluted: 1 });
  });
});
