import { writeFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { findBootFiles } from '../../../../engine/boot/boot-files';
import { verifyIso } from '../../../../engine/boot/verify-iso';
import { readVolumeVersion } from '../../../../engine/boot/volume-version';
import { temporaryFolder } from '../../../support/temporary-folder';
import { boot2dockerFiles, buildIso, fakeKernel, type IsoOptions } from './iso-builder';

const folder = temporaryFolder();
let count = 0;

function write(files: Record<string, Buffer | string>, options: IsoOptions = { rockRidge: true }): string {
  const path = join(folder, `${count++}.iso`);
  writeFileSync(path, buildIso(files, options));
  return path;
}

const kernel = fakeKernel();

describe('findBootFiles', () => {
  it.each([
    ['boot2docker', boot2dockerFiles(), '/boot/vmlinuz', '/boot/initrd.img'],
    [
      'older boot2docker',
      { '/boot/vmlinuz64': kernel, '/boot/initrd.img': 'i' },
      '/boot/vmlinuz64',
      '/boot/initrd.img',
    ],
    ['minikube', { '/boot/bzimage': kernel, '/boot/initrd': 'i' }, '/boot/bzimage', '/boot/initrd'],
    ['capitals', { '/BOOT/BZIMAGE': kernel, '/BOOT/INITRD': 'i' }, '/BOOT/BZIMAGE', '/BOOT/INITRD'],
    [
      'versions',
      { '/boot/vmlinuz-6.1-amd64': kernel, '/boot/initrd-v1.5': 'i' },
      '/boot/vmlinuz-6.1-amd64',
      '/boot/initrd-v1.5',
    ],
    [
      'a folder below',
      { '/boot/x86_64/vmlinuz': kernel, '/boot/x86_64/initrd': 'i' },
      '/boot/x86_64/vmlinuz',
      '/boot/x86_64/initrd',
    ],
    [
      'an initrd that is called after its kernel',
      { '/boot/vmlinuz.initrd': 'i', '/boot/vmlinuz': kernel },
      '/boot/vmlinuz',
      '/boot/vmlinuz.initrd',
    ],
  ])('finds those of %s', async (_, files, expectedKernel, expectedInitrd) => {
    expect(await findBootFiles(write(files))).toMatchObject({ kernel: expectedKernel, initrd: expectedInitrd });
  });

  it('finds them by plain names', async () => {
    expect(await findBootFiles(write(boot2dockerFiles(), {}))).toMatchObject({
      kernel: '/boot/vmlinuz',
      initrd: '/boot/initrd.img',
      volumeId: 'b2d-v19.03.12',
    });
  });

  it('takes those that isolinux.cfg names among several', async () => {
    const files = { '/boot/vmlinuz': kernel, '/boot/vmlinuz2': kernel, '/boot/initrd': '1', '/boot/initrd2': '2' };
    const config = {
      '/ISOLINUX/ISOLINUX.CFG': 'label x\n kernel /BOOT/VMLINUZ2\n append initrd=/boot/initrd2 quiet\n',
    };
    expect(await findBootFiles(write({ ...files, ...config }))).toMatchObject({
      kernel: '/boot/vmlinuz2',
      initrd: '/boot/initrd2',
      commandLine: 'quiet',
    });
    expect(await findBootFiles(write(files))).toMatchObject({ kernel: '/boot/vmlinuz', initrd: '/boot/initrd' });
  });

  it('finds a kernel behind a symbolic link', async () => {
    const files = { '/live/linux': kernel, '/boot/initrd': 'i' };
    const iso = write(files, { rockRidge: true, links: { '/boot/vmlinuz': '../live/linux' } });
    expect(await findBootFiles(iso)).toMatchObject({ kernel: '/boot/vmlinuz' });
  });

  it("boots with boot2docker's arguments when there is no isolinux.cfg", async () => {
    const { commandLine } = await findBootFiles(write({ '/boot/vmlinuz': kernel, '/boot/initrd': 'i' }));
    expect(commandLine).toBe(
      'loglevel=3 console=ttyS0 console=tty0 waitusb=5:LABEL=boot2docker-data base norestore noembed',
    );
  });

  it.each([
    [
      { '/boot/grub.cfg': 'x', '/boot/initrd': 'i' },
      /no kernel \(vmlinuz… or bzImage…\) below \/boot there, only "grub.cfg", "initrd"; use/,
    ],
    [{ '/boot/vmlinuz': kernel }, /no initial RAM disk \(initrd…\) below \/boot there, only "vmlinuz"; use/],
    [{ '/casper/vmlinuz': 'x', '/install/x': 'x' }, /below \/boot there; at the top it has "casper", "install"; use/],
  ])('lists what there is instead of %#', async (files, message) => {
    await expect(findBootFiles(write(files))).rejects.toMatchObject({
      code: 'HK_ISO_NO_KERNEL',
      message: expect.stringMatching(message),
    });
  });

  it('refuses an empty kernel', async () => {
    const iso = write({ '/boot/vmlinuz': '', '/boot/initrd': 'i' });
    await expect(findBootFiles(iso)).rejects.toMatchObject({
      code: 'HK_ISO_INVALID',
      message: expect.stringContaining('is empty'),
    });
  });
});

describe('verifyIso', () => {
  it('accepts a whole image', async () => {
    const iso = write(boot2dockerFiles());
    expect(await verifyIso(iso)).toEqual(await findBootFiles(iso));
  });

  it('finds that the end is missing, whatever was there', async () => {
    const iso = write({ ...boot2dockerFiles(), '/z/squashfs': Buffer.alloc(2_000_000) });
    await truncate(iso, 1_900_000);
    await findBootFiles(iso);
    await expect(verifyIso(iso)).rejects.toMatchObject({
      code: 'HK_ISO_INVALID',
      message: expect.stringContaining('file /z/squashfs reaches'),
    });
    await truncate(iso, 1_500_000);
    await expect(verifyIso(iso)).rejects.toMatchObject({
      code: 'HK_ISO_INVALID',
      message: expect.stringContaining('its volume reaches'),
    });
  });

  it('refuses a kernel that is none', async () => {
    const iso = write({
      '/boot/vmlinux': Buffer.concat([Buffer.from('\x7fELF'), Buffer.alloc(6000)]),
      '/boot/initrd': 'i',
    });
    await expect(verifyIso(iso)).rejects.toMatchObject({
      code: 'HK_ISO_INVALID',
      message: expect.stringContaining('kernel /boot/vmlinux is no x86 bzImage (there is no "HdrS" at byte 0x202)'),
    });
  });
});

describe('readVolumeVersion', () => {
  it.each([
    ['b2d-v19.03.12', 'v19.03.12'],
    ['Boot2Docker-v1.9.1', 'v1.9.1'],
    ['b2d-x-v2-v3', 'v2-v3'],
    ['b2d-v', 'v'],
    ['minikube', undefined],
    ['', undefined],
    ['B2D-V1', undefined],
  ])('finds in %j the version %j', async (volumeId, version) => {
    expect(await readVolumeVersion(write({ '/a': 'b' }, { volumeId }))).toBe(version);
  });

  it('finds none in a short file, and says when there is no file', async () => {
    const path = join(folder, 'short.iso');
    writeFileSync(path, 'short');
    expect(await readVolumeVersion(path)).toBeUndefined();
    await expect(readVolumeVersion(join(folder, 'absent'))).rejects.toMatchObject({ code: 'HK_ISO_UNREADABLE' });
  });
});
