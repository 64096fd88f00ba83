import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { claimMachine, identifyOwnProcess } from '../../../../engine/machine/claim';
import { countFailure, countSuccess } from '../../../../engine/warm/strikes';
import { findUnfit, forgetUnfit, noteUnfit } from '../../../../engine/warm/unfit-note';
import {
  draftFolder,
  findAbandonedFolders,
  findImage,
  listImages,
  placeImage,
  pruneImages,
  removeImage,
  sweepCache,
} from '../../../../engine/warm/warm-cache';
import { verifyImage } from '../../../../engine/warm/warm-image';
import { temporaryFolder } from '../../../support/temporary-folder';
import { putImage } from './warm-bench';

let cache = '';
beforeEach(() => {
  cache = path.join(temporaryFolder(), 'warm');
  mkdirSync(cache, { mode: 0o700 });
});

test('a whole image is found', async () => {
  const { key, folder } = await putImage(cache);
  expect(await findImage(cache, key)).toEqual({ found: true, folder });
  expect((await verifyImage(folder)).usable).toBe(true);
  expect(readdirSync(folder).map((name) => statSync(path.join(folder, name)).mode & 0o777)).toEqual(
    Array(4).fill(0o600),
  );
});

test('where there is none, or no cache, there is none', async () => {
  expect(await findImage(cache, 'a'.repeat(32))).toEqual({ found: false, reason: 'there is none yet' });
  const nowhere = path.join(cache, 'not', 'there');
  expect(await findImage(nowhere, 'a'.repeat(32))).toEqual({ found: false, reason: 'there is none yet' });
  expect(await listImages(nowhere)).toEqual([]);
});

const shorten = (name: string) => (folder: string) => truncateSync(path.join(folder, name), 1000);
const lengthen = (name: string) => (folder: string) => appendFileSync(path.join(folder, name), 'x');
const rewrite = (name: string) => (folder: string) => {
  const file = path.join(folder, name);
  const { atime, mtime } = statSync(file);
  writeFileSync(file, Buffer.alloc(statSync(file).size, 'other'));
  // To the millisecond, as a restored backup of another day might have it.
  utimesSync(file, atime, mtime);
};
const remove = (name: string) => (folder: string) => rmSync(path.join(folder, name));
const record = (change: (text: string) => string) => (folder: string) => {
  const file = path.join(folder, 'image.json');
  writeFileSync(file, change(readFileSync(file, 'utf8')));
};

const DAMAGES: ReadonlyArray<readonly [what: string, damage: (folder: string) => void, reason: RegExp]> = [
  ['cut-off memory', shorten('memory'), /memory has 1000 bytes, not 67108864/],
  ['cut-off devices', shorten('devices'), /devices has 1000 bytes/],
  ['a cut-off disk', shorten('disk'), /disk has 1000 bytes/],
  ['longer memory', lengthen('memory'), /memory has 67108865 bytes/],
  ['memory of another time', rewrite('memory'), /memory was changed/],
  ['devices of another time', rewrite('devices'), /devices was changed/],
  ['no memory', remove('memory'), /ENOENT/],
  ['no disk', remove('disk'), /ENOENT/],
  ['no record', remove('image.json'), /image\.json is none/],
  ['half a record', record((text) => text.slice(0, 100)), /image\.json is none/],
  ['a record that is no object', record(() => '[]'), /image\.json is none/],
  ['a record without end', record((text) => `${text}${' '.repeat(100_000)}`), /image\.json is none/],
  ['another format', record((text) => text.replace('"format":1', '"format":2')), /image\.json is none/],
  [
    'another content than its name says',
    record((text) => text.replace('"vcpus":1', '"vcpus":2')),
    /what its name says/,
  ],
  ['memory that others may read', (folder: string) => chmodSync(path.join(folder, 'memory'), 0o644), /other users/],
  ['a folder that others may use', (folder: string) => chmodSync(folder, 0o755), /other users/],
  [
    'memory that is a link',
    (folder: string) => {
      renameSync(path.join(folder, 'memory'), path.join(folder, 'elsewhere'));
      symlinkSync('elsewhere', path.join(folder, 'memory'));
    },
    /memory: it is no file/,
  ],
];

test.each(DAMAGES)('an image with %s is not used, and removed', async (_what, damage, reason) => {
  const { key, folder } = await putImage(cache);
  damage(folder);
  const found = await findImage(cache, key);
  expect(found).toMatchObject({ found: false, reason: expect.stringMatching(reason) as string });
  expect(existsSync(folder)).toBe(false);
  expect(readdirSync(cache)).toEqual([]);
});

test('an image with a file of another user is not used, and removed', async () => {
  if (process.getuid?.() !== 0) {
    process.stderr.write('SKIPPED a file of another user: giving files away needs root\n');
    return;
  }
  const { key, folder } = await putImage(cache);
  chownSync(path.join(folder, 'disk'), 12_345, 12_345);
  expect(await findImage(cache, key)).toMatchObject({ reason: expect.stringMatching(/another user/) as string });
  expect(existsSync(folder)).toBe(false);
});

test('damage that leaves size and time alone is found by reading it all', async () => {
  const { folder } = await putImage(cache);
  for (const name of ['memory', 'devices', 'disk']) {
    const { folder: other } = await putImage(cache, name.length);
    const file = path.join(other, name);
    const record = JSON.parse(readFileSync(path.join(other, 'image.json'), 'utf8')) as {
      files: Record<string, { modifiedNs: string }>;
    };
    writeFileSync(file, Buffer.concat([Buffer.from('!'), readFileSync(file).subarray(1)]));
    const found = record.files[name];
    if (found !== undefined) found.modifiedNs = String(statSync(file, { bigint: true }).mtimeNs);
    writeFileSync(path.join(other, 'image.json'), JSON.stringify(record));
    expect(await verifyImage(other)).toEqual({ usable: false, problem: `${name} is damaged` });
    rmSync(other, { recursive: true });
  }
  expect((await verifyImage(folder)).usable).toBe(true);
});

test('a cache that others may use is not believed, and nothing in it is touched', async () => {
  const { key, folder } = await putImage(cache);
  chmodSync(cache, 0o777);
  expect(await findImage(cache, key)).toMatchObject({
    found: false,
    reason: expect.stringMatching(/other users/) as string,
  });
  expect(existsSync(folder)).toBe(true);
});

test('what was not used for longest goes first', async () => {
  const images = [await putImage(cache, 1), await putImage(cache, 2), await putImage(cache, 3)];
  const at = [2000, 1000, 3000];
  for (const [index, { folder }] of images.entries()) {
    const time = new Date((at[index] ?? 0) * 1000);
    utimesSync(path.join(folder, 'image.json'), time, time);
  }
  const [first, second, third] = images.map(({ key }) => key);
  expect((await listImages(cache)).map(({ key }) => key)).toEqual([third, first, second]);
  const each = (await listImages(cache))[0]?.allocatedBytes ?? 0;
  // Of 64 MiB of memory only what is data counts.
  expect(each).toBeLessThan(2 * 1024 * 1024);
  expect(await pruneImages(cache, 3 * each, third ?? '')).toEqual([]);
  expect(await pruneImages(cache, 2 * each, third ?? '')).toEqual([second]);
  // Used now, the older one is kept.
  await findImage(cache, first ?? '');
  expect((await listImages(cache)).map(({ key }) => key)).toEqual([first, third]);
  // The one just made stays, unless it alone is too large.
  expect(await pruneImages(cache, each, third ?? '')).toEqual([first]);
  expect(await pruneImages(cache, each - 1, third ?? '')).toEqual([third]);
  expect(readdirSync(cache)).toEqual([]);
});

test('times from the future and the past only change the order', async () => {
  const { key, folder } = await putImage(cache);
  for (const year of ['1971', '2099']) {
    const time = new Date(`${year}-01-01`);
    utimesSync(path.join(folder, 'image.json'), time, time);
    expect(await findImage(cache, key)).toMatchObject({ found: true });
  }
});

test('an image is placed once; a second one of the key does not replace it', async () => {
  const { key, folder } = await putImage(cache);
  const finished = path.join(cache, 'finished');
  mkdirSync(finished);
  writeFileSync(path.join(finished, 'image.json'), 'another');
  await placeImage(cache, key, finished);
  expect(await findImage(cache, key)).toEqual({ found: true, folder });
  expect(existsSync(finished)).toBe(true);
});

test('removing what is not there is no failure', async () => {
  expect(await removeImage(cache, 'a'.repeat(32))).toBe(false);
});

test('drafts of makers that are gone are deleted, those of living ones are not', async () => {
  const own = await identifyOwnProcess();
  const [dead, living] = ['a', 'b'].map((digit) => draftFolder(cache, digit.repeat(32))) as [string, string];
  for (const folder of [dead, living]) mkdirSync(path.join(folder, 'image'), { recursive: true, mode: 0o700 });
  writeFileSync(path.join(dead, 'machine-claim.1'), JSON.stringify({ ...own, startTime: '1' }));
  writeFileSync(path.join(dead, 'image', 'memory'), 'half');
  await claimMachine(living, own);
  const gone = path.join(cache, `${'0123456789abcdef'}.gone`);
  mkdirSync(gone);
  writeFileSync(path.join(cache, 'iso-digests.json'), '{}');
  const { folder } = await putImage(cache);
  expect([...(await findAbandonedFolders(cache))].sort()).toEqual([gone, dead].sort());
  await sweepCache(cache);
  expect(readdirSync(cache).sort()).toEqual([path.basename(living), path.basename(folder), 'iso-digests.json'].sort());
});

test('a hard link to an image does not matter', async () => {
  const { key, folder } = await putImage(cache);
  linkSync(path.join(folder, 'memory'), path.join(cache, 'of-a-backup'));
  expect(await findImage(cache, key)).toMatchObject({ found: true });
});

describe('notes', () => {
  const KEY = 'c'.repeat(32);

  test('hold for their time', async () => {
    expect(findUnfit(cache, KEY)).toBeUndefined();
    await noteUnfit(cache, KEY, 'it never becomes quiet', 60_000);
    expect(findUnfit(cache, KEY)).toBe('it never becomes quiet');
    await noteUnfit(cache, KEY, 'it never becomes quiet', -1);
    expect(findUnfit(cache, KEY)).toBeUndefined();
    await noteUnfit(cache, KEY, 'again', 60_000);
    await forgetUnfit(cache, KEY);
    expect(findUnfit(cache, KEY)).toBeUndefined();
  });

  test('from the future say nothing: the clock was set back', async () => {
    const note = { reason: 'old', since: Date.now() + 3_600_000, until: Date.now() + 7_200_000 };
    writeFileSync(path.join(cache, `${KEY}.unfit`), JSON.stringify(note));
    expect(findUnfit(cache, KEY)).toBeUndefined();
  });

  test.each(['', '{', '{"reason":1}', '{"reason":"x","since":"y","until":1}'])('that are %s say nothing', (text) => {
    writeFileSync(path.join(cache, `${KEY}.unfit`), text);
    expect(findUnfit(cache, KEY)).toBeUndefined();
  });
});

describe('an image from which a machine could not go on', () => {
  const fail = async (key: string, begunMs = Date.now()): Promise<string | undefined> => {
    const removed = await countFailure(cache, key, { reason: 'too slow', begunMs });
    // The clock of files is coarse.
    await new Promise((resolve) => setTimeout(resolve, 20));
    return removed;
  };

  test('stays, is removed after three times in a row, and is not made again for a day', async () => {
    const { key, folder } = await putImage(cache);
    expect(await fail(key)).toBeUndefined();
    expect(await fail(key)).toBeUndefined();
    await countSuccess(cache, key);
    expect(await fail(key)).toBeUndefined();
    expect(await fail(key)).toBeUndefined();
    expect(existsSync(folder)).toBe(true);
    expect(await fail(key)).toBe('it failed 3 times in a row');
    expect(existsSync(folder)).toBe(false);
    expect(findUnfit(cache, key)).toContain('too slow');
    expect(readdirSync(cache)).toEqual([`${key}.unfit`]);
  });

  test('several at once count as one', async () => {
    const { key } = await putImage(cache);
    const begunMs = Date.now();
    await Promise.all(Array.from({ length: 8 }, () => fail(key, begunMs)));
    expect(await fail(key, begunMs)).toBeUndefined();
    expect(await fail(key)).toBeUndefined();
    expect(await fail(key)).toBe('it failed 3 times in a row');
  });

  test('failures from the future count, too: the clock was set back', async () => {
    const { key } = await putImage(cache);
    await fail(key);
    utimesSync(path.join(cache, `${key}.strike-1`), new Date('2099-01-01'), new Date('2099-01-01'));
    await fail(key);
    expect(await fail(key)).toBe('it failed 3 times in a row');
  });

  test('is removed at once when it is damaged, and may be made again', async () => {
    const { key, folder } = await putImage(cache);
    shorten('memory')(folder);
    expect(await fail(key)).toMatch(/memory has 1000 bytes/);
    expect(existsSync(folder)).toBe(false);
    expect(findUnfit(cache, key)).toBeUndefined();
  });
});
