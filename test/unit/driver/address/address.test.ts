import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { tryBind } from '../../../../driver/address/bindable';
import { chooseEndpoint, DOCKER_PORT } from '../../../../driver/address/endpoint';
import { loopbackAddress, macAddressOf, uuidOfName } from '../../../../driver/address/loopback-address';

const listen = (host: string, port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

let store = '';
beforeEach(() => {
  store = mkdtempSync(path.join(tmpdir(), 'hk-address-'));
});
afterEach(() => rmSync(store, { recursive: true, force: true }));
const wish = (more: Partial<Parameters<typeof chooseEndpoint>[0]> = {}) => ({
  storePath: store,
  machineName: 'm',
  address: '',
  sshPort: 0,
  bindAddress: '',
  ...more,
});

test('addresses lie in 127.64.0.0/10, are stable, and avoid .0 and .255', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(31), (storePath, name, attempt) => {
      const address = loopbackAddress(storePath, name, attempt);
      const [first, second, , fourth] = address.split('.').map(Number) as [number, number, number, number];
      expect(first).toBe(127);
      expect(second >= 64 && second <= 127).toBe(true);
      expect(fourth >= 1 && fourth <= 254).toBe(true);
      expect(loopbackAddress(storePath, name, attempt)).toBe(address);
    }),
  );
});

test('MAC addresses are unicast and locally administered', () => {
  fc.assert(
    fc.property(fc.uuid(), (uuid) => {
      const mac = macAddressOf(uuid);
      expect(mac).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
      expect(Number.parseInt(mac.slice(0, 2), 16) & 0x03).toBe(0x02);
    }),
  );
});

test('the UUID of a name is version 5 in the nil namespace', () => {
  // Value of Python's uuid.uuid5(uuid.UUID(int=0), "default").
  expect(uuidOfName('default')).toBe('c383e082-c957-5d44-8307-64f667cb0347');
});

test('a machine gets its first address and a port for SSH', async () => {
  const endpoint = await chooseEndpoint(wish());
  expect(endpoint.address).toBe(loopbackAddress(store, 'm', 0));
  expect([22, 2222]).toContain(endpoint.sshPort);
});

test('an address whose Docker port is taken is passed over', async () => {
  const server = await listen(loopbackAddress(store, 'm', 0), DOCKER_PORT);
  try {
    expect((await chooseEndpoint(wish())).address).toBe(loopbackAddress(store, 'm', 1));
  } finally {
    await close(server);
  }
});

test("a stopped neighbour's address is not taken", async () => {
  mkdirSync(path.join(store, 'machines', 'other'), { recursive: true });
  const config = { Driver: { IPAddress: loopbackAddress(store, 'm', 0) } };
  writeFileSync(path.join(store, 'machines', 'other', 'config.json'), JSON.stringify(config));
  mkdirSync(path.join(store, 'machines', 'broken'));
  expect((await chooseEndpoint(wish())).address).toBe(loopbackAddress(store, 'm', 1));
});

test('a recorded address is kept, also when the first would be free, and its SSH port too', async () => {
  expect(await chooseEndpoint(wish({ address: '127.70.1.1', sshPort: 2022 }))).toEqual({
    address: '127.70.1.1',
    sshPort: 2022,
  });
});

test('a recorded address of another host gives way to one of ours', async () => {
  expect((await chooseEndpoint(wish({ address: '192.168.64.5' }))).address).toBe(loopbackAddress(store, 'm', 0));
});

test('a recorded address that is taken is an error that names it, not a silent move', async () => {
  const server = await listen('127.70.1.2', DOCKER_PORT);
  try {
    await expect(chooseEndpoint(wish({ address: '127.70.1.2' }))).rejects.toThrow(
      '127.70.1.2:2376: another program does',
    );
  } finally {
    await close(server);
  }
});

test('a bind address that is not ours is an error', async () => {
  await expect(chooseEndpoint(wish({ bindAddress: '192.0.2.1' }))).rejects.toMatchObject({
    code: 'HK_ADDRESS_EXHAUSTED',
  });
});

test('SSH moves to 2222 when 22 is taken', async () => {
  const address = '127.70.1.3';
  if ((await tryBind(address, 22)) !== 'free') return;
  const server = await listen(address, 22);
  try {
    expect((await chooseEndpoint(wish({ bindAddress: address }))).sshPort).toBe(2222);
  } finally {
    await close(server);
  }
});
