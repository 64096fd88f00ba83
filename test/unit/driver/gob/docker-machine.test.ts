import { conform, GobEncoder, GobRegistry, type GobType, gob } from '../../../../driver/gob';
import { bytes, decodeAll } from './support/streams';

// Streams between docker-machine and its drivers, from Go 1.19 encoders.
const request = gob.struct('Request', [
  ['ServiceMethod', gob.string],
  ['Seq', gob.uint],
]);
const response = gob.struct('Response', [
  ['ServiceMethod', gob.string],
  ['Seq', gob.uint],
  ['Error', gob.string],
]);
const empty = gob.struct('');
const rpcFlags = gob.struct('RPCFlags', [['Values', gob.map(gob.string, gob.interface, 'map[string]interface {}')]]);
const strings = gob.slice(gob.string, '[]string');
const flag = (name: string, value?: GobType) =>
  gob.struct(name, [
    ['Name', gob.string],
    ['Usage', gob.string],
    ['EnvVar', gob.string],
    ...(value === undefined ? [] : [['Value', value] as const]),
  ]);
const stringFlag = flag('StringFlag', gob.string);
const intFlag = flag('IntFlag', gob.int);
const boolFlag = flag('BoolFlag');
const sliceFlag = flag('StringSliceFlag', strings);
const flags = gob.slice(gob.interface);
const registry = new GobRegistry()
  .register('*rpcdriver.RPCFlags', rpcFlags)
  .register('*mcnflag.StringFlag', stringFlag)
  .register('*mcnflag.IntFlag', intFlag)
  .register('*mcnflag.BoolFlag', boolFlag)
  .register('*mcnflag.StringSliceFlag', sliceFlag);

const REQUEST = '2f ff81030101075265717565737401ff82000102010d536572766963654d6574686f64010c0001035365710106000000';
const RESPONSE =
  '3a ff8103010108526573706f6e736501ff82000103010d536572766963654d6574686f64010c00010353657101060001054572726f72010c000000';
const EMPTY = '0a ff83030102ff84000000';
const RPC_FLAGS = 'ff93 03 01 01 08 525043466c616773 01 ff94 00 01 01 01 06 56616c756573 01 ff96 00 00 00';
const VALUES = '27 ff95 04 01 01 17 6d61705b737472696e675d696e74657266616365207b7d 01 ff96 00 01 0c 01 10 00 00';
const STRINGS = 'ff91 02 01 01 08 5b5d737472696e67 01 ff92 00 01 0c 00 00';
const STRING_FLAG =
  'ff8703 01010a537472696e67466c616701ff8800010401044e616d65010c0001055573616765010c000106456e76566172010c00010556616c7565010c000000';
const INT_FLAG =
  'ff890301 0107496e74466c616701ff8a00010401044e616d65010c0001055573616765010c000106456e76566172010c00010556616c75650104000000';
const BOOL_FLAG =
  'ff8b03010108426f6f6c466c616701ff8c00010301044e616d65010c0001055573616765010c000106456e76566172010c000000';
const SLICE_FLAG =
  'ff8f0301010f537472696e67536c696365466c616701ff9000010401044e616d65010c0001055573616765010c000106456e76566172010c00010556616c756501ff8e000000';

const values = (stream: string, chunkBytes?: number) =>
  decodeAll(bytes(stream), chunkBytes === undefined ? {} : { chunkBytes }).map((item) => item.value);
const hex = (...parts: Buffer[]) => Buffer.concat(parts).toString('hex');
const same = (text: string) => bytes(text).toString('hex');

describe('calls', () => {
  const getVersion = '1f ff82 01 1a 5250435365727665724472697665722e47657456657273696f6e 00';
  const setConfigRaw = '23 ff82 01 1c 5250435365727665724472697665722e536574436f6e666967526177 01 01 00';
  const stream = [REQUEST, getVersion, EMPTY, '03 ff84 00', setConfigRaw, '0a 0a 00 07 7b2261223a317d'].join('');
  const calls = [
    { ServiceMethod: 'RPCServerDriver.GetVersion', Seq: 0 },
    {},
    { ServiceMethod: 'RPCServerDriver.SetConfigRaw', Seq: 1 },
    Buffer.from('{"a":1}'),
  ];

  it('are read', () => expect(values(stream)).toEqual(calls));

  it('are written', () => {
    const encoder = new GobEncoder();
    const types = [request, empty, request, gob.bytes];
    expect(hex(...calls.map((value, index) => encoder.encode(value, types[index]!)))).toBe(same(stream));
  });

  it('have counts of several bytes', () => {
    const body = Buffer.alloc(155, 'c');
    const written = new GobEncoder().encode(body, gob.bytes);
    expect(written.subarray(0, 6).toString('hex')).toBe(same('ff9f 0a 00 ff9b'));
    expect(values(written.toString('hex'))).toEqual([body]);
    const header = new GobEncoder().encode({ Seq: 300 }, request).subarray(48);
    expect(header.toString('hex')).toBe(same('07 ff82 02 fe012c 00'));
  });
});

describe('flag values (an interface that holds a map of interfaces)', () => {
  const head = `38 1000132a7270636472697665722e525043466c616773 ${RPC_FLAGS} ${VALUES}`;
  const cases: [string, string, unknown][] = [
    ['string', '14 ff94 11 0101 016b 06737472696e67 0c 03 00 01 78 00', { type: 'string', value: 'x' }],
    ['empty string', '13 ff94 10 0101 016b 06737472696e67 0c 02 00 00 00', { type: 'string', value: '' }],
    ['int', '10 ff94 0d 0101 016b 03696e74 04 02 00 0a 00', { type: 'int', value: 5 }],
    ['zero int', '10 ff94 0d 0101 016b 03696e74 04 02 00 00 00', { type: 'int', value: 0 }],
    ['true', '11 ff94 0e 0101 016b 04626f6f6c 02 02 00 01 00', { type: 'bool', value: true }],
    ['false', '11 ff94 0e 0101 016b 04626f6f6c 02 02 00 00 00', { type: 'bool', value: false }],
    ['nil', '09 ff94 06 0101 016b 00 00', null],
    [
      '[]string, defined in the value',
      `31 ff94 23 0101 016b 085b5d737472696e67 ${STRINGS} 0a ff92 06 00 02 0161 0162 00`,
      { type: '[]string', value: ['a', 'b'] },
    ],
    [
      'empty []string',
      `2d ff94 23 0101 016b 085b5d737472696e67 ${STRINGS} 06 ff92 02 00 00 00`,
      { type: '[]string', value: [] },
    ],
  ];

  it.each(cases)('%s is read', (_name, message, value) => {
    const expected = [{ type: '*rpcdriver.RPCFlags', value: { Values: new Map([['k', value]]) } }];
    expect(values(head + message)).toEqual(expected);
    expect(values(head + message, 1)).toEqual(expected);
  });

  it('an empty map is read', () => {
    expect(values(`${head} 06 ff94 03 01 00 00`)).toEqual([
      { type: '*rpcdriver.RPCFlags', value: { Values: new Map() } },
    ]);
  });

  it('known types are not defined again', () => {
    const encoder = new GobEncoder({ registry, firstTypeId: 67 });
    encoder.define(rpcFlags, gob.slice(gob.string, '[]string'));
    const value = {
      type: '*rpcdriver.RPCFlags',
      value: { Values: new Map([['a', { type: '[]string', value: ['y'] }]]) },
    };
    const message =
      '2e 10 00 13 2a7270636472697665722e525043466c616773 ff86 15 01 01 01 61 08 5b5d737472696e67 ff8a 04 00 01 01 79 00';
    expect(hex(encoder.encode(value, gob.interface))).toBe(same(message));
  });

  it.each(cases.filter(([name]) => !name.includes('[]string')))('%s is written', (_name, message, value) => {
    const encoder = new GobEncoder({ registry, firstTypeId: 74 });
    const definitions = encoder.define(rpcFlags);
    expect(hex(definitions)).toBe(same(`22 ${RPC_FLAGS} ${VALUES}`));
    const inner = { Values: new Map([['k', value as null]]) };
    expect(hex(encoder.encode(inner, rpcFlags)).slice(6)).toBe(same(message).slice(8));
  });
});

describe('replies', () => {
  it('an error', () => {
    const encoder = new GobEncoder();
    const stream = [
      RESPONSE,
      '32 ff82 01 16 5250435365727665724472697665722e47657455524c 01 07 01 13 486f7374206973206e6f742072756e6e696e67 00',
      EMPTY,
      '03 ff84 00',
    ].join('');
    const reply = { ServiceMethod: 'RPCServerDriver.GetURL', Seq: 7, Error: 'Host is not running' };
    expect(hex(encoder.encode(reply, response), encoder.encode({}, empty))).toBe(same(stream));
    expect(values(stream)).toEqual([reply, {}]);
  });

  it.each([
    [gob.int, 1, '03 040002'],
    [gob.int, 0, '03 040000'],
    [gob.int, 22, '03 04002c'],
    [gob.int, 64, '04 0400ff80'],
    [gob.int, 2376, '05 0400fe1290'],
    [gob.int, -1, '03 040001'],
    [gob.string, 'default', '0a 0c000764656661756c74'],
    [gob.string, '', '03 0c0000'],
    [gob.string, 'tcp://192.168.64.2:2376', '1a 0c00177463703a2f2f3139322e3136382e36342e323a32333736'],
    [gob.bytes, Buffer.from('{}'), '05 0a00027b7d'],
    [gob.bytes, Buffer.alloc(0), '03 0a0000'],
  ])('%j %j', (type, value, message) => {
    expect(hex(new GobEncoder().encode(value, type))).toBe(same(message));
    expect(values(message)).toEqual([value]);
  });
});

describe('create flags', () => {
  const slice = '0c ff87 02 01 02 ff88 00 01 10 00 00';
  const name = { s: '13 2a6d636e666c61672e537472696e67466c6167', i: '10 2a6d636e666c61672e496e74466c6167' };
  const definedInside = `${name.s} ff89 03 01 01 0a 537472696e67466c6167 01 ff8a 00 01 04
    01 04 4e616d65 01 0c 00  01 05 5573616765 01 0c 00  01 06 456e76566172 01 0c 00  01 05 56616c7565 01 0c 00  00 00`;

  it('as Go writes them: the message ends after a definition', () => {
    const stream = `${slice} 58 ff88 00 01 ${definedInside} 07 ff8a 04 01 01 73 00`;
    const found = [[{ type: '*mcnflag.StringFlag', value: { Name: 's', Usage: '', EnvVar: '', Value: '' } }]];
    expect(values(stream)).toEqual(found);
    expect(values(stream, 1)).toEqual(found);
    expect(values(`${slice} 04 ff88 00 00`)).toEqual([[]]);
  });

  it('as Go writes them: several in a slice, the second one defined after the first', () => {
    const int = `${name.i} ff8b 03 01 01 07 496e74466c6167 01 ff8c 00 01 04
      01 04 4e616d65 01 0c 00  01 05 5573616765 01 0c 00  01 06 456e76566172 01 0c 00  01 05 56616c7565 01 04 00  00 00`;
    const stream = `${slice} 58 ff88 00 02 ${definedInside} 5e ff8a 0d 0101 73 0101 75 0101 45 0101 76 00 ${int}
      0e ff8c 0e 0101 69 0101 75 0101 45 01 fe0800 00`.replace('0e ff8c', '11 ff8c');
    const expected = [
      [
        { type: '*mcnflag.StringFlag', value: { Name: 's', Usage: 'u', EnvVar: 'E', Value: 'v' } },
        { type: '*mcnflag.IntFlag', value: { Name: 'i', Usage: 'u', EnvVar: 'E', Value: 1024 } },
      ],
    ];
    expect(values(stream)).toEqual(expected);
    for (const chunkBytes of [1, 2, 3, 50]) expect(values(stream, chunkBytes)).toEqual(expected);
  });

  it('a field type defined in a message of its own, inside', () => {
    const stream = `${slice} 63 ff88 00 01 18 2a6d636e666c61672e537472696e67536c696365466c6167
      ff8f 03 01 01 0f 537472696e67536c696365466c6167 01 ff90 00 01 04
      01 04 4e616d65 01 0c 00  01 05 5573616765 01 0c 00  01 06 456e76566172 01 0c 00  01 05 56616c7565 01 ff92 00  00 00
      16 ff91 02 01 01 08 5b5d737472696e67 01 ff92 00 01 0c 00 00  0b ff90 08 01 01 6c 03 01 01 61 00`;
    const value = { Name: 'l', Usage: '', EnvVar: '', Value: ['a'] };
    expect(values(stream, 1)).toEqual([[{ type: '*mcnflag.StringSliceFlag', value }]]);
  });

  it('as we write them: all definitions ahead', () => {
    const list = [
      { type: '*mcnflag.StringFlag', value: { Name: 'hk-url', Usage: 'usage', EnvVar: 'ENV', Value: 'dflt' } },
      { type: '*mcnflag.IntFlag', value: { Name: 'hk-mem', Usage: '', EnvVar: '', Value: 1024 } },
      { type: '*mcnflag.BoolFlag', value: { Name: 'hk-b', Usage: '', EnvVar: '' } },
      { type: '*mcnflag.StringSliceFlag', value: { Name: 'hk-l', Usage: '', EnvVar: '', Value: ['a', 'b'] } },
    ];
    const encoder = new GobEncoder({ registry });
    const [head, ...rest] = [
      encoder.define(response),
      encoder.define(empty),
      encoder.define(flags),
      ...[stringFlag, intFlag, boolFlag, strings, sliceFlag].map((type) => encoder.define(type)),
    ];
    const definitions = [
      ['0c', 'ff85020102ff860001100000'],
      ['40', STRING_FLAG],
      ['3d', INT_FLAG],
      ['34', BOOL_FLAG],
      ['16', 'ff8d020101085b5d737472696e6701ff8e00010c0000'],
      ['46', SLICE_FLAG],
    ];
    expect(hex(head!)).toBe(same(RESPONSE));
    expect(rest.slice(1).map((message) => hex(message))).toEqual(definitions.map((parts) => same(parts.join(''))));
    const reply = encoder.encode({ ServiceMethod: 'RPCServerDriver.GetCreateFlags', Seq: 5 }, response);
    expect(hex(reply)).toBe(
      same('25 ff82 01 1e 5250435365727665724472697665722e476574437265617465466c616773 01 05 00'),
    );
    const message = encoder.encode(list, flags);
    expect(hex(message)).toBe(
      same(`ff9c ff86 00 04
        13 2a6d636e666c61672e537472696e67466c6167 ff88 1b 01 06 686b2d75726c 01 05 7573616765 01 03 454e56 01 04 64666c74 00
        10 2a6d636e666c61672e496e74466c6167 ff8a 0d 01 06 686b2d6d656d 03 fe0800 00
        11 2a6d636e666c61672e426f6f6c466c6167 ff8c 07 01 04 686b2d62 00
        18 2a6d636e666c61672e537472696e67536c696365466c6167 ff90 0d 01 04 686b2d6c 03 02 01 61 01 62 00`),
    );
    const found = decodeAll(Buffer.concat([head!, ...rest, reply, message]));
    expect(conform(found[1]!.value, found[1]!.type, flags, registry)).toEqual(list);
  });
});
