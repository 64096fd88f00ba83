import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { type ControlListener, listenControl } from '../../../../../engine/net/control/listen-control';
import { temporaryFolder } from '../../../../support/temporary-folder';

let folder: string;
let file: string;
const open: ControlListener[] = [];
beforeEach(() => {
  folder = temporaryFolder();
  file = path.join(folder, 'x.sock');
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((listener) => listener.close()));
});

const listen = async (at = file): Promise<ControlListener> => {
  const listener = await listenControl(at, (socket) => socket.end('hello'));
  open.push(listener);
  return listener;
};
const visit = async (): Promise<string> => {
  let text = '';
  for await (const chunk of connect(file)) text += String(chunk);
  return text;
};

test('only this user may connect', async () => {
  await listen();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await visit()).toBe('hello');
});

test('closing removes the socket and ends its connections', async () => {
  const listener = await listenControl(file, () => {});
  const client = connect(file);
  client.resume();
  await once(client, 'connect');
  await listener.close();
  await once(client, 'close');
  expect(existsSync(file)).toBe(false);
});

test('a server that lives is left alone', async () => {
  await listen();
  await expect(listen()).rejects.toMatchObject({
    code: 'HK_NET_UNAVAILABLE',
    message: `cannot listen on ${file}: another program listens there; stop it or take another path`,
  });
  expect(await visit()).toBe('hello');
});

test('the socket of a server that died is replaced', async () => {
  // A process that ends without closing leaves its socket.
  const program = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', program, file]);
  expect(existsSync(file)).toBe(true);
  await listen();
  expect(await visit()).toBe('hello');
});

test('a file that is no socket stays', async () => {
  writeFileSync(file, 'precious');
  await expect(listen()).rejects.toThrow('there is a file that is not a socket');
  expect(existsSync(file)).toBe(true);
});

test('a folder that others can write to is refused, unless its files are their own', async () => {
  chmodSync(folder, 0o777);
  await expect(listen()).rejects.toThrow('other users can replace files');
  chmodSync(folder, 0o1777);
  await expect(listen()).resolves.toBeDefined();
});

test('a path that can not be is refused with the reason', async () => {
  await expect(listen(path.join(folder, 'no/x.sock'))).rejects.toThrow("its folder can't be used");
  await expect(listen('x.sock')).rejects.toThrow('it must be absolute');
  const long = path.join(folder, 'x'.repeat(120));
  mkdirSync(long);
  await expect(listen(path.join(long, 'x.sock'))).rejects.toThrow(/it has \d+ bytes/);
});
