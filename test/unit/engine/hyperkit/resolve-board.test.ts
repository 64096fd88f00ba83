import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readEngineChoice } from '../../../../engine/hyperkit/choose-engine';
import { exitStatus } from '../../../../engine/hyperkit/exit-status';
import { isMachO } from '../../../../engine/hyperkit/outside-hyperkit';
import { resolveBoard } from '../../../../engine/hyperkit/resolve-board';
import type { BoardSpec } from '../../../../engine/spec/board-spec';
import { parseHyperkitCommandLine } from '../../../../engine/spec/hyperkit-command-line/parse-command-line';

let folder: string;
let kernel: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'hk-resolve-'));
  kernel = path.join(folder, 'vmlinuz');
  writeFileSync(kernel, '');
});
afterEach(() => rmSync(folder, { recursive: true }));

function board(...words: string[]): BoardSpec {
  const command = parseHyperkitCommandLine([...words, '-f', `kexec,${kernel}`], 'hyperkit');
  if (command.kind !== 'run') throw new Error(JSON.stringify(command));
  return command.settings.board;
}

const UUID = ['-U', '0b6d0f0a-8d1c-4a53-9a1e-0123456789ab'];

function macs(...words: string[]): readonly (string | undefined)[] {
  return resolveBoard(board(...words)).slots.map(({ device }) =>
    device.kind === 'virtio-net' && 'mac' in device.network ? device.network.mac : undefined,
  );
}

test('a card’s MAC follows from UUID and slot, is a station’s, and is our own choice', () => {
  const words = ['-s', '2,virtio-net', '-s', '3,virtio-net'];
  const [first = '', second] = macs(...UUID, ...words);
  expect(macs(...UUID, ...words)).toEqual([first, second]);
  expect(first).not.toBe(second);
  expect(macs('-U', '0b6d0f0a-8d1c-4a53-9a1e-0123456789ac', ...words)).not.toContain(first);
  expect(Number.parseInt(first.slice(0, 2), 16) & 3).toBe(2);
  expect(macs(...UUID, '-s', '2,virtio-net,,mac=02:00:00:00:00:01')).toEqual(['02:00:00:00:00:01']);
});

test('without a UUID there is a new one', () => {
  expect(resolveBoard(board()).uuid).not.toBe(resolveBoard(board()).uuid);
});

test.each([
  ['/no/kernel', /^cannot open the kernel \/no\/kernel: ENOENT/],
  ['/', /it is a folder/],
])('the kernel %s', (file, text) => {
  const missing = {
    ...board(),
    firmware: { kind: 'kexec', kernel: file, initrd: undefined, commandLine: '' },
  } as const;
  expect(() => resolveBoard(missing)).toThrow(expect.objectContaining({ code: 'HK_BOOT_FAILED' }));
  expect(() => resolveBoard(missing)).toThrow(text);
});

test('a disk that is not there', () => {
  expect(() => resolveBoard(board('-s', '1,virtio-blk,/no/disk'))).toThrow(/^Could not open backing file: ENOENT/);
});

test('a disk that can’t be written to is read only', () => {
  const disk = path.join(folder, 'disk.img');
  writeFileSync(disk, '');
  const isReadOnly = (): boolean => {
    const [slot] = resolveBoard(board('-s', `1,virtio-blk,${disk}`)).slots;
    return slot?.device.kind === 'virtio-blk' && slot.device.block.readOnly;
  };
  expect(isReadOnly()).toBe(false);
  chmodSync(disk, 0o400);
  // No mode stops root.
  expect(isReadOnly()).toBe(process.getuid?.() !== 0);
});

test('exit statuses are HyperKit’s', () => {
  const kinds = ['power-off', 'halted', 'reset', 'triple-fault', 'killed'] as const;
  expect(kinds.map((kind) => exitStatus({ kind }))).toEqual([0, 0, 2, 3, 1]);
  expect(exitStatus({ kind: 'failed', detail: '' })).toBe(1);
});

test('the real HyperKit is a program of macOS, not a script and not what is missing', () => {
  const file = path.join(folder, 'hyperkit');
  writeFileSync(file, Buffer.from('cffaedfe07000001', 'hex'));
  expect(isMachO(file)).toBe(true);
  writeFileSync(file, '#!/usr/bin/env node\n');
  expect(isMachO(file)).toBe(false);
  expect(isMachO(path.join(folder, 'nothing'))).toBe(false);
  expect(isMachO(folder)).toBe(false);
});

test('the engine is chosen by name', () => {
  expect(readEngineChoice({})).toBe('auto');
  expect(readEngineChoice({ HYPERKIT_ENGINE: 'native' })).toBe('native');
  expect(() => readEngineChoice({ HYPERKIT_ENGINE: 'xen' })).toThrow('HYPERKIT_ENGINE is xen; it can be auto, native');
});
