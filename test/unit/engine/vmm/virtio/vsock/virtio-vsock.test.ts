import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { Reactor } from '../../../../../../engine/net/reactor/reactor';
import type { VirtioDevice } from '../../../../../../engine/vmm/virtio/device-model';
import { BUFFER_BYTES } from '../../../../../../engine/vmm/virtio/vsock/connection';
import { OP, SHUTDOWN_BOTH } from '../../../../../../engine/vmm/virtio/vsock/packet';
import { openVsock, type VsockOptions } from '../../../../../../engine/vmm/virtio/vsock/virtio-vsock';
import { countDescriptors } from '../../../../../support/descriptors';
import { Mailbox } from '../../../net/fixtures/fake-guest';
import { eventually, pattern } from '../../../net/fixtures/test-network';
import { GUEST_CID, packetBytes, VsockDriver } from './vsock-driver';

const SERVICE = 0x2375;

let before: number;
let folder: string;
let reactor: Reactor;
let device: VirtioDevice;
let driver: VsockDriver;
const sockets: Socket[] = [];
const servers: Server[] = [];

beforeEach(() => {
  before = countDescriptors();
  folder = mkdtempSync(path.join(tmpdir(), 'hk-vsock-'));
  reactor = new Reactor();
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await device?.close();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  reactor.close();
  const left = readdirSync(folder).filter((name) => name === 'connect' || /^(00000003|guest)\./.test(name));
  rmSync(folder, { recursive: true });
  expect(left).toEqual([]);
  await eventually(() => countDescriptors() <= before);
});

async function open(options: Partial<VsockOptions> = {}, buffers?: number): Promise<void> {
  device = await openVsock(reactor, { guestCid: GUEST_CID, folder, guestForwards: [0x2376], ...options });
  driver = new VsockDriver(device, buffers);
}

/** A program of the host behind a port that guests connect to. */
async function serve(port = SERVICE): Promise<Mailbox<Socket>> {
  const clients = new Mailbox<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('error', () => undefined));
    clients.put(socket);
  });
  servers.push(server.listen(path.join(folder, `00000002.${port.toString(16).padStart(8, '0')}`)));
  await once(server, 'listening');
  return clients;
}

async function dial(name: string): Promise<Socket> {
  const socket = connect({ path: path.join(folder, name), allowHalfOpen: true });
  sockets.push(socket.on('error', () => undefined));
  await once(socket, 'connect');
  return socket;
}

/** Its end, whether or not by an error. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => void socket.once('close', () => resolve()));
}

/** What a socket says, as it comes. */
function listenTo(socket: Socket): { readonly bytes: () => Buffer } {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => void parts.push(part));
  return { bytes: () => Buffer.concat(parts) };
}

const ends = (guestPort: number, hostPort = SERVICE) => ({ guestPort, hostPort });

describe('a connection of the guest', () => {
  it('goes to the program that listens for the port, and carries bytes both ways', async () => {
    await open();
    const clients = await serve();
    await driver.connect(SERVICE, 1000);
    const client = await clients.next();
    const heard = listenTo(client);
    driver.send({ ...ends(1000), op: OP.RW, payload: Buffer.from('ping') });
    await eventually(() => heard.bytes().toString() === 'ping');
    client.write('pong');
    const answer = await driver.next(OP.RW);
    expect(answer).toMatchObject({
      ...ends(1000),
      sourceCid: 2,
      destinationCid: GUEST_CID,
      bufAlloc: BUFFER_BYTES,
      fwdCnt: 4,
    });
    expect(Buffer.from(answer.payload).toString()).toBe('pong');
  });

  it('is refused where nobody listens', async () => {
    await open();
    driver.send({ ...ends(1000), op: OP.REQUEST });
    expect(await driver.next(OP.RST)).toMatchObject(ends(1000));
  });

  it('is told of bytes that have arrived, so that it can go on for ever', async () => {
    await open();
    const clients = await serve();
    await driver.connect(SERVICE, 1000);
    const heard = listenTo(await clients.next());
    const bytes = pattern(1_000_000);
    let credit = BUFFER_BYTES;
    for (let sent = 0; sent < bytes.length; ) {
      const part = bytes.subarray(sent, sent + Math.min(50_000, credit));
      if (part.length > 0) driver.send({ ...ends(1000), op: OP.RW, payload: part });
      sent += part.length;
      credit -= part.length;
      if (credit === 0) {
        const { fwdCnt, bufAlloc } = await driver.next(OP.CREDIT_UPDATE);
        credit = bufAlloc - (sent - fwdCnt);
      }
    }
    await eventually(() => heard.bytes().equals(bytes));
  });

  it('that sends more than it may is reset', async () => {
    await open();
    const clients = await serve();
    await driver.connect(SERVICE, 1000);
    const client = await clients.next();
    client.pause();
    const flood = (): void => driver.send({ ...ends(1000), op: OP.RW, payload: pattern(60_000) });
    let reset = false;
    for (let count = 0; count < 100 && !reset; count++) {
      flood();
      reset = driver.collect().some(({ op }) => op === OP.RST);
    }
    expect(reset).toBe(true);
  });

  it('keeps what the host does not read, and nothing is lost or reordered', async () => {
    await open();
    const clients = await serve();
    await driver.connect(SERVICE, 1000);
    const client = await clients.next();
    client.pause();
    const bytes = pattern(2_000_000);
    let sent = 0;
    let told = 0;
    const push = (): void => {
      for (const { op, fwdCnt } of driver.collect()) if (op === OP.CREDIT_UPDATE) told = fwdCnt;
      const part = bytes.subarray(sent, sent + Math.min(30_000, BUFFER_BYTES - (sent - told)));
      if (part.length > 0) driver.send({ ...ends(1000), op: OP.RW, payload: part });
      sent += part.length;
    };
    for (let count = 0; count < 200; count++) push();
    // The host's buffer and ours are full.
    expect(sent).toBeLessThan(bytes.length);
    const heard = listenTo(client);
    client.resume();
    await eventually(() => {
      push();
      return heard.bytes().length === bytes.length;
    });
    expect(heard.bytes().equals(bytes)).toBe(true);
  });

  it('that closes has its last bytes delivered first, and is confirmed', async () => {
    await open();
    const clients = await serve();
    await driver.connect(SERVICE, 1000);
    const client = await clients.next();
    driver.send(
      { ...ends(1000), op: OP.RW, payload: Buffer.from('bye') },
      { ...ends(1000), op: OP.SHUTDOWN, flags: SHUTDOWN_BOTH },
    );
    const heard = listenTo(client);
    await once(client, 'end');
    expect(heard.bytes().toString()).toBe('bye');
    expect(await driver.next(OP.RST)).toMatchObject(ends(1000));
  });

  it('that only sends no more still hears the answer', async () => {
    await open();
    const clients = await serve();
    await driver.connect(SERVICE, 1000);
    const client = await clients.next();
    client.resume();
    driver.send({ ...ends(1000), op: OP.SHUTDOWN, flags: 2 });
    await once(client, 'end');
    client.end('the answer');
    expect(Buffer.from((await driver.next(OP.RW)).payload).toString()).toBe('the answer');
    expect((await driver.next(OP.SHUTDOWN)).flags & 2).toBe(2);
    driver.send({ ...ends(1000), op: OP.SHUTDOWN, flags: SHUTDOWN_BOTH });
    await driver.next(OP.RST);
  });

  it('that hears no more makes the host notice', async () => {
    await open();
    const clients = await serve();
    await driver.connect(SERVICE, 1000);
    const client = await clients.next();
    driver.send({ ...ends(1000), op: OP.SHUTDOWN, flags: 1 });
    const failed = closing(client);
    const timer = setInterval(() => client.write('?'), 5);
    await failed.finally(() => clearInterval(timer));
  });

  it('asks for credit when it has none, and gets no byte more than it has room for', async () => {
    await open();
    const clients = await serve();
    await driver.connect(SERVICE, 1000, 10_000);
    const client = await clients.next();
    const bytes = pattern(25_000);
    client.write(bytes);
    const got: Buffer[] = [];
    await driver.next(OP.CREDIT_REQUEST, () => {
      const packets = driver.collect();
      for (const { op, payload } of packets) if (op === OP.RW) got.push(Buffer.from(payload));
      return packets;
    });
    expect(Buffer.concat(got).length).toBe(10_000);
    for (const fwdCnt of [10_000, 20_000]) {
      driver.send({ ...ends(1000), op: OP.CREDIT_UPDATE, bufAlloc: 10_000, fwdCnt });
      await eventually(() => {
        for (const { op, payload } of driver.collect()) if (op === OP.RW) got.push(Buffer.from(payload));
        return Buffer.concat(got).length === Math.min(25_000, fwdCnt + 10_000);
      });
    }
    expect(Buffer.concat(got).equals(bytes)).toBe(true);
  });

  it('waits for buffers of the guest, and loses nothing', async () => {
    await open({}, 2);
    const clients = await serve();
    await driver.connect(SERVICE, 1000);
    const client = await clients.next();
    const bytes = pattern(200_000);
    client.end(bytes);
    const got: Buffer[] = [];
    await driver.next(OP.SHUTDOWN, () => {
      const packets = driver.collect();
      for (const { op, payload } of packets) if (op === OP.RW) got.push(Buffer.from(payload));
      return packets;
    });
    expect(Buffer.concat(got).equals(bytes)).toBe(true);
  });

  it('learns that the host closed, and once it agrees there is nothing left of it', async () => {
    await open();
    const clients = await serve();
    const idle = countDescriptors();
    await driver.connect(SERVICE, 1000);
    (await clients.next()).destroy();
    const { flags } = await driver.next(OP.SHUTDOWN);
    expect(flags).toBe(SHUTDOWN_BOTH);
    driver.send({ ...ends(1000), op: OP.RST });
    await eventually(() => countDescriptors() === idle);
    driver.send({ ...ends(1000), op: OP.RW, payload: Buffer.from('late') });
    expect(await driver.next(OP.RST)).toMatchObject(ends(1000));
  });

  it('asked for twice is none', async () => {
    await open();
    await serve();
    await driver.connect(SERVICE, 1000);
    driver.send({ ...ends(1000), op: OP.REQUEST });
    await driver.next(OP.RST);
  });

  it('beyond the thousandth is refused until another ends', async () => {
    await open();
    const server = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
    servers.push(server.listen(path.join(folder, '00000002.00002375'), 2048));
    await once(server, 'listening');
    for (let port = 0; port < 1024; port++) {
      // A backlog that is full for a moment is a refusal, too.
      if (port % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
      await driver.connect(SERVICE, port);
    }
    driver.send({ ...ends(5000), op: OP.REQUEST });
    await driver.next(OP.RST);
    driver.send({ ...ends(17), op: OP.RST });
    await driver.connect(SERVICE, 5000);
  });
});

describe('a connection of the host', () => {
  it('goes where the line says, and bytes behind the line are the guest’s', async () => {
    await open();
    const socket = await dial('connect');
    socket.write('00000003.00000016\nhello');
    const request = await driver.next(OP.REQUEST);
    expect(request.guestPort).toBe(0x16);
    expect(request.hostPort).toBeGreaterThanOrEqual(0x1_0000);
    const both = ends(0x16, request.hostPort);
    driver.send({ ...both, op: OP.RESPONSE });
    expect(Buffer.from((await driver.next(OP.RW)).payload).toString()).toBe('hello');
    driver.send({ ...both, op: OP.RW, payload: Buffer.from('welcome') });
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toBe('welcome');
  });

  it('may take its time with the line', async () => {
    await open();
    const socket = await dial('connect');
    for (const part of ['0000', '0003.0000', '0016', '\n']) {
      socket.write(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await driver.next(OP.REQUEST)).guestPort).toBe(0x16);
  });

  it.each(['00000004.00000016\n', '00000003 00000016\n', '3.16\n00000000000000', 'GET / HTTP/1.1\r\n\r\n'])(
    'that begins with %j is closed',
    async (line) => {
      await open();
      const socket = await dial('connect');
      const closed = closing(socket);
      socket.resume().end(line);
      await closed;
    },
  );

  it('goes to a forwarded port by a socket of its own, which has two names', async () => {
    await open({ guestForwards: [0x2376, 0x2376, 22] });
    expect(readlinkSync(path.join(folder, 'guest.00002376'))).toBe('00000003.00002376');
    expect(statSync(path.join(folder, 'connect')).mode & 0o777).toBe(0o600);
    expect(statSync(path.join(folder, '00000003.00000016')).mode & 0o777).toBe(0o600);
    await dial('guest.00002376');
    expect((await driver.next(OP.REQUEST)).guestPort).toBe(0x2376);
  });

  it('ends when the guest refuses', async () => {
    await open();
    const socket = await dial('guest.00002376');
    const { hostPort } = await driver.next(OP.REQUEST);
    driver.send({ ...ends(0x2376, hostPort), op: OP.RST });
    socket.resume();
    await once(socket, 'end');
  });

  it('ends at once while the guest has no driver', async () => {
    device = await openVsock(reactor, { guestCid: GUEST_CID, folder, guestForwards: [0x2376] });
    const socket = await dial('guest.00002376');
    socket.resume();
    await once(socket, 'end');
  });
});

test('a reset of the guest ends every connection, and the next driver begins anew', async () => {
  await open();
  const clients = await serve();
  await driver.connect(SERVICE, 1000);
  const client = await clients.next();
  client.resume();
  await device.deactivate();
  await once(client, 'end');
  driver = new VsockDriver(device);
  await driver.connect(SERVICE, 1000);
});

test('replaces what a dead process left, and not what is somebody’s', async () => {
  symlinkSync('nowhere', path.join(folder, 'guest.00002376'));
  const dead = createServer().listen(path.join(folder, 'dead'));
  await once(dead, 'listening');
  await open();
  await device.close();
  writeFileSync(path.join(folder, 'guest.00002376'), '');
  await expect(open()).rejects.toMatchObject({ code: 'HK_NET_UNAVAILABLE' });
  expect(existsSync(path.join(folder, 'connect'))).toBe(false);
  rmSync(path.join(folder, 'guest.00002376'));
  dead.close();
});

test('refuses an address that no guest can have', async () => {
  for (const guestCid of [0, 2, 0xffff_ffff, 1.5]) {
    await expect(openVsock(reactor, { guestCid, folder, guestForwards: [] })).rejects.toMatchObject({
      code: 'HK_SPEC_INVALID',
    });
  }
});

test('a driver without room for a packet is stopped', async () => {
  await open({}, 0);
  driver.receiveRing.add([], [44]);
  driver.send({ ...ends(1), op: OP.REQUEST });
  expect(driver.faults).toEqual(['HK_GUEST_FAULT']);
});

test('whatever the guest sends, nothing breaks and nothing is left', async () => {
  await open();
  await serve();
  const idle = countDescriptors();
  const anything = fc.record({
    op: fc.integer({ min: 0, max: 9 }),
    guestPort: fc.integer({ min: 1, max: 3 }),
    hostPort: fc.constantFrom(SERVICE, SERVICE, 1),
    flags: fc.integer({ min: 0, max: 5 }),
    bufAlloc: fc.constantFrom(0, 1, 5000, 0xffff_ffff),
    fwdCnt: fc.constantFrom(0, 1, 0xffff_ffff),
    payload: fc.uint8Array({ maxLength: 50 }),
  });
  const wrong = fc.record(
    {
      length: fc.constantFrom(0, 1, 44, 0xffff_ffff),
      type: fc.constantFrom(0, 1, 2),
      sourceCid: fc.constantFrom(0, 2, 3, 2 ** 40),
      destinationCid: fc.constantFrom(0, 2, 3, 2 ** 40 + 2),
    },
    { requiredKeys: [] },
  );
  const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anything, fc.option(wrong), pieces), { maxLength: 40 }), async (packets) => {
      for (const [packet, mistake, cuts] of packets) {
        const bytes = packetBytes({ ...packet, ...mistake });
        const chain: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          chain.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        chain.push(bytes.subarray(at));
        driver.sendBytes(chain.filter(({ length }) => length > 0));
        driver.collect();
      }
      await new Promise((resolve) => setImmediate(resolve));
      for (const guestPort of [1, 2, 3])
        driver.send({ ...ends(guestPort), op: OP.RST }, { ...ends(guestPort, 1), op: OP.RST });
      driver.collect();
      for (const socket of sockets.splice(0)) socket.destroy();
    }),
    { numRuns: 60 },
  );
  for (const socket of sockets.splice(0)) socket.destroy();
  await eventually(() => countDescriptors() <= idle);
  expect(driver.faults).toEqual([]);
  // It still works.
  await driver.connect(SERVICE, 77);
});
