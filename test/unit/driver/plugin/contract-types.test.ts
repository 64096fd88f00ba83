import fc from 'fast-check';
import type { CreateFlag, FlagValues } from '../../../../driver/contract/create-flags';
import { conform, GobDecoder, GobEncoder, type GobType, type GobValue } from '../../../../driver/gob';
import {
  CONTRACT_REGISTRY,
  DRIVER_OPTIONS,
  decodeFlags,
  decodeFlagValues,
  encodeFlags,
  encodeFlagValues,
  FLAG_LIST,
} from '../../../../driver/plugin/contract-types';
import { hex } from '../rpc/raw-client';

/** Through the wire and back. */
function transmit(value: GobValue, type: GobType): GobValue {
  return receive(new GobEncoder({ registry: CONTRACT_REGISTRY }).encode(value, type), type);
}

function receive(bytes: Uint8Array, type: GobType): GobValue {
  const decoder = new GobDecoder({ registry: CONTRACT_REGISTRY });
  decoder.push(bytes);
  const item = decoder.next();
  if (item === undefined) throw new Error('incomplete');
  return conform(item.value, item.type, type, CONTRACT_REGISTRY);
}

const text = fc.string({ unit: 'grapheme' });
const head = { name: text, usage: text, envVar: text };
const flag: fc.Arbitrary<CreateFlag> = fc.oneof(
  fc.record({ kind: fc.constant('string' as const), ...head, value: text }),
  fc.record({ kind: fc.constant('int' as const), ...head, value: fc.maxSafeInteger() }),
  fc.record({ kind: fc.constant('bool' as const), ...head }),
  fc.record({ kind: fc.constant('slice' as const), ...head, value: fc.array(text) }),
);

test('create flags survive the wire', () => {
  fc.assert(
    fc.property(fc.array(flag), (flags) => {
      expect(decodeFlags(transmit(encodeFlags(flags), FLAG_LIST))).toEqual(flags);
    }),
  );
});

test('flag values survive the wire', () => {
  const value = fc.oneof(text, fc.maxSafeInteger(), fc.boolean(), fc.array(text));
  fc.assert(
    fc.property(fc.array(fc.tuple(text, value)), (entries) => {
      const values: FlagValues = new Map(entries);
      expect(decodeFlagValues(transmit(encodeFlagValues(values), DRIVER_OPTIONS))).toEqual(values);
    }),
  );
});

test('create flags are read as Go lays them out: definitions in the middle of the list', () => {
  const asGoWrites = hex(`0c | ff87 02 01 02 ff88 00 01 10 00 00
    58 | ff88 00 01 13 2a6d636e666c61672e537472696e67466c6167 ff89 03 01 01 0a 537472696e67466c6167 01 ff8a 00 01 04
      01 04 4e616d65 01 0c 00  01 05 5573616765 01 0c 00  01 06 456e76566172 01 0c 00  01 05 56616c7565 01 0c 00  00 00
    07 | ff8a 04 01 01 73 00`);
  expect(decodeFlags(receive(asGoWrites, FLAG_LIST))).toEqual([
    { kind: 'string', name: 's', usage: '', envVar: '', value: '' },
  ]);
});

test.each([
  ['nothing', null],
  ['something without values', { type: 'string', value: 'x' }],
  ['values of another kind', { type: 'string', value: { Values: 'x' } }],
])('%s is no flag values', (_, options) => {
  expect(decodeFlagValues(options)).toEqual(new Map());
});

test('values that no flag has are left out', () => {
  const values = new Map<string, GobValue>([
    ['nil', null],
    ['bytes', { type: '[]uint8', value: Buffer.from('x') }],
    ['numbers', { type: '[]int', value: [1] }],
    ['kept', { type: 'string', value: 'x' }],
  ]);
  expect(decodeFlagValues({ type: 'any name', value: { Values: values } })).toEqual(new Map([['kept', 'x']]));
});

test('flags of unknown kinds are left out', () => {
  expect(decodeFlags([null, { type: '*mcnflag.DurationFlag', value: { Name: 'x' } }])).toEqual([]);
});
