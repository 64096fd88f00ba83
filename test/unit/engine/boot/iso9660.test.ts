import { writeFileSync } from 'node:fs';
import { mkdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { IsoEntry } from '../../../../engine/boot/directory';
import { IsoImage } from '../../../../engine/boot/iso9660';
import { EngineError } from '../../../../engine/errors';
import { temporaryFolder } from '../../../support/temporary-folder';
import { buildIso, type IsoOptions } from './iso-builder';

const folder = temporaryFolder();
let count = 0;

function write(files: Record<string, Buffer | string>, options?: IsoOptions): string {
  const path = join(folder, `${count++}.iso`);
  writeFileSync(path, buildIso(files, options));
  return path;
}

async function readAll(image: IsoImage, path: string): Promise<string | undefined> {
  const file = await image.lookup(path);
  return file && (await image.readStart(file, 1 << 24)).toString('latin1');
}

async function collect(image: IsoImage): Promise<IsoEntry[]> {
  const entries: IsoEntry[] = [];
  for await (const entry of image.walk()) entries.push(entry);
  return entries;
}

const LONG_NAME = `${'a long name '.repeat(20)}.txt`;

describe.each([512, 1024, 2048] as const)('with blocks of %i bytes', (blockBytes) => {
  it('reads plain names as Linux shows them, and finds them in any case', async () => {
    await IsoImage.with(
      write({ '/boot/vmlinuz': 'kernel', '/boot/initrd.img': 'initrd', '/empty': '' }, { blockBytes }),
      async (image) => {
        expect(image.hasRockRidge).toBe(false);
        expect((await image.list('/boot'))?.map(({ name }) => name)).toEqual(['vmlinuz', 'initrd.img']);
        expect(await readAll(image, '/BOOT/Vmlinuz')).toBe('kernel');
        expect(await readAll(image, '/empty')).toBe('');
        expect(await image.lookup('/boot/none')).toBeUndefined();
        expect(await image.lookup('/boot/vmlinuz/below')).toBeUndefined();
        expect(await image.list('/boot/vmlinuz')).toBeUndefined();
      },
    );
  });

  it('reads Rock Ridge names, the long ones from continuation areas', async () => {
    const files = { [`/d/${LONG_NAME}`]: 'long', '/d/ünï': 'utf-8', '/d/Ünï': 'other case', '/d/x;1': 'not a version' };
    await IsoImage.with(write(files, { rockRidge: true, blockBytes }), async (image) => {
      expect((await image.list('/d'))?.map(({ name }) => name)).toEqual([LONG_NAME, 'ünï', 'Ünï', 'x;1']);
      expect(await readAll(image, `/D/${LONG_NAME.toUpperCase()}`)).toBe('long');
      expect(await readAll(image, '/d/Ünï')).toBe('other case');
    });
  });
});

it('skips what SP says other records keep for themselves', async () => {
  await IsoImage.with(
    write({ '/name': 'x', [`/${LONG_NAME}`]: 'y' }, { rockRidge: true, suspSkip: 5 }),
    async (image) => {
      expect((await image.list('/'))?.map(({ name }) => name)).toEqual(['name', LONG_NAME]);
    },
  );
});

it('joins the extents of a large file', async () => {
  const content = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 251));
  await IsoImage.with(
    write({ '/large': content, '/next': 'n' }, { rockRidge: true, maxExtentBytes: 4096 }),
    async (image) => {
      const large = await image.lookup('/large');
      expect(large).toMatchObject({ sizeBytes: 10_000 });
      expect(large?.extents).toHaveLength(3);
      expect(await image.readStart(large!, 1 << 20)).toEqual(content);
      expect(await readAll(image, '/next')).toBe('n');
    },
  );
});

it('lists a directory of many sectors', async () => {
  const names = Array.from({ length: 500 }, (_, index) => `file-number-${index}`);
  await IsoImage.with(
    write(Object.fromEntries(names.map((name) => [`/d/${name}`, name])), { rockRidge: true }),
    async (image) => {
      expect((await image.list('/d'))?.map(({ name }) => name)).toEqual(names);
      expect(await readAll(image, '/d/file-number-499')).toBe('file-number-499');
    },
  );
});

it('follows symbolic links, and gives up on those that lead nowhere', async () => {
  const links = {
    '/boot/vmlinuz': 'vmlinuz-6.1',
    '/boot/absolute': '/data/file',
    '/boot/up': '../data/file',
    '/latest': '/boot',
    '/loop': 'loop',
    '/ping': 'pong',
    '/pong': 'ping',
    '/outside': '../../../../etc/passwd',
  };
  await IsoImage.with(
    write({ '/boot/vmlinuz-6.1': 'k', '/data/file': 'f' }, { rockRidge: true, links }),
    async (image) => {
      expect(await readAll(image, '/boot/vmlinuz')).toBe('k');
      expect(await readAll(image, '/boot/absolute')).toBe('f');
      expect(await readAll(image, '/boot/up')).toBe('f');
      expect(await readAll(image, '/latest/up')).toBe('f');
      expect(await image.lookup('/loop')).toBeUndefined();
      expect(await image.lookup('/ping')).toBeUndefined();
      expect(await image.lookup('/outside')).toBeUndefined();
    },
  );
});

it('walks parents first', async () => {
  await IsoImage.with(write({ '/a/b/c/d': '1', '/a/e': '2', '/f': '3' }), async (image) => {
    expect((await collect(image)).map(({ path }) => path)).toEqual(['/a', '/f', '/a/b', '/a/e', '/a/b/c', '/a/b/c/d']);
  });
});

describe('a file that is no ISO, or not a whole one', () => {
  const failure = async (path: string): Promise<EngineError> => {
    const error = await IsoImage.with(path, async (image) => {
      for await (const entry of image.walk()) image.checkReadable(entry);
    }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(EngineError);
    return error as EngineError;
  };

  it('names a file that is not there', async () => {
    const path = join(folder, 'absent.iso');
    expect(await failure(path)).toMatchObject({
      code: 'HK_ISO_UNREADABLE',
      message: `cannot read ISO ${path}: there is no such file`,
    });
  });

  it('refuses a folder', async () => {
    const path = join(folder, 'folder.iso');
    await mkdir(path);
    expect(await failure(path)).toMatchObject({
      code: 'HK_ISO_UNREADABLE',
      message: expect.stringContaining('not a regular file'),
    });
  });

  it('refuses text', async () => {
    const path = join(folder, 'text.iso');
    writeFileSync(path, '<html>log in first</html>'.repeat(4000));
    expect(await failure(path)).toMatchObject({
      code: 'HK_ISO_INVALID',
      message: `cannot read ISO ${path}: it is not an ISO 9660 image (no CD001 at byte 32769); download it again`,
    });
  });

  it('says where it ends and how far it should go', async () => {
    const path = write({ '/boot/vmlinuz': Buffer.alloc(50_000), '/z': Buffer.alloc(3000) });
    await truncate(path, 80_000);
    expect(await failure(path)).toMatchObject({
      code: 'HK_ISO_INVALID',
      message: expect.stringMatching(
        /: it ends at byte 80000 but file \/boot\/vmlinuz reaches to byte \d+; download it again$/,
      ),
    });
  });

  it.each([0, 1, 32_768, 32_770, 34_000, 36_000, 37_000])('refuses one of %i bytes', async (size) => {
    const path = write({ '/boot/vmlinuz': 'k' });
    await truncate(path, size);
    expect(await failure(path)).toMatchObject({ code: 'HK_ISO_INVALID' });
  });
});

describe('hostile images', () => {
  const ROOT = 18 * 2048;
  const CHILD = ROOT + 34 * 2;

  const mutated = (change: (image: Buffer) => void, options?: IsoOptions): string => {
    const image = buildIso({ '/dir/file': 'x' }, options);
    change(image);
    const path = join(folder, `${count++}.iso`);
    writeFileSync(path, image);
    return path;
  };
  const walk = async (path: string) => await IsoImage.with(path, async (image) => await collect(image));

  it('enters a directory that contains itself only once', async () => {
    const path = mutated((image) => image.writeUInt32LE(18, CHILD + 2));
    expect((await walk(path)).map((entry) => entry.path)).toEqual(['/dir']);
  });

  it('refuses a directory of gigabytes', async () => {
    const path = mutated((image) => image.writeUInt32LE(0xfffff800, CHILD + 10));
    await expect(walk(path)).rejects.toMatchObject({
      code: 'HK_ISO_INVALID',
      message: expect.stringContaining('directory /dir claims'),
    });
  });

  it('refuses a record that leaves its sector', async () => {
    const path = mutated((image) => image.fill(1, CHILD, ROOT + 2040));
    await expect(walk(path)).rejects.toMatchObject({
      code: 'HK_ISO_INVALID',
      message: expect.stringContaining('directory / has a record'),
    });
  });

  it('refuses a continuation that leads to itself', async () => {
    const image = buildIso({ [`/${LONG_NAME}`]: 'x' }, { rockRidge: true });
    const continued = image.indexOf('NM', ROOT + 2048, 'latin1');
    const loop = image.subarray(image.indexOf('CE', ROOT, 'latin1')).subarray(0, 28);
    loop.copy(image, continued);
    image.fill(0, continued + 28, continued + 300);
    const path = join(folder, 'loop.iso');
    writeFileSync(path, image);
    await expect(walk(path)).rejects.toMatchObject({
      code: 'HK_ISO_INVALID',
      message: expect.stringContaining('without end'),
    });
  });

  it.each(['..', 'a/b', '.'])('refuses the file name %j', async (name) => {
    const image = buildIso({ [`/${'n'.repeat(name.length)}`]: 'x' }, { rockRidge: true });
    image.write(name, image.indexOf('NM', ROOT, 'latin1') + 5, 'latin1');
    const path = join(folder, `${count++}.iso`);
    writeFileSync(path, image);
    await expect(walk(path)).rejects.toMatchObject({
      code: 'HK_ISO_INVALID',
      message: expect.stringContaining('name that cannot be'),
    });
  });
});
