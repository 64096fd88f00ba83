import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { attachStream } from '../../../../../engine/net/attach/attach-stream';
import { listenQemu } from '../../../../../engine/net/attach/listen-qemu';
import { QEMU_FRAMING, VPNKIT_FRAMING } from '../../../../../engine/net/link/stream-link';
import type { OpenGateway } from '../../../../../engine/net/open-gateway';
import { sockets } from '../../../../../native/sockets';
import { countDescriptors } from '../../../../support/descriptors';
import { until } from '../../../../support/until';
import {
  dial,
  GATEWAY_MAC,
  NetworkFixture,
  note,
  openOnce,
  resolve,
  type Wire,
  wireOf,
} from '../ethernet/network-fixture';

const MAC = '525400000001';
const OTHER_MAC = '525400000002';

let before: number;
let fixture: NetworkFixture;
let gateway: OpenGateway;
let listener: { close(): void };
let path: string;

beforeAll(openOnce);

beforeEach(async () => {
  before = countDescriptors();
  fixture = new NetworkFixture();
  gateway = fixture.open();
  path = fixture.path('qemu.sock');
  listener = await listenQemu(gateway, { kind: 'path', path });
});

afterEach(async () => {
  listener.close();
  expect(existsSync(path)).toBe(false);
  await fixture.close();
  expect(countDescriptors()).toBeLessThanOrEqual(before);
});

test('a machine is on the network from its first frame on, as long as it is plugged in', async () => {
  const wire = await dial(path, QEMU_FRAMING);
  expect(await resolve(wire, MAC, '192.168.65.3', '192.168.65.1')).toBe(GATEWAY_MAC);
  expect(gateway.book.clients()).toMatchObject([{ uuid: undefined, ip: 0xc0a8_4103, isConnected: true }]);
  await wire.close();
  await until('its leaving', () => gateway.book.clients()[0]?.isConnected === false);
});

test('machines hear each other, however they are plugged in', async () => {
  const first = await dial(path, QEMU_FRAMING);
  const [ours, theirs] = sockets.pair();
  attachStream(gateway, new Socket({ fd: ours, readable: true, writable: true }));
  const second = wireOf(theirs, VPNKIT_FRAMING);
  expect(await resolve(first, MAC, '192.168.65.3', '192.168.65.1')).toBe(GATEWAY_MAC);
  expect(await resolve(second, OTHER_MAC, '192.168.65.4', '192.168.65.1')).toBe(GATEWAY_MAC);
  first.send(note(OTHER_MAC, MAC, 'hello'));
  expect(await second.receiveUntil((frame) => frame.length < 30)).toEqual(note(OTHER_MAC, MAC, 'hello'));
  await first.close();
  await second.close();
  await until('their leaving', () => gateway.network.switch.links.size === 0);
});

test('who is out of step is unplugged, others are not', async () => {
  const wire = await dial(path, QEMU_FRAMING);
  const broken = await dial(path, QEMU_FRAMING);
  broken.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  expect(await broken.readToEnd()).toHaveLength(0);
  expect(await resolve(wire, MAC, '192.168.65.3', '192.168.65.1')).toBe(GATEWAY_MAC);
  await wire.close();
});

test('there are at most 256 on a socket', async () => {
  const wires: Wire[] = [];
  while (wires.length < 257) wires.push(await dial(path, QEMU_FRAMING));
  await until('one to be sent away', () => wires.filter(({ isOver }) => isOver).length === 1);
  for (const wire of wires) await wire.close();
}, 60_000);
