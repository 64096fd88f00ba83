import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DriverError } from '../../../../driver/errors';
import { type DownloadOptions, downloadFile } from '../../../../driver/iso/download';
import type { DownloadProgress } from '../../../../driver/iso/download-attempt';
import { EngineError } from '../../../../engine/errors';
import { temporaryFolder } from '../../../support/temporary-folder';
import { httpFixture, serve, serveBreaking } from './http-fixture';

const folder = temporaryFolder();
const http = httpFixture();
const content = randomBytes(3_000_000);
const other = randomBytes(2_000_000);
const sha256 = createHash('sha256').update(content).digest('hex');

const timing = { connectTimeoutMs: 2000, stallTimeoutMs: 300, retryDelaysMs: [5, 5, 5], progressIntervalMs: 0 };
let target = '';
let count = 0;

beforeEach(() => {
  target = join(folder, `${count++}.iso`);
});

const download = async (path = '/x.iso', options: DownloadOptions = {}) =>
  await downloadFile(`${http.origin}${path}`, target, { timing, ...options });

const failure = async (promise: Promise<void>): Promise<DriverError> => {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DriverError);
  return error as DriverError;
};

/** Not toEqual: that compares megabytes one by one. */
const expectTarget = (expected: Buffer) => expect(readFileSync(target).equals(expected)).toBe(true);

const filesOf = (path: string) => readdirSync(folder).filter((name) => join(folder, name).startsWith(path));

it('downloads, reports progress, and leaves nothing but the file', async () => {
  http.handle = serve(content);
  const reports: DownloadProgress[] = [];
  await download('/x.iso', { onProgress: (progress) => reports.push(progress) });
  expectTarget(content);
  expect(statSync(target).mode & 0o777).toBe(0o644);
  expect(reports.at(-1)).toMatchObject({ receivedBytes: content.length, totalBytes: content.length });
  expect(reports.at(-1)!.bytesPerSecond).toBeGreaterThan(0);
  expect(filesOf(target)).toHaveLength(1);
  expect(http.requests[0]!.headers).toMatchObject({ 'accept-encoding': 'identity' });
});

it('replaces a file that is there', async () => {
  writeFileSync(target, 'old');
  http.handle = serve(content);
  await download();
  expectTarget(content);
});

it('goes on where the connection broke', async () => {
  http.handle = serveBreaking(content, 1_000_000, 2);
  const retries: string[] = [];
  await download('/x.iso', { onRetry: (reason) => retries.push(reason) });
  expectTarget(content);
  expect(retries).toHaveLength(2);
  // A reset connection may lose the last bytes sent.
  const starts = http.requests.map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? 'bytes=0-')?.[1]));
  expect(starts[0]).toBe(0);
  expect(starts[1]).toBeGreaterThan(0);
  expect(starts[2]).toBeGreaterThan(starts[1]!);
  expect(starts).toHaveLength(3);
  expect(http.requests[1]!.headers['if-range']).toBe('"one"');
});

it('goes on where an earlier process stopped', async () => {
  http.handle = serveBreaking(content, 500_000, 100);
  await failure(download('/x.iso', { timing: { ...timing, retryDelaysMs: [] } }));
  expect(existsSync(target)).toBe(false);
  const { size } = statSync(`${target}.part`);
  expect(size).toBeGreaterThan(0);
  http.handle = serve(content);
  await download();
  expect(http.requests.at(-1)!.range).toBe(`bytes=${size}-`);
  expectTarget(content);
});

it('does not take the rest of another URL, nor go on without a record', async () => {
  http.handle = serveBreaking(other, 500_000, 100);
  await failure(download('/other.iso', { timing: { ...timing, retryDelaysMs: [] } }));
  http.handle = serve(content);
  await download();
  expect(http.requests.at(-1)!.range).toBeUndefined();
  expectTarget(content);

  target = `${target}-2`;
  writeFileSync(`${target}.part`, 'whatever');
  await download();
  expectTarget(content);
});

it.each([
  ['by If-Range', serve(other, '"two"')],
  [
    'by the ETag of a server that ignores If-Range',
    (
      request: Parameters<ReturnType<typeof serve>>[0],
      response: Parameters<ReturnType<typeof serve>>[1],
      index: number,
    ) => {
      delete request.headers['if-range'];
      serve(other, '"two"')(request, response, index);
    },
  ],
] as const)('starts over when the file on the server has changed, told %s', async (_, changed) => {
  http.handle = (request, response, index) =>
    (index === 0 ? serveBreaking(content, 1_000_000, 1) : changed)(request, response, index);
  await download();
  expectTarget(other);
});

it('starts over when the file on the server is shorter by now', async () => {
  const short = content.subarray(0, 900_000);
  http.handle = (request, response, index) =>
    (index === 0 ? serveBreaking(content, 1_000_000, 1) : serve(short, '"one"'))(request, response, index);
  await download();
  expectTarget(short);
});

it('starts over when the server gives no means to tell', async () => {
  http.handle = (_, response, index) => {
    response.writeHead(200, { 'Content-Length': content.length });
    if (index === 0) response.write(content.subarray(0, 1000), () => setTimeout(() => response.destroy(), 20));
    else response.end(content);
  };
  await download();
  expect(http.requests.map(({ range }) => range)).toEqual([undefined, undefined]);
  expectTarget(content);
});

it('takes a body without length, as long as it ends well', async () => {
  http.handle = (_, response, index) => {
    response.write(content.subarray(0, 1_000_000), () => {
      if (index === 0) setTimeout(() => response.destroy(), 20);
      else response.end(content.subarray(1_000_000));
    });
  };
  await download();
  expect(http.requests).toHaveLength(2);
  expectTarget(content);
});

it('never takes less than was promised', async () => {
  http.handle = (_, response) => {
    response.writeHead(200, { 'Content-Length': content.length + 10, ETag: '"one"' });
    response.write(content, () => setTimeout(() => response.destroy(), 20));
  };
  const { code, message } = await failure(download());
  expect(code).toBe('HK_ISO_DOWNLOAD_FAILED');
  expect(message).toContain(`cannot download ${http.origin}/x.iso: `);
  expect(existsSync(target)).toBe(false);
});

it('gives up on a server that stalls', async () => {
  http.handle = (_, response) => {
    response.writeHead(200, { 'Content-Length': content.length });
    response.write(content.subarray(0, 1000));
  };
  const startedMs = performance.now();
  const { message } = await failure(download());
  expect(message).toMatch(/: no more data for 0.3 s; check the network/);
  expect(http.requests.length).toBe(4);
  expect(performance.now() - startedMs).toBeLessThan(4000);
});

it('gives up on a server that does not answer', async () => {
  http.handle = () => undefined;
  const { message } = await failure(download('/x.iso', { timing: { ...timing, connectTimeoutMs: 200 } }));
  expect(message).toContain('no answer for 0.2 s');
  expect(http.requests.length).toBe(4);
});

it('follows redirects, but not without end', async () => {
  http.handle = (request, response, index) => {
    if (request.url === '/end.iso') serve(content)(request, response, index);
    else response.writeHead(302, { Location: request.url === '/loop' ? '/loop' : '/end.iso' }).end();
  };
  await download('/start.iso');
  expectTarget(content);
  http.requests.length = 0;
  expect((await failure(download('/loop'))).message).toContain(
    'it redirects without end; check --hyperkit-boot2docker-url',
  );
  expect(http.requests.length).toBeLessThan(10);
});

it.each([
  [404, 'the server answers with status 404 (not there); check --hyperkit-boot2docker-url', 1],
  [403, 'the server answers with status 403 (not allowed)', 1],
  [503, 'the server answers with status 503; try again later', 4],
])('answers status %i at once or after some tries', async (status, text, requests) => {
  http.handle = (_, response) => response.writeHead(status).end('sorry');
  const { code, message } = await failure(download());
  expect(code).toBe('HK_ISO_DOWNLOAD_FAILED');
  expect(message).toContain(text);
  expect(http.requests).toHaveLength(requests);
  expect(filesOf(target)).toEqual([]);
});

it('recovers from a server that is busy', async () => {
  http.handle = (request, response, index) => {
    if (index < 2) response.writeHead(503).end();
    else serve(content)(request, response, index);
  };
  await download();
  expectTarget(content);
});

it.each([
  [
    'says so',
    (response: Parameters<typeof http.handle>[1]) => response.writeHead(200, { 'Content-Length': 10 ** 12 }).write('x'),
  ],
  ['does not say so', (response: Parameters<typeof http.handle>[1]) => response.end(content)],
])('refuses a file that is too large and %s', async (_, answer) => {
  http.handle = (__, response) => void answer(response);
  const { message } = await failure(download('/x.iso', { maxBytes: 1_000_000 }));
  expect(message).toContain('it is larger than 1000000 bytes');
  expect(http.requests).toHaveLength(1);
});

describe('checksums', () => {
  it('accepts the right one, in any case', async () => {
    http.handle = serve(content);
    await download('/x.iso', { expectedSha256: sha256.toUpperCase() });
    expect(existsSync(target)).toBe(true);
  });

  it('refuses a wrong one and keeps nothing', async () => {
    http.handle = serve(content);
    const { code, message } = await failure(download('/x.iso', { expectedSha256: '0'.repeat(64) }));
    expect(code).toBe('HK_ISO_DOWNLOAD_FAILED');
    expect(message).toContain(`its SHA-256 is ${sha256} but should be 000`);
    expect(filesOf(target)).toEqual([]);
    expect(http.requests).toHaveLength(1);
  });

  it('tries once more from the start when the file was pieced together', async () => {
    // The server changed the content, but neither its length nor the ETag.
    const earlier = Buffer.from(content);
    earlier[5] = earlier[5]! ^ 1;
    http.handle = (request, response, index) =>
      (index === 0 ? serveBreaking(earlier, 1_000_000, 1) : serve(content))(request, response, index);
    await download('/x.iso', { expectedSha256: sha256 });
    expectTarget(content);
    expect(http.requests.map(({ range }) => range)).toEqual([
      undefined,
      expect.stringMatching(/^bytes=[1-9]/),
      undefined,
    ]);
  });

  it.each([
    ['in the form of sha256sum', `${sha256}  published.iso\n`, undefined],
    ['that does not fit', '0'.repeat(64), 'HK_ISO_DOWNLOAD_FAILED'],
    ['that is a web page', '<html>', undefined],
  ])('asks for one beside the file: %s', async (_, published, code) => {
    http.handle = (request, response, index) => {
      if (request.url?.endsWith('.sha256')) response.end(published);
      else serve(content)(request, response, index);
    };
    if (code === undefined) await download('/published.iso');
    else expect(await failure(download('/published.iso'))).toMatchObject({ code });
    expect(http.requests.map(({ path }) => path)).toEqual(['/published.iso', '/published.iso.sha256']);
  });
});

it('lets the caller refuse the file, and removes it', async () => {
  http.handle = serve(content);
  const error = new EngineError('HK_ISO_INVALID', 'not an ISO');
  await expect(download('/x.iso', { verify: async () => await Promise.reject(error) })).rejects.toBe(error);
  expect(filesOf(target)).toEqual([]);
});

it('stops when told, and keeps what it has', async () => {
  const controller = new AbortController();
  http.handle = (_, response) => {
    response.writeHead(200, { 'Content-Length': content.length, ETag: '"one"' });
    response.write(content.subarray(0, 100_000));
    setTimeout(() => controller.abort(), 50);
  };
  const startedMs = performance.now();
  const { message } = await failure(download('/x.iso', { signal: controller.signal }));
  expect(message).toContain('it was cancelled');
  expect(performance.now() - startedMs).toBeLessThan(1000);
  expect(http.requests).toHaveLength(1);
  expect((await failure(download('/x.iso', { signal: controller.signal }))).message).toContain('it was cancelled');
  expect(http.requests).toHaveLength(1);
});

it('shows no credentials', async () => {
  http.handle = (_, response) => response.writeHead(404).end();
  const url = `http://user:hunter2@${http.host}/x.iso?signature=hunter3`;
  const error = await failure(downloadFile(url, target, { timing }));
  expect(http.requests[0]!.headers.authorization).toBe(`Basic ${Buffer.from('user:hunter2').toString('base64')}`);
  expect(error.message).toContain(`cannot download ${http.origin}/x.iso?…: `);
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error)) + String(error.cause)).not.toContain('hunter');
});

it('goes through the proxy of the environment', async () => {
  http.handle = serve(content);
  process.env['http_proxy'] = http.origin;
  try {
    await downloadFile('http://iso.invalid/x.iso', target, { timing });
  } finally {
    delete process.env['http_proxy'];
  }
  expect(http.requests[0]!.path).toBe('http://iso.invalid/x.iso');
  expectTarget(content);
});

it('says when the host does not exist or nobody listens', async () => {
  expect((await failure(downloadFile('http://iso.invalid/x.iso', target, { timing }))).message).toMatch(
    /cannot download http:\/\/iso\.invalid\/x\.iso: .*(unknown|EAI_AGAIN)/,
  );
  const { message } = await failure(downloadFile('http://127.0.0.1:9/x.iso', target, { timing }));
  expect(message).toMatch(/ECONNREFUSED.*; check the network and the proxy settings/);
});

it('says when it cannot write', async () => {
  http.handle = serve(content);
  const error = await failure(downloadFile(`${http.origin}/x.iso`, join(folder, 'none', 'x.iso'), { timing }));
  expect(error.code).toBe('HK_STORE_UNWRITABLE');
  expect(http.requests).toHaveLength(1);
});
