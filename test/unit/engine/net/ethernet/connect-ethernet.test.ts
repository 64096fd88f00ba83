import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  COMMAND_BYTES,
  decodeCommand,
  encodeInit,
  encodeResponse,
  INIT_BYTES,
} from '../../../../../engine/net/ethernet/codec';
import { connectEthernet, type EthernetRequest } from '../../../../../engine/net/ethernet/connect-ethernet';
import { serveEthernet } from '../../../../../engine/net/ethernet/serve-ethernet';
import { VPNKIT_FRAMING } from '../../../../../engine/net/link/stream-link';
import { Reactor } from '../../../../../engine/net/reactor/reactor';
import { sockets } from '../../../../../native/sockets';
import { countDescriptors } from '../../../../support/descriptors';
import { GATEWAY_MAC, NetworkFixture, openOnce, resolve, UUID, Wire, wireOf } from './network-fixture';

const MAC = Uint8Array.of(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xee);
const VIF = encodeResponse({ kind: 'vif', mtu: 1500, maxPacketBytes: 1514, mac: MAC });

let before: number;
let fixture: NetworkFixture;
let reactor: Reactor;
let request: EthernetRequest;
const servers: { readonly server: Server; readonly open: Set<Socket> }[] = [];

/** Somebody else's network, which does with each connection as told. */
async function serve(behave: (wire: Wire, socket: Socket) => Promise<void>): Promise<void> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    behave(new Wire(socket), socket).catch(() => socket.destroy());
  });
  servers.push({ server, open });
  server.listen(request.path);
  await once(server, 'listening');
}

beforeAll(openOnce);

beforeEach(() => {
  before = countDescriptors();
  fixture = new NetworkFixture();
  reactor = new Reactor();
  request = { path: fixture.path('ethernet.sock'), uuid: UUID, connectMs: 0, log: fixture.log };
});

afterEach(async () => {
  reactor.close();
  for (const { server, open } of servers.splice(0)) {
    server.close();
    for (const socket of open) socket.destroy();
    await once(server, 'close');
  }
  await fixture.close();
  expect(countDescriptors()).toBeLessThanOrEqual(before);
});

test('joins a network of our own, with the address it wants', async () => {
  const gateway = fixture.open();
  const server = await serveEthernet(gateway, { kind: 'path', path: request.path }, { log: fixture.log });
  const connection = await connectEthernet(reactor, { ...request, preferredIp: 0xc0a8_41fa });
  expect(connection).toEqual({
    fd: connection.fd,
    mtu: 1500,
    maxPacketBytes: 1550,
    mac: Uint8Array.of(2, 0x50, 0, 0, 0, 1),
  });
  const wire = wireOf(connection.fd, VPNKIT_FRAMING);
  expect(await resolve(wire, '025000000001', '192.168.65.250', '192.168.65.1')).toBe(GATEWAY_MAC);
  await wire.close();
  server.close();
});

test('waits for somebody to listen', async () => {
  const joining = connectEthernet(reactor, { ...request, connectMs: 20_000 });
  await new Promise((resolve) => setTimeout(resolve, 250));
  await serve(async (wire) => {
    await wire.read(INIT_BYTES);
    wire.write(encodeInit());
    expect(decodeCommand(await wire.read(COMMAND_BYTES))).toEqual({ uuid: UUID, preferredIp: undefined });
    wire.write(VIF);
  });
  sockets.close((await joining).fd);
});

test('takes gvproxy, which sends our greeting back, and leaves its first frame unread', async () => {
  await serve(async (wire) => {
    wire.write(await wire.read(INIT_BYTES));
    await wire.read(COMMAND_BYTES);
    wire.write(Buffer.concat([VIF, Buffer.from([3, 0, 1, 2, 3])]));
  });
  const { fd, mac, maxPacketBytes } = await connectEthernet(reactor, request);
  expect(mac).toEqual(MAC);
  expect(maxPacketBytes).toBe(1514);
  const wire = wireOf(fd, VPNKIT_FRAMING);
  expect(await wire.receive()).toEqual(Buffer.from([1, 2, 3]));
  await wire.close();
});

test('goes on with another version, and says so', async () => {
  await serve(async (wire) => {
    await wire.read(INIT_BYTES);
    wire.write(Buffer.concat([encodeInit(23), VIF]));
  });
  sockets.close((await connectEthernet(reactor, request)).fd);
  expect(fixture.lines).toEqual([`ethernet: ${request.path} has version 23, not 22`]);
});

test('says that nobody listens', async () => {
  await expect(connectEthernet(reactor, request)).rejects.toMatchObject({
    code: 'HK_NET_UNAVAILABLE',
    message: `cannot join the network at ${request.path}: connect: ENOENT; start vpnkit or gvproxy on that socket`,
  });
});

test('passes on why the network refuses', async () => {
  await serve(async (wire, socket) => {
    wire.write(encodeInit());
    socket.end(encodeResponse({ kind: 'disconnect', text: 'No IP addresses available.' }));
  });
  await expect(connectEthernet(reactor, request)).rejects.toMatchObject({
    code: 'HK_NET_UNAVAILABLE',
    message: `cannot join the network at ${request.path}: No IP addresses available.`,
  });
});

test.each<[string, (socket: Socket) => void]>([
  ['it ended the connection without a word', (socket) => socket.end()],
  ['it ended the connection without a word', (socket) => socket.end(encodeInit().subarray(0, 30))],
  ["it does not begin with VPNKit's magic", (socket) => socket.end(Buffer.alloc(INIT_BYTES, 'HTTP/1.1 400 '))],
  ['its answer is of an unknown type', (socket) => socket.write(Buffer.concat([encodeInit(), Buffer.alloc(258, 9)]))],
  [
    "it offers an interface that there can't be",
    (socket) =>
      socket.write(Buffer.concat([encodeInit(), encodeResponse({ kind: 'vif', mtu: 0, maxPacketBytes: 0, mac: MAC })])),
  ],
  [
    "it offers an interface that there can't be",
    (socket) =>
      socket.write(
        Buffer.concat([
          encodeInit(),
          encodeResponse({ kind: 'vif', mtu: 1500, maxPacketBytes: 0, mac: new Uint8Array(6).fill(255) }),
        ]),
      ),
  ],
])('is told apart from a network: %s', async (reason, behave) => {
  await serve(async (_wire, socket) => behave(socket));
  await expect(connectEthernet(reactor, request)).rejects.toMatchObject({
    code: 'HK_NET_PROTOCOL',
    message: expect.stringContaining(reason) as string,
  });
});

test('can be given up at any time', async () => {
  const waiting = new AbortController();
  const joining = connectEthernet(reactor, { ...request, connectMs: 60_000, signal: waiting.signal });
  waiting.abort(new Error('no longer wanted'));
  await expect(joining).rejects.toThrow();

  const greeted = new AbortController();
  await serve(async (wire) => {
    await wire.read(INIT_BYTES);
    greeted.abort(new Error('no longer wanted'));
  });
  await expect(connectEthernet(reactor, { ...request, signal: greeted.signal })).rejects.toThrow('no longer wanted');
});
