import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { OpenGateway } from '../../../../../../engine/net/open-gateway';
import { type GatewayNicOptions, plugGatewayNic } from '../../../../../../engine/vmm/virtio/net/gateway-nic';
import type { NicBackend } from '../../../../../../engine/vmm/virtio/net/nic-backend';
import { countDescriptors } from '../../../../../support/descriptors';
import { NetworkFixture, openOnce } from '../../../net/ethernet/network-fixture';
import { synOptions } from '../../../net/fixtures/fake-guest';
import {
  ACK,
  ethernetFrame,
  ipPacket,
  PSH,
  readSegment,
  type Segment,
  SYN,
  TCP,
  type TcpFields,
  tcpBytes,
} from '../../../net/fixtures/packets';
import { closeAll, eventually, listenOnHost, pattern } from '../../../net/fixtures/test-network';
import { type NetHeader, NicDriver, type NicDriverOptions } from './nic-driver';

const MAC = '02:50:00:00:00:01';
const GATEWAY_MAC = 'f6:16:36:bc:f9:c6';
const GUEST = '192.168.65.3';
const HOST = '192.168.65.2';
const MTU = 1500;
const MSS = MTU - 40;
const OFFLOADED = { flags: 1, checksumStart: 34, checksumOffset: 16 };

let before: number;
let fixture: NetworkFixture;
let gateway: OpenGateway;
let nic: NicBackend;
let driver: NicDriver;
let remotePort: number;
let peer: Socket;
let next: number;
let expected: number;

beforeAll(openOnce);

beforeEach(() => {
  before = countDescriptors();
  fixture = new NetworkFixture();
  gateway = fixture.open({ mtu: MTU }, { hostAccess: 'all' });
});

afterEach(async () => {
  closeAll();
  await nic.close();
  expect([...gateway.network.switch.links]).toEqual([]);
  await fixture.close();
  await eventually(() => countDescriptors() <= before);
});

function plug(options: Partial<GatewayNicOptions> = {}, driverOptions: NicDriverOptions = {}): void {
  nic = plugGatewayNic(gateway, { mac: Buffer.from(MAC.replaceAll(':', ''), 'hex'), ...options });
  driver = new NicDriver(nic, driverOptions);
}

function send(
  flags: number,
  payload: Uint8Array = Buffer.alloc(0),
  options: Buffer = Buffer.alloc(0),
  header: NetHeader = {},
): void {
  const fields: TcpFields = {
    sourcePort: 4000,
    destinationPort: remotePort,
    sequence: next,
    acknowledged: expected,
    flags,
    window: 0xffff,
    options,
    payload,
  };
  const body = tcpBytes(GUEST, HOST, fields);
  // Whatever is there is none of the device's business.
  if ((header.flags ?? 0) !== 0) body.writeUInt16BE(0xdead, 16);
  const packet = ipPacket({ source: GUEST, destination: HOST, protocol: TCP, body });
  driver.send(ethernetFrame(GATEWAY_MAC, MAC, 0x0800, packet), header);
  next = (next + payload.length + ((flags & SYN) !== 0 ? 1 : 0)) >>> 0;
}

/** TCP segments that have come since the last call. */
function segments(): { readonly segment: Segment; readonly cutAt: number }[] {
  return driver
    .collect()
    .filter(({ bytes }) => bytes.readUInt16BE(12) === 0x0800 && bytes[23] === TCP)
    .map(({ bytes, header }) => ({ segment: readSegment({ body: bytes.subarray(34) }), cutAt: header.gsoSize }));
}

async function nextSegments(): Promise<ReturnType<typeof segments>> {
  let found: ReturnType<typeof segments> = [];
  await eventually(() => {
    found = segments();
    return found.length > 0;
  });
  return found;
}

/** A connection of the guest to a server of the host. */
async function connect(): Promise<void> {
  const server = await listenOnHost();
  remotePort = server.port;
  next = 1000;
  expected = 0;
  send(SYN, Buffer.alloc(0), synOptions(MSS, 7));
  const [answer] = await nextSegments();
  expect(answer!.segment.flags).toBe(SYN | ACK);
  expected = (answer!.segment.sequence + 1) >>> 0;
  send(ACK);
  peer = await server.connections.next();
}

test('carries large segments of the guest to the host in one piece, their checksums never made', async () => {
  plug();
  await connect();
  const sent = pattern(60_000);
  const got: Buffer[] = [];
  peer.on('data', (chunk: Buffer) => void got.push(chunk));
  send(ACK | PSH, sent, Buffer.alloc(0), { ...OFFLOADED, gsoType: 1, gsoSize: MSS, headerLength: 54 });
  await eventually(() => Buffer.concat(got).length === sent.length);
  expect(Buffer.concat(got)).toEqual(sent);
});

test("carries the host's bytes to the guest in segments far above the MTU, for the guest to cut", async () => {
  plug();
  await connect();
  const sent = pattern(200_000);
  peer.write(sent);
  const got: Buffer[] = [];
  let longest = 0;
  while (Buffer.concat(got).length < sent.length) {
    for (const { segment, cutAt } of await nextSegments()) {
      if (segment.sequence !== expected) continue;
      got.push(segment.payload);
      expected = (expected + segment.payload.length) >>> 0;
      longest = Math.max(longest, segment.payload.length);
      expect(cutAt).toBe(segment.payload.length > MSS ? MSS : 0);
    }
    send(ACK);
  }
  expect(Buffer.concat(got)).toEqual(sent);
  expect(longest).toBeGreaterThan(4 * MSS);
});

test('stops sending while the guest has no buffers, loses nothing, and goes on with the kick', async () => {
  plug({}, { buffers: 6 });
  await connect();
  driver.offer(256 - 6);
  const sent = pattern(3_000_000);
  peer.write(sent);
  const got: Buffer[] = [];
  let length = 0;
  let kicks = 0;
  while (length < sent.length) {
    const found = await nextSegments();
    for (const { segment } of found) {
      // A segment that was lost would be missing here until it is sent again.
      expect(segment.sequence).toBe(expected);
      got.push(segment.payload);
      length += segment.payload.length;
      expected = (expected + segment.payload.length) >>> 0;
    }
    send(ACK);
    if (driver.offer(256 - driver.receiveRing.underWay)) kicks++;
  }
  expect(Buffer.concat(got).equals(sent)).toBe(true);
  expect(kicks).toBeGreaterThan(0);
});

test('is found under the address that was agreed, before the guest says a word', async () => {
  plug({ ip: '192.168.65.77' });
  expect(gateway.book.clients()).toHaveLength(1);
  expect(gateway.network.gateway.neighbours.find({ w0: 0, w1: 0, w2: 0xffff, w3: 0xc0a8414d | 0 })).toMatchObject({
    present: false,
  });
});

test('ends the connections of a machine that is gone', async () => {
  plug();
  await connect();
  const closed = once(peer.resume(), 'close').catch((error: NodeJS.ErrnoException) => error.code);
  await nic.close();
  expect(await closed).toBe('ECONNRESET');
  expect(gateway.network.tcp.statistics.connections).toBe(0);
});
