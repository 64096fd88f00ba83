import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findVpnkitSocket } from '../../../../driver/config/vpnkit-socket';

let home: string;
const servers: Server[] = [];

async function listen(place: string): Promise<string> {
  const socket = path.join(home, place);
  mkdirSync(path.dirname(socket), { recursive: true });
  const server = createServer().listen(socket);
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return socket;
}

beforeEach(() => {
  // Short: a socket's path has room for 108 bytes.
  home = mkdtempSync(path.join(tmpdir(), 'hk-'));
});

afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  rmSync(home, { recursive: true });
});

test('none unless asked for', () => {
  expect(findVpnkitSocket('', home)).toBeUndefined();
});

test('a path is taken from where the command runs', async () => {
  const socket = await listen('eth.sock');
  expect(findVpnkitSocket(socket, home)).toBe(socket);
  expect(findVpnkitSocket(path.relative(process.cwd(), socket), home)).toBe(socket);
});

test("auto finds Docker Desktop's, the newer one first", async () => {
  const older = await listen('Library/Containers/com.docker.docker/Data/s50');
  expect(findVpnkitSocket('auto', home)).toBe(older);
  const newer = await listen('Library/Containers/com.docker.docker/Data/vpnkit.eth.sock');
  expect(findVpnkitSocket('auto', home)).toBe(newer);
});

test.each([
  ['auto', 'no VPNKit listens at'],
  ['/nowhere/eth.sock', 'there is no such file; start vpnkit or gvproxy first'],
])('%s without a socket is refused', (value, why) => {
  expect(() => findVpnkitSocket(value, home)).toThrow(
    expect.objectContaining({ code: 'HK_FLAG_INVALID', message: expect.stringContaining(why) as string }),
  );
});

test('a file that is no socket is refused', () => {
  const file = path.join(home, 'file');
  writeFileSync(file, '');
  expect(() => findVpnkitSocket(file, home)).toThrow('it is not a unix socket');
});
