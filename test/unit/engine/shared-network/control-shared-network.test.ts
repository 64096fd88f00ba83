import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { decodeResponse } from '../../../../engine/net/ethernet/codec';
import {
  findSharedAddress,
  sharedNetworkAnswers,
  startSharedNetwork,
  stopSharedNetwork,
} from '../../../../engine/shared-network/control-shared-network';
import { sharedNetworkFiles } from '../../../../engine/shared-network/shared-network-files';
import { processesNaming } from '../../../support/machines';
import { PROJECT } from '../../../support/peers';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';
import { join, note, OTHER_UUID, UUID, type Wire } from '../net/ethernet/network-fixture';

// The process that ships.
const PROGRAM = path.join(PROJECT, 'dist/hyperkit-network.cjs');
let folder = '';
const wires: Wire[] = [];

/** Plugs a machine in. Answers its card, in hex. */
async function plugIn(uuid: string): Promise<{ readonly wire: Wire; readonly mac: string }> {
  const { wire, response } = await join(sharedNetworkFiles(folder).socket, uuid);
  wires.push(wire);
  const vif = decodeResponse(response);
  if (vif?.kind !== 'vif') throw new Error('no interface');
  expect(vif.mtu).toBe(65_520);
  return { wire, mac: Buffer.from(vif.mac).toString('hex') };
}

/** Processes of the network, by their titles and their command lines. */
const processes = (): readonly string[] => processesNaming(path.basename(folder));

beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  for (const wire of wires.splice(0)) await wire.close();
  await stopSharedNetwork(folder);
  expect(processes()).toEqual([]);
});

test('several that start it at once have one process, and machines in it hear each other', async () => {
  expect(await sharedNetworkAnswers(folder)).toBe(false);
  await Promise.all([1, 2, 3].map(() => startSharedNetwork(folder, PROGRAM)));
  await until('one process is left', () => processes().length === 1, 20_000, processes);
  await startSharedNetwork(folder, PROGRAM);
  const [one, other] = [await plugIn(UUID), await plugIn(OTHER_UUID)];
  const hello = note('ffffffffffff', one.mac, 'hello');
  one.wire.send(hello);
  expect(await other.wire.receiveUntil((frame) => frame.equals(hello))).toEqual(hello);
});

test('killed and started again, it gives each machine what it had', async () => {
  await startSharedNetwork(folder, PROGRAM);
  const before = (await plugIn(UUID)).mac;
  await until('the address is written down', () => findSharedAddress(folder, UUID.toUpperCase()));
  process.kill(Number.parseInt(processes()[0] ?? '', 10), 'SIGKILL');
  await until('it is gone', async () => !(await sharedNetworkAnswers(folder)));
  await startSharedNetwork(folder, PROGRAM);
  expect((await plugIn(OTHER_UUID)).mac).not.toBe(before);
  expect((await plugIn(UUID)).mac).toBe(before);
  expect(findSharedAddress(folder, UUID)).toBe('192.168.65.3');
});

test('stopped, it leaves its addresses and its log, but no socket; to stop what is not there is fine', async () => {
  await startSharedNetwork(folder, PROGRAM);
  await plugIn(UUID);
  await stopSharedNetwork(folder);
  await stopSharedNetwork(folder);
  const { socket, log, addresses } = sharedNetworkFiles(folder);
  expect(existsSync(socket)).toBe(false);
  expect(readFileSync(log, 'utf8')).toContain('ends: SIGTERM');
  expect(readFileSync(addresses, 'utf8')).toContain(UUID);
});

test('one that cannot start says why, with its own words', async () => {
  writeFileSync(sharedNetworkFiles(folder).socket, 'not a socket');
  await expect(startSharedNetwork(folder, PROGRAM)).rejects.toMatchObject({
    code: 'HK_NET_UNAVAILABLE',
    message: expect.stringMatching(/^cannot start the network of .*network\.sock/s),
  });
  await expect(startSharedNetwork(folder, '/nowhere/program.cjs')).rejects.toThrow('Cannot find module');
});

test.each(['', '{', '[]', '{"version":1,"nextNumber":1,"clients":[{}]}'])(
  'an address book that says nothing of a machine: %j',
  (text) => {
    writeFileSync(sharedNetworkFiles(folder).addresses, text);
    expect(findSharedAddress(folder, UUID)).toBeUndefined();
  },
);
