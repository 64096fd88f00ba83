// The server against bytes recorded from Go's encoders (identically named types), over a real socket.
import { setTimeout as sleep } from 'node:timers/promises';
import { GobRegistry, type GobValue, gob } from '../../../../driver/gob';
import { EMPTY, NOTHING, type RpcService } from '../../../../driver/rpc';
import { CONNECTED, HEAD, hex, startServer, type TestServer } from './raw-client';

// From here on, names are ASCII in hexadecimal; "1f | ..." is a message of 31 bytes.
const REQUEST_DEFINITION = hex(`2f | ff81 03 01 01 07 52657175657374 01 ff82 00 01 02
  01 0d 536572766963654d6574686f64 01 0c 00  01 03 536571 01 06 00  00 00`);
const GET_VERSION_0 = hex('1f | ff82 01 1a 5250435365727665724472697665722e47657456657273696f6e 00');
const EMPTY_DEFINITION = hex('0a | ff83 03 01 02 ff84 00 00 00');
const EMPTY_VALUE = hex('03 | ff84 00');
const HEARTBEAT_1 = hex('20 | ff82 01 19 5250435365727665724472697665722e486561727462656174 01 01 00');
const SET_CONFIG_RAW_1 = hex('23 | ff82 01 1c 5250435365727665724472697665722e536574436f6e666967526177 01 01 00');
const SMALL_CONFIG = hex('0a | 0a 00 07 7b2261223a317d');
const SET_FROM_FLAGS_2 = hex(
  '29 | ff82 01 22 5250435365727665724472697665722e536574436f6e66696746726f6d466c616773 01 02 00',
);
const FLAGS_K_X = hex(`38 | 10 00 13 2a7270636472697665722e525043466c616773 ff93 03 01 01 08 525043466c616773 01 ff94 00
  01 01 01 06 56616c756573 01 ff96 00 00 00
  27 | ff95 04 01 01 17 6d61705b737472696e675d696e74657266616365207b7d 01 ff96 00 01 0c 01 10 00 00
  14 | ff94 11 01 01 01 6b 06 737472696e67 0c 03 00 01 78 00`);

const RESPONSE_DEFINITION = hex(`3a | ff81 03 01 01 08 526573706f6e7365 01 ff82 00 01 03
  01 0d 536572766963654d6574686f64 01 0c 00  01 03 536571 01 06 00  01 05 4572726f72 01 0c 00  00 00`);
const VERSION_ANSWER = hex('1f | ff82 01 1a 5250435365727665724472697665722e47657456657273696f6e 00   03 | 04 00 02');
const HEARTBEAT_ANSWER = hex(
  '20 | ff82 01 19 5250435365727665724472697665722e486561727462656174 01 01 00   03 | ff84 00',
);

describe('the server on recorded bytes', () => {
  let server: TestServer;
  const configs: string[] = [];
  const flags: GobValue[] = [];

  beforeAll(async () => {
    const flagsType = gob.struct('RPCFlags', [['Values', gob.map(gob.string, gob.interface)]]);
    const service: RpcService = {
      GetVersion: { argument: EMPTY, reply: gob.int, handle: () => 1 },
      Heartbeat: { argument: EMPTY, reply: EMPTY, handle: () => NOTHING },
      GetURL: { argument: EMPTY, reply: gob.string, handle: () => Promise.reject(new Error('Host is not running')) },
      SetConfigRaw: {
        argument: gob.bytes,
        reply: EMPTY,
        handle: (bytes) => {
          configs.push(Buffer.from(bytes as Uint8Array).toString());
          return NOTHING;
        },
      },
      SetConfigFromFlags: {
        argument: gob.interface,
        reply: EMPTY,
        handle: (options) => {
          flags.push(options);
          return NOTHING;
        },
      },
    };
    server = await startServer({
      services: { RPCServerDriver: service },
      registry: new GobRegistry().register('*rpcdriver.RPCFlags', flagsType),
    });
  });
  afterAll(() => server.stop());

  const EXPECTED = Buffer.concat([CONNECTED, RESPONSE_DEFINITION, EMPTY_DEFINITION, VERSION_ANSWER, HEARTBEAT_ANSWER]);

  test('answers GetVersion and Heartbeat byte for byte', async () => {
    const client = await server.connect();
    client.send(HEAD);
    await client.receive(CONNECTED.length);
    expect(client.received.toString()).toBe(CONNECTED.toString()); // and nothing of gob yet
    client.send(Buffer.concat([REQUEST_DEFINITION, GET_VERSION_0, EMPTY_DEFINITION, EMPTY_VALUE]));
    await client.receive(EXPECTED.length - HEARTBEAT_ANSWER.length);
    client.send(Buffer.concat([HEARTBEAT_1, EMPTY_VALUE]));
    expect((await client.receive(EXPECTED.length)).toString('hex')).toBe(EXPECTED.toString('hex'));
  });

  const EVERYTHING = Buffer.concat([
    HEAD,
    REQUEST_DEFINITION,
    GET_VERSION_0,
    EMPTY_DEFINITION,
    EMPTY_VALUE,
    HEARTBEAT_1,
    EMPTY_VALUE,
  ]);

  test('takes calls that are glued to the head', async () => {
    const client = await server.connect();
    client.send(EVERYTHING);
    expect((await client.receive(EXPECTED.length)).toString('hex')).toBe(EXPECTED.toString('hex'));
  });

  test('takes everything in single bytes', async () => {
    const client = await server.connect();
    for (const byte of EVERYTHING) {
      client.send(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    expect((await client.receive(EXPECTED.length)).toString('hex')).toBe(EXPECTED.toString('hex'));
  });

  test('takes a configuration, and flags in the layout Go sends', async () => {
    const client = await server.connect();
    client.send(HEAD, REQUEST_DEFINITION, SET_CONFIG_RAW_1, SMALL_CONFIG, SET_FROM_FLAGS_2, FLAGS_K_X);
    const answers = CONNECTED.length + RESPONSE_DEFINITION.length + EMPTY_DEFINITION.length + (0x24 + 4) + (0x2a + 4);
    await client.receive(answers);
    expect(configs).toEqual(['{"a":1}']);
    const values = new Map([['k', expect.objectContaining({ type: 'string', value: 'x' })]]);
    expect(flags).toEqual([expect.objectContaining({ type: '*rpcdriver.RPCFlags', value: { Values: values } })]);
  });

  test('answers an error with its text and an empty body', async () => {
    const getUrl7 = hex('1d | ff82 01 16 5250435365727665724472697665722e47657455524c 01 07 00');
    const answer = hex(`32 | ff82 01 16 5250435365727665724472697665722e47657455524c 01 07 01 13
      486f7374206973206e6f742072756e6e696e67 00   03 | ff84 00`);
    const client = await server.connect();
    client.send(HEAD, REQUEST_DEFINITION, getUrl7, EMPTY_DEFINITION, EMPTY_VALUE);
    const expected = Buffer.concat([CONNECTED, RESPONSE_DEFINITION, EMPTY_DEFINITION, answer]);
    expect((await client.receive(expected.length)).toString('hex')).toBe(expected.toString('hex'));
  });

  test('a client that goes in the middle of a call is no problem', async () => {
    const client = await server.connect();
    client.send(EVERYTHING.subarray(0, EVERYTHING.length - 2));
    client.socket.resetAndDestroy();
    await sleep(20);
    const next = await server.connect();
    next.send(EVERYTHING);
    expect(await next.receive(EXPECTED.length)).toHaveLength(EXPECTED.length);
  });
});
