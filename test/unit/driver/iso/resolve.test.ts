import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Logger } from '../../../../driver/contract/logger';
import { cachedIsoPath } from '../../../../driver/iso/cache';
import { type IsoRequest, installIso, planIso } from '../../../../driver/iso/resolve';
import { temporaryFolder } from '../../../support/temporary-folder';
import { boot2dockerFiles, buildIso } from '../../engine/boot/iso-builder';
import { httpFixture, serve } from './http-fixture';

const folder = temporaryFolder();
const http = httpFixture();
const iso = (volumeId: string) => buildIso(boot2dockerFiles(), { rockRidge: true, volumeId });
const ours = iso('b2d-v28.0.0');
const upstream = iso('b2d-v19.03.12');

let count = 0;
let storePath = '';
let machineDir = '';
let bundled = '';
let log: string[] = [];
const note = (text: string) => void log.push(text);
const logger: Logger = { debug: note, info: note, warn: note, error: note };

beforeEach(() => {
  const base = join(folder, String(count++));
  storePath = join(base, 'store');
  machineDir = join(storePath, 'machines', 'dev');
  bundled = join(base, 'image', 'boot2docker.iso');
  log = [];
  mkdirSync(machineDir, { recursive: true });
  mkdirSync(dirname(bundled), { recursive: true });
});

const request = (changes: Partial<IsoRequest> = {}): IsoRequest => ({
  storePath,
  url: '',
  bundledIsos: [join(folder, 'absent.iso'), bundled],
  logger,
  ...changes,
});

const putIntoCache = (content: Buffer): void => {
  mkdirSync(dirname(cachedIsoPath(storePath)), { recursive: true });
  writeFileSync(cachedIsoPath(storePath), content);
};

const cached = () => readFileSync(cachedIsoPath(storePath));
const installed = () => readFileSync(join(machineDir, 'boot2docker.iso'));

const create = async (changes?: Partial<IsoRequest>) =>
  await installIso(await planIso(request(changes)), machineDir, request(changes));

describe('without a URL', () => {
  it('takes the cached ISO, whoever put it there', async () => {
    putIntoCache(upstream);
    writeFileSync(bundled, ours);
    expect(await planIso(request())).toEqual({ kind: 'cache', path: cachedIsoPath(storePath), version: 'v19.03.12' });
    expect(await create()).toEqual({
      path: join(machineDir, 'boot2docker.iso'),
      version: 'v19.03.12',
      source: cachedIsoPath(storePath),
    });
    expect(installed().equals(upstream)).toBe(true);
    expect(cached().equals(upstream)).toBe(true);
    expect(statSync(join(machineDir, 'boot2docker.iso')).mode & 0o777).toBe(0o644);
  });

  it('puts our own ISO into the cache when there is none', async () => {
    writeFileSync(bundled, ours);
    expect(await create()).toMatchObject({ version: 'v28.0.0' });
    expect(cached().equals(ours)).toBe(true);
    expect(statSync(dirname(cachedIsoPath(storePath))).mode & 0o777).toBe(0o700);
    expect(readdirSync(dirname(cachedIsoPath(storePath))).sort()).toEqual([
      'boot2docker.iso',
      'boot2docker.iso.origin.json',
    ]);
    expect(readdirSync(machineDir)).toEqual(['boot2docker.iso']);
  });

  it('renews its copy when our ISO was built anew, and only then', async () => {
    writeFileSync(bundled, ours);
    await planIso(request());
    const inode = statSync(cachedIsoPath(storePath)).ino;
    await planIso(request());
    expect(statSync(cachedIsoPath(storePath)).ino).toBe(inode);

    writeFileSync(bundled, iso('b2d-v29.0.0'));
    utimesSync(bundled, 1, 1);
    expect(await planIso(request())).toMatchObject({ kind: 'cache', version: 'v29.0.0' });

    // Somebody's own ISO in the cache stays, however often ours changes.
    writeFileSync(cachedIsoPath(storePath), upstream);
    utimesSync(bundled, 2, 2);
    expect(await planIso(request())).toMatchObject({ version: 'v19.03.12' });
  });

  it('keeps the copy it has when the new one is broken', async () => {
    writeFileSync(bundled, ours);
    await planIso(request());
    truncateSync(bundled, ours.length / 2);
    expect(await planIso(request())).toMatchObject({ kind: 'cache', version: 'v28.0.0' });
    expect(log.join()).toContain('it ends at byte');
  });

  it('replaces a damaged cached ISO', async () => {
    putIntoCache(upstream.subarray(0, 40_000));
    writeFileSync(bundled, ours);
    expect(await create()).toMatchObject({ version: 'v28.0.0' });
    expect(cached().equals(ours)).toBe(true);
    expect(log.join()).toContain('The cached ISO is replaced: cannot read ISO');
  });

  it.each([
    [
      'nothing anywhere',
      undefined,
      undefined,
      /there is none at .*cache.boot2docker\.iso; build one with image\/build .* --hyperkit-boot2docker-url$/,
    ],
    [
      'a damaged one in the cache',
      upstream.subarray(0, 40_000),
      undefined,
      /the one in the cache cannot be used \(cannot read ISO .*\); build one/,
    ],
    [
      'two damaged ones',
      upstream.subarray(0, 40_000),
      Buffer.from('x'),
      /cannot be used \(.*\) and .*image.boot2docker\.iso cannot be used either; build/,
    ],
  ])('tells the ways out with %s', async (_, inCache, inBundle, message) => {
    if (inCache) putIntoCache(inCache);
    if (inBundle) writeFileSync(bundled, inBundle);
    await expect(planIso(request())).rejects.toMatchObject({
      code: 'HK_ISO_MISSING',
      message: expect.stringMatching(message),
    });
    expect(readdirSync(machineDir)).toEqual([]);
  });

  it('does without the cache when it cannot be written', async () => {
    writeFileSync(bundled, ours);
    writeFileSync(join(storePath, 'cache'), 'a file where the folder should be');
    expect(await create()).toMatchObject({ version: 'v28.0.0' });
    expect(log.join()).toContain('The ISO is not cached');
  });

  it('serves many creates at once', async () => {
    writeFileSync(bundled, ours);
    const machines = ['a', 'b', 'c', 'd'].map((name) => join(storePath, 'machines', name));
    await Promise.all(
      machines.map(async (machine) => {
        mkdirSync(machine);
        await installIso(await planIso(request()), machine, request());
      }),
    );
    for (const machine of machines) expect(readFileSync(join(machine, 'boot2docker.iso')).equals(ours)).toBe(true);
    expect(log.filter((text) => text.startsWith('Copying'))).toHaveLength(1);
    expect(readdirSync(dirname(cachedIsoPath(storePath))).sort()).toEqual([
      'boot2docker.iso',
      'boot2docker.iso.origin.json',
    ]);
  });

  it('says when the ISO vanished between check and create', async () => {
    putIntoCache(upstream);
    const plan = await planIso(request());
    writeFileSync(bundled, ours);
    const missing = { ...plan, path: join(folder, 'gone.iso') } as typeof plan;
    await expect(installIso(missing, machineDir, request())).rejects.toMatchObject({ code: 'HK_ISO_MISSING' });
  });
});

describe('with a file', () => {
  it.each([
    ['a path', (path: string) => path],
    ['a file URL', (path: string) => pathToFileURL(path).href],
    ['a file URL with localhost', (path: string) => pathToFileURL(path).href.replace('file:///', 'file://localhost/')],
  ])('copies it from %s and caches nothing', async (_, spell) => {
    const path = join(dirname(bundled), 'my own.iso');
    writeFileSync(path, ours);
    expect(await create({ url: spell(path) })).toMatchObject({ version: 'v28.0.0' });
    expect(installed().equals(ours)).toBe(true);
    expect(existsSync(cachedIsoPath(storePath))).toBe(false);
  });

  it('finds out early that it is absent, damaged, or without a kernel', async () => {
    await expect(planIso(request({ url: bundled }))).rejects.toMatchObject({ code: 'HK_ISO_UNREADABLE' });
    writeFileSync(bundled, ours.subarray(0, 50_000));
    await expect(planIso(request({ url: bundled }))).rejects.toMatchObject({ code: 'HK_ISO_INVALID' });
    writeFileSync(bundled, buildIso({ '/boot/readme': 'x' }));
    await expect(planIso(request({ url: bundled }))).rejects.toMatchObject({ code: 'HK_ISO_NO_KERNEL' });
  });

  it('compares its checksum', async () => {
    writeFileSync(bundled, ours);
    const sha256 = createHash('sha256').update(ours).digest('hex');
    await planIso(request({ url: bundled, expectedSha256: sha256 }));
    await expect(planIso(request({ url: bundled, expectedSha256: '00' }))).rejects.toMatchObject({
      code: 'HK_FLAG_INVALID',
      message: `cannot use ISO ${bundled}: its SHA-256 is ${sha256}, not 00`,
    });
  });

  it('may be read-only', async () => {
    writeFileSync(bundled, ours);
    chmodSync(bundled, 0o400);
    await create({ url: bundled });
    await create({ url: bundled });
    expect(statSync(join(machineDir, 'boot2docker.iso')).mode & 0o777).toBe(0o644);
  });
});

describe('with an http URL', () => {
  it('downloads to the machine, caches nothing', async () => {
    http.handle = serve(ours);
    expect(await planIso(request({ url: `${http.origin}/x.iso` }))).toEqual({
      kind: 'download',
      url: `${http.origin}/x.iso`,
      version: undefined,
    });
    expect(await create({ url: `${http.origin}/x.iso` })).toMatchObject({ version: 'v28.0.0' });
    expect(installed().equals(ours)).toBe(true);
    expect(existsSync(dirname(cachedIsoPath(storePath)))).toBe(false);
    expect(log).toContain(`Downloading ${http.origin}/x.iso...`);
    expect(log.at(-1)).toMatch(/^0\.\d of 0\.\d MB \(\d+\.\d MB\/s\)$/);
  });

  it('finds out early that there is no ISO', async () => {
    http.handle = (_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>log in</html>');
    await expect(planIso(request({ url: `${http.origin}/x.iso` }))).rejects.toMatchObject({
      code: 'HK_ISO_DOWNLOAD_FAILED',
      message: `cannot download ${http.origin}/x.iso: it is not an ISO image (the server calls it text/html); check --hyperkit-boot2docker-url`,
    });
    http.handle = (_, response) => response.writeHead(404).end();
    await expect(planIso(request({ url: `${http.origin}/x.iso` }))).rejects.toMatchObject({
      message: expect.stringContaining('status 404'),
    });
  });

  it('looks at no more than the start of a server without ranges', async () => {
    const large = Buffer.concat([ours, Buffer.alloc(20_000_000)]);
    let sentAll = false;
    http.handle = (_, response) => {
      response.writeHead(200, { 'Content-Length': large.length });
      response.end(large, () => {
        sentAll = true;
      });
    };
    await planIso(request({ url: `${http.origin}/x.iso` }));
    expect(sentAll).toBe(false);
  });

  it('removes a download that turns out to have no kernel', async () => {
    http.handle = serve(buildIso({ '/readme': 'x' }));
    await expect(create({ url: `${http.origin}/x.iso` })).rejects.toMatchObject({ code: 'HK_ISO_NO_KERNEL' });
    expect(readdirSync(machineDir)).toEqual([]);
  });
});

describe('with a GitHub releases URL', () => {
  const releases = (path = '/releases') => `${http.origin}/api/v3/repos/owner/repo${path}`;

  it("downloads the newest release's ISO", async () => {
    http.handle = (incoming, response, index) => {
      if (incoming.url?.startsWith('/api/'))
        response.end(JSON.stringify([{ tag_name: 'v3', prerelease: true }, { tag_name: 'v2' }, { tag_name: 'v1' }]));
      else serve(ours)(incoming, response, index);
    };
    const url = `${http.origin}/owner/repo/releases/download/v2/boot2docker.iso`;
    expect(await planIso(request({ url: releases(), githubToken: 'secret' }))).toEqual({
      kind: 'download',
      url,
      version: 'v2',
    });
    expect(http.requests.map(({ headers }) => headers.authorization)).toEqual(['token secret', undefined]);
    expect(await create({ url: releases() })).toMatchObject({ version: 'v28.0.0' });
  });

  it('goes by the assets when they are told', async () => {
    const url = `${http.origin}/elsewhere/my.iso`;
    http.handle = (incoming, response, index) => {
      if (incoming.url?.startsWith('/api/')) {
        const assets = [
          { name: 'notes.txt', browser_download_url: 'x' },
          { name: 'my.iso', browser_download_url: url },
        ];
        response.end(JSON.stringify({ tag_name: 'v9', assets }));
      } else serve(ours)(incoming, response, index);
    };
    expect(await planIso(request({ url: releases('/releases/latest') }))).toEqual({
      kind: 'download',
      url,
      version: 'v9',
    });
  });

  it.each([
    [403, '{}', /GitHub refuses \(status 403, its rate limit perhaps\); wait an hour, give --github-api-token/],
    [404, '{}', /status 404 \(not there\)/],
    [200, '<html>', /the answer is not JSON/],
    [200, '[]', /the answer names no release/],
    [200, 'null', /the answer names no release/],
    [200, '{"tag_name":7}', /the answer names no release/],
  ])('says what is wrong with the answer %i %s', async (status, body, message) => {
    http.handle = (_, response) => response.writeHead(status).end(body);
    await expect(planIso(request({ url: releases() }))).rejects.toMatchObject({
      code: 'HK_ISO_DOWNLOAD_FAILED',
      message: expect.stringMatching(message),
    });
  });
});
