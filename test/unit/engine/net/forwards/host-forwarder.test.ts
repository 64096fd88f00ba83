import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import type { ForwardSpec } from '../../../../../engine/net/forwards/forwarder';
import { HostForwarder } from '../../../../../engine/net/forwards/host-forwarder';
import { PeerPorts } from '../../../../../engine/net/forwards/peer-ports';
import type { Network } from '../../../../../engine/net/network';
import { NativeError } from '../../../../../native/native-error';
import { sockets } from '../../../../../native/sockets';
import { countDescriptors } from '../../../../support/descriptors';
import { temporaryFolder } from '../../../../support/temporary-folder';
import { FakeGuest, type FakeTcp, GATEWAY_IP, GUEST_IP, HOST_IP, synOptions } from '../fixtures/fake-guest';
import { ACK, RST, readDatagram, SYN, UDP, udpBytes } from '../fixtures/packets';
import { closeAll, eventually, openNetwork, pattern, readAll } from '../fixtures/test-network';

let network: Network;
let guest: FakeGuest;
let forwarder: HostForwarder;
let folder: string;
const streams: { destroy(): void }[] = [];

beforeEach(() => {
  folder = temporaryFolder();
  network = openNetwork();
  guest = new FakeGuest(network);
  guest.send({ destination: GATEWAY_IP, protocol: 99, body: Buffer.alloc(0) });
  forwarder = new HostForwarder(network);
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.destroy();
  await forwarder.close();
  closeAll();
});

const tcp = (port = 0, more: Partial<ForwardSpec> = {}): ForwardSpec => ({
  protocol: 'tcp',
  host: { address: '127.0.0.1', port },
  guest: { address: GUEST_IP, port: 80 },
  ...more,
});

function portOf({ spec }: { readonly spec: ForwardSpec }): number {
  return 'path' in spec.host ? 0 : spec.host.port;
}

function call(where: number | string): Socket {
  const socket =
    typeof where === 'string'
      ? connect({ path: where, allowHalfOpen: true })
      : connect({ port: where, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  streams.push(socket);
  return socket;
}

/** A reset over TCP, an end over a unix socket, which knows no resets. */
function ended(client: Socket): Promise<void> {
  return new Promise((resolve) => {
    client
      .resume()
      .once('end', resolve)
      .once('close', () => resolve());
  });
}

/** The guest's end of the next connection to it, answered. */
async function answerCall(): Promise<FakeTcp> {
  const packet = await guest.packets.next(({ protocol, body }) => protocol === 6 && body[13] === SYN);
  const end = guest.tcp(packet.body.readUInt16BE(2), packet.body.readUInt16BE(0), packet.source);
  end.expected = (packet.body.readUInt32BE(4) + 1) >>> 0;
  end.send(SYN | ACK, { options: synOptions(1460, 7) });
  end.next++;
  await end.segments.next();
  return end;
}

async function listen(server: Server, where: number | string, host?: string): Promise<number> {
  server.listen(where as number, host);
  await once(server, 'listening');
  streams.push({ destroy: () => server.close() });
  return typeof where === 'string' ? 0 : (server.address() as AddressInfo).port;
}

describe.each(['tcp', 'unix'])('%s', (kind) => {
  const host = (): ForwardSpec['host'] =>
    kind === 'tcp' ? { address: '127.0.0.1', port: 0 } : { path: path.join(folder, 'socket') };
  const place = (forward: { readonly spec: ForwardSpec }): number | string =>
    'path' in forward.spec.host ? forward.spec.host.path : portOf(forward);

  it('carries bytes both ways, and both ends', async () => {
    let calls = 0;
    const forward = await forwarder.open(tcp(0, { host: host() }), () => calls++);
    expect(calls).toBe(0);
    const client = call(place(forward));
    const end = await answerCall();
    expect(calls).toBe(1);
    expect([end.port, end.remote]).toEqual([80, HOST_IP]);
    const sent = pattern(50_000);
    client.end(sent);
    expect((await end.receive(sent.length)).equals(sent)).toBe(true);
    await eventually(() => end.ended);
    const heard = readAll(client);
    end.write(sent.subarray(0, 1000));
    end.sendFin();
    expect((await heard).equals(sent.subarray(0, 1000))).toBe(true);
  });

  it('ends the call when the guest says no', async () => {
    const client = call(place(await forwarder.open(tcp(0, { host: host() }))));
    const closed = ended(client);
    const packet = await guest.packets.next(({ protocol }) => protocol === 6);
    const end = guest.tcp(80, packet.body.readUInt16BE(0));
    end.send(RST | ACK, { acknowledged: packet.body.readUInt32BE(4) + 1 });
    await closed;
  });

  it('ends the call when there is no such guest', async () => {
    const forward = await forwarder.open(tcp(0, { host: host(), guest: { address: '192.168.65.99', port: 80 } }));
    await ended(call(place(forward)));
  });

  it('stops listening when closed, twice too, and connections that exist stay', async () => {
    const forward = await forwarder.open(tcp(0, { host: host() }));
    const where = place(forward);
    const client = call(where);
    const end = await answerCall();
    await forward.close();
    await forward.close();
    expect(forwarder.list()).toEqual([]);
    const late = call(where);
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe(kind === 'tcp' ? 'ECONNREFUSED' : 'ENOENT');
    client.write('still here');
    expect((await end.receive(10)).toString()).toBe('still here');
    // The place is free again.
    await forwarder.open(
      tcp(0, { host: typeof where === 'string' ? { path: where } : { address: '127.0.0.1', port: where } }),
    );
    await once(call(where), 'connect');
  });

  it('carries ten calls at once', async () => {
    const where = place(await forwarder.open(tcp(0, { host: host() })));
    const clients = Array.from({ length: 10 }, () => call(where));
    const ends: FakeTcp[] = [];
    for (const _client of clients) ends.push(await answerCall());
    for (const end of ends) end.automatic = true;
    for (const [index, client] of clients.entries()) client.write(`client ${index}`);
    const heard: string[] = [];
    for (const end of ends) heard.push((await end.receive(8)).toString());
    expect(heard.sort()).toEqual(clients.map((_, index) => `client ${index}`));
  });
});

it('waits for a guest that is expected, asking again and again', async () => {
  const late = openNetwork();
  const patient = new HostForwarder(late);
  const booting = new FakeGuest(late);
  const link = booting.link;
  late.gateway.neighbours.expect({ w0: 0, w1: 0, w2: 0xffff, w3: 0xc0a8_4103 | 0 }, 0x025000000001, link);
  const client = call(portOf(await patient.open(tcp())));
  await once(client, 'connect');
  client.write('hello');
  await eventually(() => late.tcp.statistics.connections === 1);
  expect(link.sentFrames).toBe(0);
  booting.send({ destination: GATEWAY_IP, protocol: 99, body: Buffer.alloc(0) });
  guest = booting;
  const end = await answerCall();
  expect((await end.receive(5)).toString()).toBe('hello');
  await patient.close();
});

it('opens ten forwards at once, lists them in order, and says the ports that it was given', async () => {
  const forwards = await Promise.all(Array.from({ length: 10 }, () => forwarder.open(tcp())));
  expect(new Set(forwards.map(portOf)).size).toBe(10);
  expect(forwarder.list()).toEqual(forwards);
  const descriptors = countDescriptors();
  await forwarder.close();
  expect(forwarder.list()).toEqual([]);
  expect(countDescriptors()).toBeLessThanOrEqual(descriptors - 10);
});

describe("what can't be, in the words that VPNKit's clients know", () => {
  const message = async (spec: ForwardSpec): Promise<string> => {
    const failure = (await forwarder.open(spec).catch((error: unknown) => error)) as { code: string; message: string };
    expect(failure.code).toBe('HK_FORWARD_FAILED');
    return failure.message;
  };

  it('a port in use', async () => {
    const port = await listen(createServer(), 0, '127.0.0.1');
    expect(await message(tcp(port))).toBe(`Bind for 127.0.0.1:${port} failed: port is already allocated`);
    const forward = await forwarder.open(tcp(0, { protocol: 'udp' }));
    const again = tcp(portOf(forward), { protocol: 'udp' });
    expect(await message(again)).toBe(`Bind for 127.0.0.1:${portOf(forward)} failed: port is already allocated`);
  });

  it('an address that is not of this host', async () => {
    for (const protocol of ['tcp', 'udp'] as const) {
      expect(await message(tcp(0, { protocol, host: { address: '192.0.2.1', port: 8080 } }))).toBe(
        `listen ${protocol} 192.0.2.1:8080: bind: cannot assign requested address`,
      );
    }
  });

  it('texts that are no addresses, and ports that are none', async () => {
    expect(await message(tcp(0, { host: { address: 'example', port: 1 } }))).toContain('not an IP address');
    expect(await message(tcp(0, { guest: { address: 'example', port: 1 } }))).toContain('not an IP address');
    expect(await message(tcp(70_000))).toContain('listen tcp 127.0.0.1:70000');
  });

  it('a path in use, in a folder that is not there, and one that is too long', async () => {
    const used = path.join(folder, 'used');
    await listen(createServer(), used);
    expect(await message(tcp(0, { host: { path: used } }))).toBe(`Bind for ${used} failed: port is already allocated`);
    const nowhere = path.join(folder, 'no', 'socket');
    expect(await message(tcp(0, { host: { path: nowhere } }))).toContain(nowhere);
    writeFileSync(path.join(folder, 'file'), 'precious');
    expect(await message(tcp(0, { host: { path: path.join(folder, 'file') } }))).toContain('already allocated');
    expect(forwarder.list()).toEqual([]);
  });

  const mayBindLow = process.getuid?.() === 0;
  (mayBindLow ? it.skip : it)('a port that only root may have (skipped for root, who may)', async () => {
    expect(await message(tcp(1))).toBe('Bind for 127.0.0.1:1 failed: permission denied');
  });
});

it('makes unix sockets that only their owner may use', async () => {
  const where = path.join(folder, 'socket');
  await forwarder.open(tcp(0, { host: { path: where } }));
  expect(statSync(where).mode & 0o777).toBe(0o600);
});

it('ends a call over a unix socket when there are no descriptors left for it, and takes the next', async () => {
  const where = path.join(folder, 'socket');
  await forwarder.open(tcp(0, { host: { path: where } }));
  const none = jest.spyOn(sockets, 'pair').mockImplementationOnce(() => {
    throw new NativeError('socketpair', 'EMFILE');
  });
  await ended(call(where));
  none.mockRestore();
  call(where);
  await answerCall();
});

it('closes calls over unix sockets when all is closed', async () => {
  const where = path.join(folder, 'socket');
  await forwarder.open(tcp(0, { host: { path: where } }));
  const client = call(where);
  await answerCall();
  client.resume();
  const closed = once(client, 'end');
  await forwarder.close();
  await closed;
});

it('listens on IPv6 for an IPv4 guest', async () => {
  const forward = await forwarder.open(tcp(0, { host: { address: '::1', port: 0 } }));
  const client = connect(portOf(forward), '::1');
  streams.push(client);
  const end = await answerCall();
  expect(end.remote).toBe(HOST_IP);
  client.write('hi');
  expect((await end.receive(2)).toString()).toBe('hi');
});

describe('udp', () => {
  async function peer(): Promise<{ socket: ReturnType<typeof createSocket>; got: string[] }> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    streams.push({ destroy: () => socket.close() });
    const got: string[] = [];
    socket.on('message', (payload) => void got.push(payload.toString()));
    return { socket, got };
  }

  it('gives each peer a port of the gateway, by which answers find back', async () => {
    const port = portOf(await forwarder.open(tcp(0, { protocol: 'udp', guest: { address: GUEST_IP, port: 53 } })));
    const peers = [await peer(), await peer()];
    const ports: number[] = [];
    for (const [index, { socket }] of [...peers, ...peers].entries()) {
      socket.send(`from ${index % 2}`, port, '127.0.0.1');
      const packet = await guest.packets.next(({ protocol }) => protocol === UDP);
      const datagram = readDatagram(packet);
      expect([packet.source, datagram.destinationPort, datagram.payload.toString()]).toEqual([
        GATEWAY_IP,
        53,
        `from ${index % 2}`,
      ]);
      ports.push(datagram.sourcePort);
    }
    expect(ports[0]).toBe(ports[2]);
    expect(ports[1]).toBe(ports[3]);
    expect(ports[0]).not.toBe(ports[1]);
    for (const index of [1, 0]) {
      const body = udpBytes(GUEST_IP, GATEWAY_IP, 53, ports[index]!, Buffer.from(`to ${index}`));
      guest.send({ destination: GATEWAY_IP, protocol: UDP, body });
      await eventually(() => peers[index]!.got.length === 1);
      expect(peers[index]!.got).toEqual([`to ${index}`]);
    }
    // Another guest, or another port of this one, does not speak for it.
    const other = new FakeGuest(network, '192.168.65.9', '02:50:00:00:00:09');
    other.send({
      destination: GATEWAY_IP,
      protocol: UDP,
      body: udpBytes(other.ip, GATEWAY_IP, 53, ports[0]!, Buffer.from('spoof')),
    });
    guest.send({
      destination: GATEWAY_IP,
      protocol: UDP,
      body: udpBytes(GUEST_IP, GATEWAY_IP, 54, ports[0]!, Buffer.from('spoof')),
    });
    expect((await other.packets.next()).body.subarray(0, 2).toString('hex')).toBe('0303');
    expect((await guest.packets.next()).body.subarray(0, 2).toString('hex')).toBe('0303');
    expect(peers[0]!.got).toEqual(['to 0']);
  });

  it('drops what is for a guest that is not there', async () => {
    const port = portOf(
      await forwarder.open(tcp(0, { protocol: 'udp', guest: { address: '192.168.65.99', port: 53 } })),
    );
    const { socket } = await peer();
    await new Promise((resolve) => socket.send('x', port, '127.0.0.1', resolve));
    expect(guest.link.sentFrames).toBe(0);
  });

  it('serves a bounded number of peers', async () => {
    const guestEnd = { address: { w0: 0, w1: 0, w2: 0xffff, w3: 1 }, port: 53 };
    const peers = new PeerPorts(network.reactor);
    const ports = new Set<number | undefined>();
    for (let port = 1; port <= 4096; port++)
      ports.add(peers.portFor(3, { address: Buffer.from([127, 0, 0, 1]), port }, guestEnd));
    expect(ports.size).toBe(4096);
    expect(peers.portFor(3, { address: Buffer.from([127, 0, 0, 1]), port: 5000 }, guestEnd)).toBeUndefined();
    peers.forget(3);
    expect(peers.portFor(3, { address: Buffer.from([127, 0, 0, 1]), port: 5000 }, guestEnd)).toBeDefined();
    peers.close();
  });
});
