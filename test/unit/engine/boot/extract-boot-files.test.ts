import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { extractBootFiles, safeFileName } from '../../../../engine/boot/extract-boot-files';
import { temporaryFolder } from '../../../support/temporary-folder';
import { boot2dockerFiles, buildIso, fakeKernel } from './iso-builder';

const folder = temporaryFolder();
let count = 0;

function prepare(files: Record<string, Buffer | string>): { iso: string; machine: string } {
  const machine = join(folder, `machine-${count++}`);
  mkdirSync(machine);
  const iso = join(machine, 'boot2docker.iso');
  writeFileSync(iso, buildIso(files, { rockRidge: true }));
  return { iso, machine };
}

it('copies kernel and initrd under their own names', async () => {
  const { iso, machine } = prepare(boot2dockerFiles());
  expect(await extractBootFiles(iso, machine)).toEqual({
    kernel: join(machine, 'vmlinuz'),
    initrd: join(machine, 'initrd.img'),
    commandLine: 'loglevel=3 console=ttyS0 console=tty0 waitusb=5:LABEL=boot2docker-data base norestore noembed',
  });
  expect(readFileSync(join(machine, 'vmlinuz'))).toEqual(fakeKernel());
  expect(readFileSync(join(machine, 'initrd.img'))).toEqual(Buffer.alloc(9001, 'initrd'));
  expect(readdirSync(machine).sort()).toEqual(['boot2docker.iso', 'initrd.img', 'vmlinuz']);
});

it('takes other names when told', async () => {
  const { iso, machine } = prepare(boot2dockerFiles());
  const { kernel, initrd } = await extractBootFiles(iso, machine, {
    kernelName: 'kernel',
    initrdName: '../../ramdisk',
  });
  expect([kernel, initrd]).toEqual([join(machine, 'kernel'), join(machine, 'ramdisk')]);
});

it('answers with absolute paths', async () => {
  const { iso, machine } = prepare(boot2dockerFiles());
  const { kernel } = await extractBootFiles(iso, `${machine}/../${machine.split('/').at(-1)}`);
  expect(kernel).toBe(join(machine, 'vmlinuz'));
});

it('leaves a copy alone that is the same to the last byte, and replaces any other', async () => {
  const { iso, machine } = prepare(boot2dockerFiles());
  const { kernel, initrd } = await extractBootFiles(iso, machine);
  const inode = statSync(kernel).ino;
  await extractBootFiles(iso, machine);
  expect(statSync(kernel).ino).toBe(inode);

  // Same length, same times, one other byte.
  const { atime, mtime } = statSync(initrd);
  const changed = readFileSync(initrd);
  changed[9000] = 0;
  writeFileSync(initrd, changed);
  utimesSync(initrd, atime, mtime);
  writeFileSync(kernel, '');
  await extractBootFiles(iso, machine);
  expect(readFileSync(initrd)).toEqual(Buffer.alloc(9001, 'initrd'));
  expect(readFileSync(kernel)).toEqual(fakeKernel());
});

it('refuses a kernel that is no bzImage before it writes anything', async () => {
  const { iso, machine } = prepare({ '/boot/vmlinuz': 'x'.repeat(2000), '/boot/initrd': 'i' });
  await expect(extractBootFiles(iso, machine)).rejects.toMatchObject({ code: 'HK_ISO_INVALID' });
  expect(readdirSync(machine)).toEqual(['boot2docker.iso']);
});

it('says when the folder is not there', async () => {
  const { iso, machine } = prepare(boot2dockerFiles());
  await expect(extractBootFiles(iso, join(machine, 'none'))).rejects.toMatchObject({
    code: 'HK_DISK_FAILED',
    message: `cannot write ${join(machine, 'none', 'vmlinuz')}: the folder does not exist`,
  });
});

it.each([
  ['vmlinuz-6.1.0+deb', 'vmlinuz-6.1.0+deb'],
  ['../../etc/vmlinuz', 'vmlinuz'],
  ['..\\vmlinuz', 'vmlinuz'],
  ['.vmlinuz', 'vmlinuz'],
  ['vmlinuz $(x)\n', 'vmlinuz___x__'],
  ['..', 'fallback'],
  ['', 'fallback'],
  [`vmlinuz${'1'.repeat(300)}`, `vmlinuz${'1'.repeat(121)}`],
])('makes %j safe', (name, expected) => {
  expect(safeFileName(name, 'fallback')).toBe(expected);
});
