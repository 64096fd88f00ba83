import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { BlockSpec } from '../../../../../engine/spec/board-spec';
import { type BlockImage, closeBlockImage, openBlockImage } from '../../../../../engine/vmm/io/block-image';

const folder = mkdtempSync(path.join(tmpdir(), 'hk-image-'));
const opened: BlockImage[] = [];
afterEach(() => {
  for (const image of opened.splice(0)) closeBlockImage(image);
});
afterAll(() => rmSync(folder, { recursive: true }));

function newFile(sizeBytes: number): string {
  const file = path.join(mkdtempSync(path.join(folder, 'f')), 'disk.raw');
  writeFileSync(file, '');
  truncateSync(file, sizeBytes);
  return file;
}

function open(file: string, spec: Partial<BlockSpec> = {}): BlockImage {
  const image = openBlockImage({
    path: file,
    format: 'raw',
    readOnly: false,
    sync: false,
    sectors: undefined,
    ...spec,
  });
  opened.push(image);
  return image;
}

it('has the whole sectors of the file', () => {
  expect(open(newFile(0x10_0000 + 700))).toMatchObject({ sizeBytes: 0x10_0200, readOnly: false });
  const sectors = { logical: 4096, physical: 4096 };
  expect(open(newFile(0x10_0000 + 700), { sectors })).toMatchObject({ sizeBytes: 0x10_0000, sectors });
});

it.each([
  ['a file that is not there', () => path.join(folder, 'nothing'), /there is no such file/],
  ['a folder', () => folder, /it is a folder/],
  ['an empty file', () => newFile(0), /0 bytes, less than a sector/],
  ['something that is no disk', () => '/dev/null', /neither a file nor a block device/],
])('refuses %s', (_name, file, message) => {
  expect(() => open(file())).toThrow(message);
});

it('refuses a folder to read from', () => {
  expect(() => open(folder, { readOnly: true })).toThrow(/neither a file nor a block device/);
});

it('says how to convert qcow2', () => {
  expect(() => open(newFile(512), { format: 'qcow2' })).toThrow(/qemu-img convert -O raw/);
});

describe('the lock', () => {
  it('keeps a second machine off, and names the process', () => {
    const file = newFile(4096);
    open(file);
    expect(() => open(file)).toThrow(new RegExp(`cannot lock disk ${file}: .*\\(process ${process.pid}\\)`));
    expect(() => open(file, { readOnly: true })).toThrow(/another virtual machine uses it/);
  });

  it('lets readers in together', () => {
    const file = newFile(4096);
    open(file, { readOnly: true });
    open(file, { readOnly: true });
    expect(() => open(file)).toThrow(/another virtual machine/);
  });

  it('is free after the image was closed, and after its process was killed', async () => {
    const file = newFile(4096);
    closeBlockImage(openBlockImage({ path: file, format: 'raw', readOnly: false, sync: false, sectors: undefined }));
    const holder = spawn('flock', ['-x', file, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    holder.stdin.write('locked');
    await once(holder.stdout, 'data');
    expect(() => open(file)).toThrow(/another virtual machine/);
    // flock waits for cat, which ends with its input; both hold the lock's descriptor.
    holder.stdin.end();
    await once(holder, 'exit');
    open(file);
  });
});

// Root may write everywhere.
(process.getuid?.() === 0 ? it.skip : it)('is read-only where it may not be written', () => {
  const file = newFile(4096);
  chmodSync(file, 0o400);
  expect(open(file).readOnly).toBe(true);
});
