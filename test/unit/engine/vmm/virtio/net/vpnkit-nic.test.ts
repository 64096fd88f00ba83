import { readFileSync } from 'node:fs';
import { type EthernetServer, serveEthernet } from '../../../../../../engine/net/ethernet/serve-ethernet';
import { Reactor } from '../../../../../../engine/net/reactor/reactor';
import type { NicBackend } from '../../../../../../engine/vmm/virtio/net/nic-backend';
import { openVpnkitNic, type VpnkitNicOptions } from '../../../../../../engine/vmm/virtio/net/vpnkit-nic';
import { countDescriptors } from '../../../../../support/descriptors';
import { until } from '../../../../../support/until';
import { arpAnswer, arpRequest } from '../../../net/ethernet/arp-frames';
import {
  GATEWAY_MAC,
  join,
  NetworkFixture,
  note,
  OTHER_UUID,
  openOnce,
  UUID,
  type Wire,
} from '../../../net/ethernet/network-fixture';
import { eventually, pattern } from '../../../net/fixtures/test-network';
import { NicDriver, type NicDriverOptions } from './nic-driver';

const MAC = '025000000001';
const OTHER_MAC = '025000000002';

let before: number;
let fixture: NetworkFixture;
let reactor: Reactor;
let server: EthernetServer;
let nic: NicBackend | undefined;
let wire: Wire | undefined;

async function serve(): Promise<void> {
  const url = { kind: 'path', path: fixture.path('ethernet.sock') } as const;
  server = await serveEthernet(fixture.open(), url, { log: () => undefined });
}

beforeAll(openOnce);

beforeEach(async () => {
  before = countDescriptors();
  fixture = new NetworkFixture();
  reactor = new Reactor();
  await serve();
});

afterEach(async () => {
  await nic?.close();
  nic = undefined;
  await wire?.close();
  wire = undefined;
  server.close();
  await fixture.close();
  reactor.close();
  await eventually(() => countDescriptors() <= before);
});

async function open(driverOptions: NicDriverOptions = {}, options: Partial<VpnkitNicOptions> = {}): Promise<NicDriver> {
  nic = await openVpnkitNic(reactor, { path: fixture.path('ethernet.sock'), uuid: UUID, log: fixture.log, ...options });
  return new NicDriver(nic, driverOptions);
}

async function findGateway(driver: NicDriver): Promise<string | undefined> {
  driver.send(arpRequest(MAC, '192.168.65.3', '192.168.65.1'));
  let answer: string | undefined;
  await eventually(() => {
    for (const { bytes } of driver.collect()) answer ??= arpAnswer(bytes, '192.168.65.1');
    return answer !== undefined;
  });
  return answer;
}

test('puts the guest into the network with the address that it has there, without offloads', async () => {
  const driver = await open({}, { macFile: fixture.path('mac') });
  expect(nic).toMatchObject({ mtu: 1500, offloads: 0n });
  expect(Buffer.from(nic!.mac).toString('hex')).toBe(MAC);
  expect(readFileSync(fixture.path('mac'), 'utf8')).toBe('02:50:00:00:00:01');
  expect(await findGateway(driver)).toBe(GATEWAY_MAC);
});

test('is back when the network is, while the guest lives on', async () => {
  const driver = await open();
  for (let round = 0; round < 2; round++) {
    server.close();
    await until('the loss to be noticed', () => fixture.lines.some((line) => line.includes('is gone')));
    // Into a cable that is out: gone, and their buffers are back.
    driver.send(arpRequest(MAC, '192.168.65.3', '192.168.65.1'));
    expect(driver.transmitRing.collect()).toHaveLength(1);
    await serve();
    await until('the return', () => fixture.lines.some((line) => line.includes('back in the network')));
    fixture.lines.length = 0;
    expect(await findGateway(driver)).toBe(GATEWAY_MAC);
  }
});

test('loses no frame to a guest that is short of buffers, nor one of its own', async () => {
  const driver = await open({ buffers: 4 });
  await findGateway(driver);
  driver.offer(4 - driver.receiveRing.underWay);
  const other = await join(fixture.path('ethernet.sock'), OTHER_UUID);
  wire = other.wire;
  const texts = Array.from({ length: 800 }, (_, index) => `${index} ${pattern(1000).toString('hex', 0, 400)}`);
  for (const text of texts) wire.send(note(MAC, OTHER_MAC, text));
  const got: string[] = [];
  await eventually(() => {
    for (const { bytes } of driver.collect())
      if (bytes.toString('hex', 12, 14) === '88b5') got.push(bytes.toString('utf8', 14));
    driver.offer(4 - driver.receiveRing.underWay);
    return got.length === texts.length;
  });
  expect(got).toEqual(texts);
  for (const text of texts.slice(0, 100)) driver.queue(note(OTHER_MAC, MAC, text));
  driver.kick();
  for (const text of texts.slice(0, 100)) expect((await wire.receive()).toString('utf8', 14)).toBe(text);
});

test("fills the guest's short frames up", async () => {
  const driver = await open();
  wire = (await join(fixture.path('ethernet.sock'), OTHER_UUID)).wire;
  wire.send(note('ffffffffffff', OTHER_MAC, 'here I am'));
  driver.send(note(OTHER_MAC, MAC, 'short'));
  expect((await wire.receive()).toString('utf8', 14)).toBe(`short${'\0'.repeat(41)}`);
});

test('says why it can not join', async () => {
  const nobody = { path: fixture.path('nobody'), connectMs: 0 };
  await expect(open({}, nobody)).rejects.toMatchObject({ code: 'HK_NET_UNAVAILABLE' });
  await expect(open({}, { macFile: fixture.path('no/such/folder') })).rejects.toMatchObject({ code: 'ENOENT' });
});
