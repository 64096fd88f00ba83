import { existsSync, statSync } from 'node:fs';
import fc from 'fast-check';
import { formatIpv4 } from '../../../../../engine/net/addressing/ipv4';
import {
  COMMAND_BYTES,
  decodeResponse,
  encodeCommand,
  encodeInit,
  INIT_BYTES,
  RESPONSE_BYTES,
} from '../../../../../engine/net/ethernet/codec';
import { type EthernetServer, serveEthernet } from '../../../../../engine/net/ethernet/serve-ethernet';
import type { OpenGateway } from '../../../../../engine/net/open-gateway';
import { countDescriptors } from '../../../../support/descriptors';
import { until } from '../../../../support/until';
import {
  dial,
  GATEWAY_MAC,
  join,
  NetworkFixture,
  NO_UUID,
  note,
  OTHER_UUID,
  openOnce,
  resolve,
  UUID,
  type Wire,
} from './network-fixture';

const FIRST_MAC = '025000000001';
const SECOND_MAC = '025000000002';

let before: number;
let fixture: NetworkFixture;
let gateway: OpenGateway;
let server: EthernetServer;
let path: string;
const wires: Wire[] = [];

async function greet(): Promise<Wire> {
  const wire = await dial(path);
  wires.push(wire);
  wire.write(encodeInit());
  expect(await wire.read(INIT_BYTES)).toEqual(encodeInit());
  return wire;
}

async function plug(uuid: string, preferredIp?: number): Promise<Wire> {
  const { wire, response } = await join(path, uuid, preferredIp);
  wires.push(wire);
  expect(decodeResponse(response)?.kind).toBe('vif');
  return wire;
}

beforeAll(openOnce);

beforeEach(async () => {
  before = countDescriptors();
  fixture = new NetworkFixture();
  gateway = fixture.open();
  path = fixture.path('ethernet.sock');
  server = await serveEthernet(gateway, { kind: 'path', path }, { log: fixture.log });
});

afterEach(async () => {
  server.close();
  for (const wire of wires.splice(0)) await wire.close();
  expect(existsSync(path)).toBe(false);
  await fixture.close();
  expect(countDescriptors()).toBeLessThanOrEqual(before);
});

test('nobody else may connect', () => {
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('the response is an interface of the network', async () => {
  const { wire, response } = await join(path, UUID);
  wires.push(wire);
  expect(response.toString('hex')).toBe(`01dc050e06${FIRST_MAC}${'00'.repeat(247)}`);
  expect(await resolve(wire, FIRST_MAC, '192.168.65.3', '192.168.65.1')).toBe(GATEWAY_MAC);
});

test('NULs for a UUID are a guest of its own each time', async () => {
  const macs = await Promise.all(
    [1, 2].map(async () => {
      const { wire, response } = await join(path, NO_UUID);
      wires.push(wire);
      return response.toString('hex', 5, 11);
    }),
  );
  expect(macs.sort()).toEqual([FIRST_MAC, SECOND_MAC]);
});

test('the letters of a UUID may be of either case', async () => {
  await (await plug(UUID)).close();
  const { wire, response } = await join(path, UUID.toUpperCase());
  wires.push(wire);
  expect(response.toString('hex', 5, 11)).toBe(FIRST_MAC);
});

test('all may come in one piece, and byte by byte', async () => {
  const all = Buffer.concat([encodeInit(), encodeCommand({ uuid: UUID, preferredIp: undefined })]);
  const atOnce = await dial(path);
  wires.push(atOnce);
  const frame = note(GATEWAY_MAC, FIRST_MAC, 'a frame before the answer');
  atOnce.write(Buffer.concat([all, Buffer.from([frame.length, 0]), frame]));
  expect((await atOnce.read(INIT_BYTES + RESPONSE_BYTES)).readUInt8(INIT_BYTES)).toBe(1);
  expect(await resolve(atOnce, FIRST_MAC, '192.168.65.3', '192.168.65.1')).toBe(GATEWAY_MAC);

  const slowly = await greet();
  for (const byte of encodeCommand({ uuid: OTHER_UUID, preferredIp: undefined })) {
    slowly.write(Buffer.of(byte));
    await new Promise(setImmediate);
  }
  expect((await slowly.read(RESPONSE_BYTES)).toString('hex', 5, 11)).toBe(SECOND_MAC);
});

test('another version learns ours and is left alone', async () => {
  const wire = await dial(path);
  wires.push(wire);
  wire.write(encodeInit(21));
  expect(await wire.readToEnd()).toEqual(encodeInit());
});

test('the magic of a client is not looked at', async () => {
  const wire = await dial(path);
  wires.push(wire);
  const init = encodeInit();
  init.write('VMNET');
  wire.write(Buffer.concat([init, encodeCommand({ uuid: UUID, preferredIp: undefined })]));
  expect((await wire.read(INIT_BYTES + RESPONSE_BYTES)).readUInt8(INIT_BYTES)).toBe(1);
});

test.each([
  ['Bind_ipv4', Buffer.alloc(COMMAND_BYTES, 6)],
  ['a malformed UUID', encodeCommand({ uuid: 'not a UUID, but thirty-six characters', preferredIp: undefined })],
  ['a UUID of some NULs', encodeCommand({ uuid: UUID.slice(0, 30), preferredIp: undefined })],
])('%s ends the connection without a response', async (_what, command) => {
  const wire = await greet();
  wire.write(command);
  expect(await wire.readToEnd()).toHaveLength(0);
});

test.each([
  ['Preferred IP address 192.168.65.250 already used.', OTHER_UUID, 0xc0a8_41fa],
  ['UUID already assigned to a different IP than the IP requested by the client', UUID, 0xc0a8_41fb],
  ['Preferred IP address out of range.', OTHER_UUID, 0x0a00_0003],
])('a refusal says: %s', async (text, uuid, preferredIp) => {
  await plug(UUID, 0xc0a8_41fa);
  const { wire, response } = await join(path, uuid, preferredIp);
  wires.push(wire);
  expect(decodeResponse(response)).toEqual({ kind: 'disconnect', text });
  expect(await wire.readToEnd()).toHaveLength(0);
});

test('a network without addresses left says so', async () => {
  const small = fixture.open({ lowest: '192.168.65.3', highest: '192.168.65.3' });
  const url = { kind: 'path', path: fixture.path('small.sock') } as const;
  const served = await serveEthernet(small, url, { log: fixture.log });
  const first = await join(url.path, UUID);
  const second = await join(url.path, OTHER_UUID);
  wires.push(first.wire, second.wire);
  expect(decodeResponse(second.response)).toEqual({ kind: 'disconnect', text: 'No IP addresses available.' });
  served.close();
});

test('guests hear each other', async () => {
  const first = await plug(UUID);
  const second = await plug(OTHER_UUID);
  second.send(note('ffffffffffff', SECOND_MAC, 'here I am'));
  expect(await first.receive()).toEqual(note('ffffffffffff', SECOND_MAC, 'here I am'));
  first.send(note(SECOND_MAC, FIRST_MAC, 'hello'));
  expect(await second.receive()).toEqual(note(SECOND_MAC, FIRST_MAC, 'hello'));
});

test('a guest is away when its connection is gone, and the same when it is back', async () => {
  const wire = await plug(UUID);
  expect(gateway.book.clients()).toMatchObject([{ uuid: UUID, isConnected: true }]);
  await wire.close();
  await until('its leaving', () => gateway.book.clients()[0]?.isConnected === false);
  await plug(OTHER_UUID);
  await plug(UUID);
  const [other, again] = gateway.book.clients();
  expect(other?.uuid).toBe(OTHER_UUID);
  expect(again).toMatchObject({ uuid: UUID, isConnected: true });
  expect(formatIpv4(again?.ip ?? 0)).toBe('192.168.65.3');
});

test('a guest that has not said a word is expected at its address', async () => {
  await plug(UUID);
  expect(gateway.network.gateway.neighbours.find({ w0: 0, w1: 0, w2: 0xffff, w3: 0xc0a8_4103 | 0 })).toMatchObject({
    mac: 0x0250_0000_0001,
    present: false,
  });
});

test('who does not finish the handshake is sent away', async () => {
  const url = { kind: 'path', path: fixture.path('hasty.sock') } as const;
  const hasty = await serveEthernet(gateway, url, { log: fixture.log, handshakeMs: 50 });
  const wire = await dial(url.path);
  wires.push(wire);
  wire.write(encodeInit().subarray(0, 20));
  expect(await wire.readToEnd()).toHaveLength(0);
  hasty.close();
});

test('a crowd that never finishes is bounded, and the server is there for the next', async () => {
  const crowd: Wire[] = [];
  while (crowd.length < 200) crowd.push(await dial(path));
  await until('the surplus to be sent away', () => crowd.filter(({ isOver }) => isOver).length >= 72);
  for (const wire of crowd) await wire.close();
  await until('room again', async () => {
    const wire = await dial(path);
    wires.push(wire);
    wire.write(encodeInit());
    return await wire.read(INIT_BYTES).catch(() => undefined);
  });
});

test('whatever comes, the network goes on', async () => {
  const steady = await plug(UUID);
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .uint8Array({ maxLength: 4000 })
      .map((rest) => Buffer.concat([encodeInit(), encodeCommand({ uuid: NO_UUID, preferredIp: undefined }), rest])),
  );
  await fc.assert(
    fc.asyncProperty(anything, async (bytes) => {
      const wire = await dial(path);
      wire.write(bytes);
      await new Promise(setImmediate);
      await wire.close();
      expect(await resolve(steady, FIRST_MAC, '192.168.65.3', '192.168.65.1')).toBe(GATEWAY_MAC);
    }),
    { numRuns: 60 },
  );
});
