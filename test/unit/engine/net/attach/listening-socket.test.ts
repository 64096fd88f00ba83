import { once } from 'node:events';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { openListeningSocket } from '../../../../../engine/net/attach/listening-socket';
import { AF_INET, EAGAIN, SOCK_STREAM, sockets } from '../../../../../native/sockets';
import { countDescriptors } from '../../../../support/descriptors';
import { dial, NetworkFixture } from '../ethernet/network-fixture';

let before: number;
let fixture: NetworkFixture;

beforeEach(() => {
  before = countDescriptors();
  fixture = new NetworkFixture();
});

afterEach(async () => {
  await fixture.close();
  expect(countDescriptors()).toBeLessThanOrEqual(before);
});

test('takes over the socket of a server that was killed', async () => {
  const path = fixture.path('a.sock');
  const dead = await openListeningSocket({ kind: 'path', path });
  sockets.close(dead.fd);
  expect(existsSync(path)).toBe(true);
  const again = await openListeningSocket({ kind: 'path', path });
  await (await dial(path)).close();
  again.close();
  expect(existsSync(path)).toBe(false);
});

test('leaves its path to a successor', async () => {
  const path = fixture.path('a.sock');
  const first = await openListeningSocket({ kind: 'path', path });
  renameSync(path, fixture.path('b.sock'));
  const second = await openListeningSocket({ kind: 'path', path });
  first.close();
  expect(existsSync(path)).toBe(true);
  second.close();
});

test.each([
  ['a file that is no socket', 'there is a file that is not a socket'],
  ['a missing folder', "its folder can't be used"],
])('refuses %s', async (what, reason) => {
  const path = fixture.path(what === 'a missing folder' ? 'missing/a.sock' : 'file');
  writeFileSync(fixture.path('file'), '');
  await expect(openListeningSocket({ kind: 'path', path })).rejects.toMatchObject({
    code: 'HK_NET_UNAVAILABLE',
    message: expect.stringContaining(reason) as string,
  });
});

test('takes a listening descriptor, and never waits for it', async () => {
  const server = createServer();
  server.listen(fixture.path('inherited.sock'));
  await once(server, 'listening');
  const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const listening = await openListeningSocket({ kind: 'fd', fd: sockets.duplicate(fd) });
  expect(sockets.accept(listening.fd)).toBe(-EAGAIN);
  listening.close();
  server.close();
  await once(server, 'close');
});

test('refuses descriptors that are not what it takes', async () => {
  const idle = sockets.socket(AF_INET, SOCK_STREAM);
  await expect(openListeningSocket({ kind: 'fd', fd: idle })).rejects.toMatchObject({
    message: `cannot listen on fd:${idle}: it is not a listening stream socket`,
  });
  sockets.close(idle);
  await expect(openListeningSocket({ kind: 'fd', fd: 1_000_000 })).rejects.toMatchObject({
    message: 'cannot listen on fd:1000000: getsockopt: EBADF',
  });
});
