import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SavableQemu, saveQemu } from '../../../../engine/hypervisors/qemu/save-qemu';
import type { SuspendRequest } from '../../../../engine/hypervisors/suspendable';
import { temporaryFolder } from '../../../support/temporary-folder';

// The file that a migration stream becomes; QEMU's side is a socket of ours that says what a test wants it to.
const TRAITS = { hypervisor: 'qemu' };

let folder = '';
let done: string[] = [];
beforeEach(() => {
  folder = temporaryFolder();
  done = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (): string => path.join(folder, 'state');

/** @param say what is written; resolves when all is said, rejects when that fails */
function qemu(say: (socket: Socket) => Promise<void>): SavableQemu {
  return {
    sendState: async (socketPath) => {
      const socket = connect(socketPath);
      await new Promise<void>((resolve, reject) => socket.once('error', reject).once('connect', () => resolve()));
      socket.on('error', () => undefined);
      await say(socket);
    },
    cancelState: async () => void done.push('cancel'),
    goOn: async () => void done.push('go on'),
  };
}

const whole = qemu(async (socket) => {
  await new Promise<void>((resolve) => socket.end(Buffer.alloc(1_000_000, 7), resolve));
});
/** Says a little and then waits until it is cut off. */
const endless = qemu(async (socket) => {
  socket.write('begin');
  await new Promise((resolve) => socket.once('close', resolve));
  throw new Error('QEMU could not carry the state over');
});

const save = (vm: SavableQemu, more: Partial<SuspendRequest> = {}): Promise<void> =>
  saveQemu(vm, TRAITS, {
    file: file(),
    signal: new AbortController().signal,
    deadlineMs: 60_000,
    keep: async (traits) => void done.push(`keep ${traits.hypervisor}`),
    ...more,
  });

test('everything that QEMU says is in the file when it is kept, and the guest stays where it is', async () => {
  await save(whole, { keep: async () => void done.push(`keep ${readFileSync(file()).length}`) });
  expect(done).toEqual(['keep 1000000']);
  expect(readFileSync(file()).equals(Buffer.alloc(1_000_000, 7))).toBe(true);
});

test.each<[string, () => Promise<void>, RegExp]>([
  ['is not kept', () => save(whole, { keep: () => Promise.reject(new Error('no name for it')) }), /no name for it/],
  ['takes too long', () => save(endless, { deadlineMs: 100 }), /more than 0\.1 s/],
  ['is given up', () => save(endless, { signal: AbortSignal.timeout(100) }), /it was given up/],
  ['was given up before', () => save(whole, { signal: AbortSignal.abort() }), /it was given up/],
  ['cannot be written', () => save(whole, { file: path.join(folder, 'nowhere/state') }), /the folder does not exist/],
])('a state that %s lets the guest go on', async (_what, attempt, message) => {
  const { code, message: text } = await attempt().catch((error) => error);
  expect({ code, text }).toEqual({ code: 'HK_SUSPEND_FAILED', text: expect.stringMatching(message) });
  expect(done).toEqual(['cancel', 'go on']);
});

test('a file that is there already is not touched', async () => {
  writeFileSync(file(), 'of somebody else');
  await expect(save(whole)).rejects.toMatchObject({ code: 'HK_SUSPEND_FAILED' });
  expect(readFileSync(file(), 'utf8')).toBe('of somebody else');
});

test('a guest that does not go on is said to stand', async () => {
  const stuck = { ...whole, goOn: () => Promise.reject(new Error('it has lost its disk')) };
  await expect(save(stuck, { signal: AbortSignal.abort() })).rejects.toThrow(
    /given up; and its guest stands: it has lost its disk/,
  );
  expect(existsSync(file())).toBe(false);
  await sleep(0);
});
