import { bridgeToVpnkit, type VpnkitBridge } from '../../../../../engine/net/ethernet/bridge-to-vpnkit';
import { type EthernetServer, serveEthernet } from '../../../../../engine/net/ethernet/serve-ethernet';
import { QEMU_FRAMING } from '../../../../../engine/net/link/stream-link';
import { Reactor } from '../../../../../engine/net/reactor/reactor';
import { sockets } from '../../../../../native/sockets';
import { countDescriptors } from '../../../../support/descriptors';
import { until } from '../../../../support/until';
import { GATEWAY_MAC, NetworkFixture, OTHER_UUID, openOnce, resolve, UUID, type Wire, wireOf } from './network-fixture';

const MAC = '025000000001';

let before: number;
let reactor: Reactor;
let fixture: NetworkFixture;
let server: EthernetServer;
let bridge: VpnkitBridge;
let guest: Wire;

/** As after a restart: nothing of the network before is known any more. */
async function serve(): Promise<void> {
  const url = { kind: 'path', path: fixture.path('ethernet.sock') } as const;
  server = await serveEthernet(fixture.open(), url, { log: () => undefined });
}

const askForGateway = (): Promise<string | undefined> => resolve(guest, MAC, '192.168.65.3', '192.168.65.1');

beforeAll(openOnce);

beforeEach(async () => {
  before = countDescriptors();
  fixture = new NetworkFixture();
  await serve();
  reactor = new Reactor();
  bridge = await bridgeToVpnkit(reactor, { path: fixture.path('ethernet.sock'), uuid: UUID, log: fixture.log });
  const [ours, theirs] = sockets.pair();
  bridge.relay.plugNear(ours, QEMU_FRAMING);
  guest = wireOf(theirs, QEMU_FRAMING);
});

afterEach(async () => {
  bridge.close();
  reactor.close();
  await guest.close();
  server.close();
  await fixture.close();
  expect(countDescriptors()).toBeLessThanOrEqual(before);
});

test('puts a machine into the network, with the card that it has there', async () => {
  expect(bridge).toMatchObject({ mac: '02:50:00:00:00:01', mtu: 1500 });
  expect(await askForGateway()).toBe(GATEWAY_MAC);
});

test('is back with the network, as often as that goes away', async () => {
  for (let round = 0; round < 3; round++) {
    server.close();
    await until('the loss to be noticed', () => fixture.lines.some((line) => line.includes('is gone')));
    await serve();
    await until('the return', () => fixture.lines.some((line) => line.includes('back in the network')));
    fixture.lines.length = 0;
    expect(await askForGateway()).toBe(GATEWAY_MAC);
  }
});

test('says once why it is not back yet', async () => {
  server.close();
  const missing = (line: string): boolean => line.includes('connect: ENOENT');
  await until('a try', () => fixture.lines.some(missing));
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(fixture.lines.filter(missing)).toHaveLength(1);
  expect(guest.isOver).toBe(false);
});

test('says when the network knows the machine by another card', async () => {
  server.close();
  const gateway = fixture.open();
  gateway.book.connect({ uuid: OTHER_UUID });
  const url = { kind: 'path', path: fixture.path('ethernet.sock') } as const;
  server = await serveEthernet(gateway, url, { log: () => undefined });
  await until('the return', () => fixture.lines.some((line) => line.includes('back in the network')));
  expect(fixture.lines).toContain(
    'the network now knows the machine as 02:50:00:00:00:02, its card is 02:50:00:00:00:01',
  );
});

test('carries a machine that starts again', async () => {
  await guest.close();
  const [ours, theirs] = sockets.pair();
  bridge.relay.plugNear(ours, QEMU_FRAMING);
  guest = wireOf(theirs, QEMU_FRAMING);
  expect(await askForGateway()).toBe(GATEWAY_MAC);
});

test('ends at once when it waits for the network', async () => {
  server.close();
  await until('the loss to be noticed', () => fixture.lines.some((line) => line.includes('is gone')));
  bridge.close();
  expect(await guest.readToEnd()).toHaveLength(0);
});

test('says why there is no network', async () => {
  const options = { path: fixture.path('nobody.sock'), uuid: UUID, connectMs: 0, log: fixture.log };
  await expect(bridgeToVpnkit(reactor, options)).rejects.toMatchObject({ code: 'HK_NET_UNAVAILABLE' });
});
