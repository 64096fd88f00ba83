import { existsSync } from 'node:fs';
import { listenVfkit } from '../../../../../engine/net/attach/listen-vfkit';
import { openListeningSocket } from '../../../../../engine/net/attach/listening-socket';
import type { OpenGateway } from '../../../../../engine/net/open-gateway';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import { AF_UNIX, EAGAIN, SOCK_DGRAM, sockets } from '../../../../../native/sockets';
import { countDescriptors } from '../../../../support/descriptors';
import { until } from '../../../../support/until';
import { arpAnswer, arpRequest } from '../ethernet/arp-frames';
import { GATEWAY_MAC, NetworkFixture, note, openOnce } from '../ethernet/network-fixture';

const MAC = '5a94efe40cee';

let before: number;
let fixture: NetworkFixture;
let gateway: OpenGateway;
let listener: { close(): void };
let path: string;
const machines: Machine[] = [];

/** A vfkit: datagrams from a path of its own. */
class Machine {
  readonly #fd = sockets.socket(AF_UNIX, SOCK_DGRAM);
  readonly #buffer = allocatePinned(70_000);

  constructor(name: string | undefined, isConnected = true) {
    if (name !== undefined) sockets.bindPath(this.#fd, fixture.path(name));
    if (isConnected) expect(sockets.connectPath(this.#fd, path)).toBe(0);
    machines.push(this);
  }

  send(bytes: Uint8Array): number {
    this.#buffer.bytes.set(bytes);
    return sockets.send(this.#fd, this.#buffer.address, bytes.length);
  }

  /** For one that is not connected: unix(7) then limits how many datagrams may wait for it. */
  sendTo(to: string, bytes: Uint8Array): void {
    const name = allocatePinned(110);
    name.view.setUint16(0, AF_UNIX, true);
    const length = name.bytes.write(to, 2);
    this.#buffer.bytes.set(bytes);
    sockets.sendToPrepared(this.#fd, this.#buffer.address, bytes.length, name.address, 2 + length + 1);
  }

  /** Undefined: there is nothing. */
  receive(): Buffer | undefined {
    const length = sockets.receive(this.#fd, this.#buffer.address, 70_000);
    if (length === -EAGAIN) return undefined;
    return Buffer.from(this.#buffer.bytes.subarray(0, length));
  }

  async resolve(): Promise<string | undefined> {
    this.send(arpRequest(MAC, '192.168.65.3', '192.168.65.1'));
    return await until('an answer', () => {
      const frame = this.receive();
      return frame && arpAnswer(frame, '192.168.65.1');
    });
  }

  close(): void {
    sockets.close(this.#fd);
  }
}

beforeAll(openOnce);

beforeEach(async () => {
  before = countDescriptors();
  fixture = new NetworkFixture();
  gateway = fixture.open();
  path = fixture.path('vfkit.sock');
  listener = await listenVfkit(gateway, { kind: 'path', path });
});

afterEach(async () => {
  listener.close();
  for (const machine of machines.splice(0)) machine.close();
  expect(existsSync(path)).toBe(false);
  await fixture.close();
  expect(countDescriptors()).toBeLessThanOrEqual(before);
});

test('a machine is found by its first datagram', async () => {
  const machine = new Machine('a.sock');
  expect(await machine.resolve()).toBe(GATEWAY_MAC);
  expect(gateway.book.clients()).toMatchObject([{ ip: 0xc0a8_4103, isConnected: true }]);
});

test('an old vfkit begins with its name', async () => {
  const machine = new Machine('a.sock');
  machine.send(Buffer.from('VFKT'));
  await until('the machine to be there', () => gateway.network.switch.links.size === 1);
  expect(await machine.resolve()).toBe(GATEWAY_MAC);
});

test('a machine that was restarted takes the place of the former one', async () => {
  const first = new Machine('a.sock');
  expect(await first.resolve()).toBe(GATEWAY_MAC);
  const second = new Machine('b.sock');
  expect(await second.resolve()).toBe(GATEWAY_MAC);
  expect(gateway.network.switch.links.size).toBe(1);
  expect(gateway.book.clients()).toMatchObject([{ isConnected: true }]);
});

test('what can’t be answered or is no frame changes nothing', async () => {
  const nameless = new Machine(undefined);
  nameless.send(arpRequest(MAC, '192.168.65.3', '192.168.65.1'));
  const machine = new Machine('a.sock');
  for (const length of [0, 1, 13, 1515, 65_000]) machine.send(Buffer.alloc(length, 0xff));
  expect(await machine.resolve()).toBe(GATEWAY_MAC);
});

test.each([true, false])('a machine that reads slowly loses nothing (connected: %s)', async (isConnected) => {
  const machine = new Machine('a.sock', isConnected);
  if (isConnected) machine.send(Buffer.from('VFKT'));
  else machine.sendTo(path, Buffer.from('VFKT'));
  await until('the machine to be there', () => gateway.network.switch.links.size === 1);
  const [link] = gateway.network.switch.links;
  const frame = note(MAC, '025000000009', 'x'.repeat(1400));
  const payload = allocatePinned(frame.length + 16);
  payload.bytes.set(frame, 16);
  const count = 400;
  gateway.network.reactor.enter(() => {
    for (let index = 0; index < count; index++) {
      payload.view.setUint16(16 + 14, index);
      link?.send({
        header: payload,
        headerBytes: frame.length,
        payload,
        payloadStart: 0,
        payloadBytes: 0,
        checksumStart: -1,
        checksumOffset: 0,
        segmentBytes: 0,
      });
    }
  });
  for (let index = 0; index < count; index++) {
    const received = await until('a frame', () => machine.receive());
    expect(received.readUInt16BE(14)).toBe(index);
  }
});

test('a machine that is gone is unplugged when something is sent to it', async () => {
  const machine = new Machine('a.sock');
  expect(await machine.resolve()).toBe(GATEWAY_MAC);
  machine.close();
  machines.pop();
  const [link] = gateway.network.switch.links;
  const header = allocatePinned(80);
  gateway.network.reactor.enter(() =>
    link?.send({
      header,
      headerBytes: 60,
      payload: header,
      payloadStart: 0,
      payloadBytes: 0,
      checksumStart: -1,
      checksumOffset: 0,
      segmentBytes: 0,
    }),
  );
  expect(gateway.network.switch.links.size).toBe(0);
  expect(await new Machine('b.sock').resolve()).toBe(GATEWAY_MAC);
});

test('a path that another server has open is left to it', async () => {
  await expect(openListeningSocket({ kind: 'path', path }, SOCK_DGRAM)).rejects.toMatchObject({
    code: 'HK_NET_UNAVAILABLE',
    message: `cannot listen on ${path}: another program listens there; stop it or take another path`,
  });
});
