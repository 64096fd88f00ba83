import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import { connectConsole } from '../../../../engine/console/connect-console';
import { serveConsole } from '../../../../engine/console/console-server';
import type { SerialLine } from '../../../../engine/console/serial-line';
import { countDescriptors } from '../../../support/descriptors';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';

let line: SerialLine | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await line?.close();
  line = undefined;
});

/** Somebody at the console, and what they have seen. */
async function attach(folder: string) {
  const socket = await connectConsole(folder);
  sockets.push(socket);
  let seen = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    seen += text;
  });
  return { socket, seen: () => seen };
}

async function serve(folder: string): Promise<SerialLine> {
  line = await serveConsole(folder);
  return line;
}

test('everybody sees the output, newcomers the end of what came before, and everybody can type', async () => {
  const folder = temporaryFolder();
  const console = await serve(folder);
  const typed: string[] = [];
  console.read((bytes) => typed.push(Buffer.from(bytes).toString('latin1')));
  console.write(Buffer.from(`${'x'.repeat(10_000)}login: `));
  const [one, two] = [await attach(folder), await attach(folder)];
  await until('the history', () => one.seen().endsWith('login: ') && two.seen().endsWith('login: '));
  expect(one.seen()).toHaveLength(8192);
  one.socket.write('root');
  two.socket.write('\r');
  await until('what was typed', () => typed.join('').length === 5);
  console.write(Buffer.from('Password: '));
  await until('the answer', () => one.seen().endsWith('Password: ') && two.seen().endsWith('Password: '));
});

test('a guest that was started again has the clients of the one before', async () => {
  const folder = temporaryFolder();
  const console = await serve(folder);
  const first: Uint8Array[] = [];
  const second: string[] = [];
  console.read((bytes) => first.push(bytes));
  const { socket } = await attach(folder);
  console.read((bytes) => second.push(Buffer.from(bytes).toString()));
  socket.write('again');
  await until('the second listener', () => second.join('') === 'again');
  expect(first).toEqual([]);
});

test('a port without room holds typing back until there is some', async () => {
  const folder = temporaryFolder();
  const console = await serve(folder);
  let typed = 0;
  console.read((bytes) => {
    typed += bytes.length;
    console.pauseInput();
  });
  const { socket } = await attach(folder);
  socket.write(Buffer.alloc(4_000_000));
  await until('some input', () => typed > 0);
  const before = typed;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(typed).toBe(before);
  console.read((bytes) => {
    typed += bytes.length;
  });
  console.resumeInput();
  await until('the rest', () => typed === 4_000_000);
});

test('somebody who does not read costs nobody anything', async () => {
  const folder = temporaryFolder();
  const console = await serve(folder);
  const idle = await attach(folder);
  idle.socket.pause();
  const reader = await attach(folder);
  for (let round = 0; round < 200; round++) {
    console.write(Buffer.alloc(20_000, 0x2e));
    await new Promise(setImmediate);
  }
  console.write(Buffer.from('the end'));
  await until('the end', () => reader.seen().endsWith('the end'));
});

test('the socket is for this user only, takes the place of a dead one, and goes with the line', async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'console.sock');
  writeFileSync(file, 'left by a crash');
  const before = countDescriptors();
  const console = await serve(folder);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { socket } = await attach(folder);
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await console.close();
  line = undefined;
  await ended;
  await until('the socket is gone', () => !existsSync(file));
  await until('every descriptor is closed', () => countDescriptors() <= before);
  await expect(connectConsole(folder)).rejects.toMatchObject({ code: 'HK_CONSOLE_UNAVAILABLE' });
});

test('a folder deeper than any socket path has a console all the same', async () => {
  if (process.platform !== 'linux') return;
  const folder = path.join(temporaryFolder(), 'd'.repeat(100), 'e'.repeat(100));
  mkdirSync(folder, { recursive: true });
  const console = await serve(folder);
  console.write(Buffer.from('deep'));
  const { seen } = await attach(folder);
  await until('the output', () => seen() === 'deep');
  await console.close();
  line = undefined;
  await until('the socket is gone', () => !existsSync(path.join(folder, 'console.sock')));
});
