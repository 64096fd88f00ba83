import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import { findTunnel, parseFlowTunnels } from '../../../../../engine/net/forwards/flow-tunnels';
import { temporaryFolder } from '../../../../support/temporary-folder';
import { until } from '../../../../support/until';
import { Wire } from '../ethernet/network-fixture';
import { FakeGuest, GUEST_IP, Mailbox } from '../fixtures/fake-guest';
import { FIN, RST } from '../fixtures/packets';
import { closeAll, openNetwork } from '../fixtures/test-network';

const REMOTE = '10.1.2.3';

let folder: string;
let server: Server;
let guest: FakeGuest;
const sockets: Socket[] = [];
const programs = new Mailbox<{ readonly wire: Wire; readonly socket: Socket }>();

beforeEach(async () => {
  folder = temporaryFolder();
  server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    programs.put({ wire: new Wire(socket), socket });
  });
  server.listen(path.join(folder, 'tunnel.sock'));
  await once(server, 'listening');
  const tunnels = parseFlowTunnels(
    JSON.stringify([
      { protocol: 'tcp', dst_prefix: '10.1.0.0/16', dst_port: 80, path: path.join(folder, 'tunnel.sock') },
      { protocol: 'tcp', dst_prefix: '10.2.0.0/16', path: path.join(folder, 'nobody.sock') },
    ]),
  );
  guest = new FakeGuest(openNetwork({ intercept: (flow) => findTunnel(tunnels, flow) }));
});

afterEach(async () => {
  closeAll();
  server.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  await once(server, 'close');
});

/** Waits for the end of what we say, which a reset is, too. */
async function hangUp(socket: Socket): Promise<void> {
  await until('the end', () => socket.readableEnded || socket.closed);
}

function answer(json: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(json));
  return Buffer.concat([Buffer.from([text.length & 0xff, text.length >> 8]), text]);
}

test('a flow goes through the program that takes it', async () => {
  const connection = guest.tcp(40_000, 80, REMOTE);
  await connection.open();
  connection.write(Buffer.from('before the answer'));
  const { wire, socket } = await programs.next();
  const length = (await wire.read(2)).readUInt16LE();
  expect(JSON.parse((await wire.read(length)).toString())).toEqual({
    protocol: 'tcp',
    src_ip: GUEST_IP,
    src_port: 40_000,
    dst_ip: REMOTE,
    dst_port: 80,
  });
  // Its first words come with the answer.
  wire.write(Buffer.concat([answer({ accepted: true }), Buffer.from('welcome')]));
  expect((await connection.receive(7)).toString()).toBe('welcome');
  expect((await wire.read(17)).toString()).toBe('before the answer');
  connection.sendFin();
  await once(socket, 'end');
  socket.end('farewell');
  expect((await connection.receive(15)).toString()).toBe('welcomefarewell');
  await until('the end', () => connection.ended);
});

test.each([
  ['refuses it', answer({ accepted: false })],
  ['says something else', answer({ accepted: 'yes' })],
  ['says no JSON', Buffer.from([2, 0, 0x7b, 0x7b])],
  ['says too much', Buffer.from([0xff, 0xff, 0x7b])],
])('a flow ends when the program %s', async (_what, bytes) => {
  const connection = guest.tcp(40_000, 80, REMOTE);
  await connection.open();
  const { wire, socket } = await programs.next();
  wire.write(bytes);
  await hangUp(socket);
  await connection.segments.next(({ flags }) => (flags & (FIN | RST)) !== 0);
});

test('a flow ends when there is no program', async () => {
  const connection = guest.tcp(40_000, 443, '10.2.0.1');
  await connection.open();
  await connection.segments.next(({ flags }) => (flags & (FIN | RST)) !== 0);
});

test('others go as usual', () => {
  const tunnels = parseFlowTunnels('[{"protocol":"tcp","dst_prefix":"10.1.2.0/24","dst_port":0,"path":"/x"}]');
  const flow = (address: string) => ({
    source: { address: GUEST_IP, port: 1 },
    destination: { address, port: 5 },
  });
  expect(findTunnel(tunnels, flow('10.1.2.255'))).toBeDefined();
  expect(findTunnel(tunnels, flow('10.1.3.0'))).toBeUndefined();
  expect(findTunnel(tunnels, flow('fd00::1'))).toBeUndefined();
});

test.each([
  ['{}', 'the list'],
  ['[{"protocol":"udp","dst_prefix":"10.0.0.0/8","path":"/x"}]', '0.protocol: must be "tcp"'],
  ['[{"protocol":"tcp","dst_prefix":"10.0.0.0/33","path":"/x"}]', '0.dst_prefix: must be a network such as 10.0.0.0/8'],
  ['[{"protocol":"tcp","dst_prefix":"10.0.0.0/8","path":"x"}]', '0.path: must be the absolute path of a unix socket'],
])('%s is refused', (text, reason) => {
  expect(() => parseFlowTunnels(text)).toThrow(reason);
});

test('a file can hold anything', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        expect(parseFlowTunnels(text)).toBeInstanceOf(Array);
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
      }
    }),
  );
});
