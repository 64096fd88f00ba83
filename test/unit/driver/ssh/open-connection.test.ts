import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { openSshConnection } from '../../../../driver/ssh/open-connection';
import type { SshConnection } from '../../../../driver/ssh/ssh-connection';
import { countDescriptors } from '../../../support/descriptors';
import { AT_ONCE, makeKey, startSshServer, type TestSshServer } from '../../../support/ssh-server';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';

const DEADLINE = { deadlineMs: 60_000 };
const servers: TestSshServer[] = [];
const listeners: Server[] = [];
const connections: SshConnection[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  for (const server of servers.splice(0)) await server.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const listener of listeners.splice(0)) listener.close();
});

async function serve(): Promise<TestSshServer> {
  const server = await startSshServer({ folder: temporaryFolder() });
  servers.push(server);
  return server;
}

async function open(...[target, options]: Parameters<typeof openSshConnection>): Promise<SshConnection> {
  const connection = await openSshConnection(target, options);
  connections.push(connection);
  return connection;
}

/** Accepts connections and lets `greet` do with them. */
async function listen(greet: (socket: Socket) => void): Promise<number> {
  const listener = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    greet(socket);
  });
  listeners.push(listener);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return (listener.address() as AddressInfo).port;
}

describe('a command', () => {
  test('has its status and both of its outputs, apart', async () => {
    const { target } = await serve();
    const connection = await open(target, DEADLINE);
    expect(await connection.run('echo out; echo err >&2; exit 7')).toEqual({
      code: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await connection.run('true')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('that ends as soon as it begins has its status and output', async () => {
    const { target } = await serve();
    const connection = await open(target, DEADLINE);
    for (let round = 0; round < 20; round++) {
      expect(await connection.run(AT_ONCE)).toEqual({ code: 5, stdout: 'done\n', stderr: '' });
    }
  });

  test('reads its input to the end, also one of several megabytes, and gets none when none is given', async () => {
    const { target } = await serve();
    const connection = await open(target, DEADLINE);
    expect((await connection.run('cat', { stdin: 'grüße\n' })).stdout).toBe('grüße\n');
    expect((await connection.run('wc -c', { stdin: Buffer.alloc(5_000_000, 1) })).stdout.trim()).toBe('5000000');
    expect((await connection.run('cat')).stdout).toBe('');
  });

  test('that does not read its input ends all the same', async () => {
    const { target } = await serve();
    const connection = await open(target, DEADLINE);
    expect((await connection.run('exit 3', { stdin: Buffer.alloc(5_000_000) })).code).toBe(3);
  });

  test('that was ended by a signal has no status', async () => {
    const { target } = await serve();
    const connection = await open(target, DEADLINE);
    expect(await connection.run('echo before; kill -TERM $$')).toMatchObject({ code: null, stdout: 'before\n' });
  });

  test('that takes too long is ended in the guest, and the connection goes on', async () => {
    const { target } = await serve();
    const connection = await open(target, DEADLINE);
    const run = connection.run('echo $$; exec sleep 1000', { deadlineMs: 300 });
    await expect(run).rejects.toMatchObject({
      code: 'HK_SSH_TIMEOUT',
      message: expect.stringContaining('within 0.3 s'),
    });
    expect((await connection.run('echo still here')).stdout).toBe('still here\n');
  });

  test('that never stops talking is cut off', async () => {
    const { target } = await serve();
    const connection = await open(target, DEADLINE);
    await expect(connection.run('yes')).rejects.toMatchObject({ code: 'HK_SSH_COMMAND_FAILED' });
  });

  test('many at once share the connection', async () => {
    const { target } = await serve();
    const connection = await open(target, DEADLINE);
    const results = await Promise.all(Array.from({ length: 8 }, (_, index) => connection.run(`echo ${index}`)));
    expect(results.map(({ stdout }) => stdout.trim())).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  });
});

describe('the connection', () => {
  test('waits for a guest that is still booting: refused, hung up, silent, then there', async () => {
    const { target } = await serve();
    let attempt = 0;
    const port = await listen((socket) => {
      attempt++;
      if (attempt === 1) socket.destroy();
      if (attempt === 2) socket.end();
    });
    const opened = open({ ...target, port }, DEADLINE);
    await until('a third attempt', () => attempt === 3);
    for (const listener of listeners.splice(0)) listener.close();
    for (const socket of sockets) socket.destroy();
    const late = await startSshServer({ folder: path.dirname(target.keyPath), target: { ...target, port } });
    servers.push(late);
    expect((await (await opened).run('echo up')).stdout).toBe('up\n');
  });

  test.each([
    ['nobody listens', undefined, 'ECONNREFUSED'],
    ['nobody greets', () => undefined, 'nobody greets there'],
    ['something else answers', (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), /./],
  ])('gives up at the deadline when %s', async (_title, greet, reason) => {
    const { target } = await serve();
    const port = greet === undefined ? 1 : await listen(greet);
    const before = countDescriptors();
    const error = await open({ ...target, port }, { deadlineMs: 700 }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'HK_SSH_UNREACHABLE' });
    expect((error as Error).message).toMatch(`cannot log in to docker@127.0.0.1:${port} within 1 s: `);
    expect((error as Error).message).toMatch(reason);
    for (const socket of sockets) socket.destroy();
    await until('every descriptor is closed', () => countDescriptors() <= before);
  });

  test('is given up at once when it is aborted', async () => {
    const { target } = await serve();
    const port = await listen(() => undefined);
    const abort = new AbortController();
    const opening = open({ ...target, port }, { ...DEADLINE, signal: abort.signal });
    await until('a connection', () => sockets.size > 0);
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(opening).rejects.toBe(reason);
  });

  test("says so when the machine doesn't take the key", async () => {
    const { target } = await serve();
    const keyPath = path.join(temporaryFolder(), 'other');
    makeKey(keyPath);
    const error = { code: 'HK_SSH_DENIED', message: expect.stringContaining(`does not take the key ${keyPath}`) };
    await expect(open({ ...target, keyPath }, DEADLINE)).rejects.toMatchObject(error);
  });

  test.each([
    ['is not there', (_path: string) => undefined, /cannot read SSH key .*ENOENT/],
    ['others may read', (file: string) => chmodSync(writeKey(file), 0o644), /its mode is 0644\); run "chmod 600 /],
    ['is no key', (file: string) => writeFileSync(file, 'ssh', { mode: 0o600 }), /cannot use SSH key/],
    ['is a disk image', (file: string) => writeFileSync(file, Buffer.alloc(70_000), { mode: 0o600 }), /it is no key/],
  ])('refuses a key that %s', async (_title, prepare, text) => {
    const { target } = await serve();
    const keyPath = path.join(temporaryFolder(), 'id_rsa');
    prepare(keyPath);
    const error = await open({ ...target, keyPath }, DEADLINE).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'HK_SSH_KEY_UNUSABLE', message: expect.stringMatching(text) });
  });

  test('tells whoever uses it when it breaks', async () => {
    const server = await serve();
    const connection = await open(server.target, DEADLINE);
    const running = connection.run('sleep 1000');
    running.catch(() => undefined);
    await until('the command runs', () => server.commands.length === 1);
    server.cut();
    await expect(running).rejects.toMatchObject({ code: 'HK_SSH_LOST' });
    await until('it has ended', () => connection.ended.aborted);
    expect(connection.ended.reason).toMatchObject({ code: 'HK_SSH_LOST' });
    await expect(connection.run('true')).rejects.toMatchObject({ code: 'HK_SSH_LOST' });
    await expect(connection.openSftp()).rejects.toMatchObject({ code: 'HK_SSH_LOST' });
  });

  test('notices a guest that stands still', async () => {
    const server = await serve();
    const connection = await open(server.target, { ...DEADLINE, keepaliveMs: 50 });
    const running = connection.run('sleep 1000');
    running.catch(() => undefined);
    await until('the command runs', () => server.commands.length === 1);
    server.freeze();
    const error = { code: 'HK_SSH_LOST', message: expect.stringContaining('Keepalive timeout') };
    await expect(running).rejects.toMatchObject(error);
  });

  test('leaves nothing open when it is closed', async () => {
    const server = await serve();
    const before = countDescriptors();
    const connection = await open(server.target, DEADLINE);
    await connection.run('true');
    connection.close();
    await until('every descriptor is closed', () => countDescriptors() <= before);
    expect(connection.ended.aborted).toBe(true);
  });
});

function writeKey(file: string): string {
  makeKey(file);
  return file;
}
