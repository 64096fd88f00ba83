import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { findBootFiles } from '../../../../engine/boot/boot-files';
import { IsoImage } from '../../../../engine/boot/iso9660';
import { verifyIso } from '../../../../engine/boot/verify-iso';
import { readVolumeVersion } from '../../../../engine/boot/volume-version';
import { temporaryFolder } from '../../../support/temporary-folder';
import { boot2dockerFiles, fakeKernel } from './iso-builder';

const folder = temporaryFolder();
const hasXorriso = spawnSync('xorriso', ['-version']).status === 0;
if (!hasXorriso) console.log('Skipped: images made by xorriso, because xorriso is not installed');
const withXorriso = hasXorriso ? describe : describe.skip;

let count = 0;

function writeTree(files: Readonly<Record<string, Buffer | string>>): { tree: string; iso: string } {
  const number = count++;
  const tree = join(folder, `tree-${number}`);
  mkdirSync(tree);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), content);
  }
  return { tree, iso: join(folder, `${number}.iso`) };
}

function make(files: Readonly<Record<string, Buffer | string>>, ...options: string[]): string {
  const { tree, iso } = writeTree(files);
  execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', ...options, '-o', iso, tree], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return iso;
}

async function readTree(iso: string): Promise<Record<string, Buffer>> {
  return await IsoImage.with(iso, async (image) => {
    const found: Record<string, Buffer> = {};
    for await (const entry of image.walk()) {
      if (entry.kind === 'file') found[entry.path] = await image.readStart(entry, 1 << 26);
    }
    return found;
  });
}

const asBuffers = (files: Readonly<Record<string, Buffer | string>>) =>
  Object.fromEntries(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]));

withXorriso('images made by xorriso', () => {
  it('has the layout of boot2docker', async () => {
    const iso = make(boot2dockerFiles(), '-R', '-J', '-V', 'b2d-v19.03.12');
    expect(await verifyIso(iso)).toEqual({
      kernel: '/boot/vmlinuz',
      initrd: '/boot/initrd.img',
      commandLine: 'loglevel=3 console=ttyS0 console=tty0 waitusb=5:LABEL=boot2docker-data base norestore noembed',
      volumeId: 'b2d-v19.03.12',
    });
    expect(await readVolumeVersion(iso)).toBe('v19.03.12');
    expect(await readTree(iso)).toEqual(asBuffers(boot2dockerFiles()));
  });

  it('has the layout of minikube, without Rock Ridge', async () => {
    const files = {
      '/boot/bzimage': fakeKernel(),
      '/boot/initrd': 'i'.repeat(70_000),
      '/isolinux/isolinux.cfg':
        'default 1\nlabel 1\n  kernel /boot/bzimage\n  append root=/dev/sr0 initrd=/boot/initrd noembed\n',
    };
    expect(await findBootFiles(make(files, '-V', 'minikube'))).toEqual({
      kernel: '/boot/bzimage',
      initrd: '/boot/initrd',
      commandLine: 'root=/dev/sr0 noembed',
      volumeId: 'minikube',
    });
  });

  it('has names of 250 bytes and a tree of 20 levels', async () => {
    const deep = `/${Array.from({ length: 20 }, (_, level) => `level ${level}`).join('/')}`;
    const files = {
      [`/${'x'.repeat(250)}`]: 'long',
      [`${deep}/bottom`]: 'deep',
      [`${deep}/${'ö'.repeat(120)}`]: 'both',
    };
    expect(await readTree(make(files, '-R', '-J', '-joliet-long'))).toEqual(asBuffers(files));
  });

  it('has deep directories moved to the top', async () => {
    const files = { '/1/2/3/4/5/6/7/8/9/10/bottom': 'deep', '/1/2/3/4/5/6/7/8/other': 'x' };
    const { tree, iso } = writeTree(files);
    const options = ['-compliance', 'deep_paths_off', '-rr_reloc_dir', 'moved'];
    execFileSync('xorriso', ['-outdev', iso, ...options, '-map', tree, '/', '-commit'], { stdio: 'ignore' });
    expect(readFileSync(iso).includes('CL\x0c\x01')).toBe(true);
    expect(await readTree(iso)).toEqual(asBuffers(files));
  });

  const name = fc.stringMatching(/^[A-Za-z0-9_öñ-][A-Za-z0-9_.öñ -]{0,60}[a-z0-9]$/);
  const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => names.join('/'));
  const tree = fc.uniqueArray(fc.tuple(path, fc.uint8Array({ maxLength: 5000 })), {
    minLength: 1,
    maxLength: 40,
    selector: ([key]) => key.toLowerCase(),
  });

  it('gives back whatever tree was put in', async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (entries) => {
        const files: Record<string, Buffer> = {};
        for (const [key, content] of entries) {
          // A path cannot be a file and a directory, nor differ from another by case in its directories only.
          const taken = Object.keys(files).map((other) => other.toLowerCase());
          const mine = `/${key}`.toLowerCase();
          if (taken.some((other) => other.startsWith(`${mine}/`) || mine.startsWith(`${other}/`))) continue;
          files[`/${key}`] = Buffer.from(content);
        }
        const iso = make(files, '-R');
        expect(await readTree(iso)).toEqual(files);
        await IsoImage.with(iso, async (image) => {
          for (const [key, content] of Object.entries(files)) {
            const found = await image.lookup(key);
            expect(found).toMatchObject({ kind: 'file', sizeBytes: content.length });
          }
        });
      }),
      { numRuns: 12 },
    );
  }, 120_000);
});
