import { chmod, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from '../../engine/errors';
import { syncFolder } from '../../engine/storage/atomic-file';
import { DriverError } from '../errors';
import { checkSha256, fetchPublishedSha256 } from './checksum';
import { type DownloadProgress, fetchPart } from './download-attempt';
import { DownloadFault, downloadError, faultOf } from './download-fault';
import { PartialFile } from './partial-file';
import { guardStore } from './store-error';

export interface DownloadTiming {
  readonly connectTimeoutMs: number;
  readonly stallTimeoutMs: number;
  /** Pauses before a further attempt; after the last one it is over. Any new byte starts the row again. */
  readonly retryDelaysMs: readonly number[];
  /** Least time between two reports of progress. */
  readonly progressIntervalMs: number;
}

export interface DownloadOptions {
  /** Hex. Without it `<url>.sha256` is asked for, see checksum.ts. */
  readonly expectedSha256?: string | undefined;
  /** Throws when the complete file is not what was wanted; it is then removed. */
  readonly verify?: (path: string) => Promise<void>;
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly onRetry?: (reason: string) => void;
  readonly signal?: AbortSignal | undefined;
  readonly maxBytes?: number;
  readonly timing?: Partial<DownloadTiming>;
}

const DEFAULT_TIMING: DownloadTiming = {
  connectTimeoutMs: 30_000,
  stallTimeoutMs: 30_000,
  retryDelaysMs: [1000, 3000, 9000],
  progressIntervalMs: 1000,
};

/** Ten times the largest ISO of this kind. */
const DEFAULT_MAX_BYTES = 4 * 1024 ** 3;

/** With a server that breaks off after every piece there would be no end otherwise. */
const MAX_ATTEMPTS = 50;

/**
 * Downloads `url` to `target`, which only ever gets its name when complete and checked; until then it is
 * `<target>.part`, where this or a later process goes on after a break if the server can tell that the content is
 * still the same. Throws HK_ISO_DOWNLOAD_FAILED, HK_DISK_FULL, HK_STORE_UNWRITABLE, or what `verify` throws.
 */
export async function downloadFile(url: string, target: string, options: DownloadOptions = {}): Promise<void> {
  const timing = { ...DEFAULT_TIMING, ...options.timing };
  const part = new PartialFile(target);
  try {
    const wasResumed = await fetchWithRetries(url, part, options, timing);
    const expected = options.expectedSha256 ?? (await fetchPublishedSha256(url, timing, options.signal));
    if (!(await isAsExpected(part, expected, wasResumed))) {
      options.onRetry?.('the resumed file has a wrong checksum; starting over');
      await part.discard();
      await fetchWithRetries(url, part, options, timing);
      await isAsExpected(part, expected, false);
    }
    await options.verify?.(part.path).catch(async (error: unknown) => {
      await part.discard();
      throw error;
    });
    await putInPlace(part, target);
  } catch (error) {
    throw error instanceof EngineError ? error : downloadError(url, error);
  }
}

/** Answers whether some of the file came from an earlier attempt. */
async function fetchWithRetries(
  url: string,
  part: PartialFile,
  options: DownloadOptions,
  timing: DownloadTiming,
): Promise<boolean> {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  let failures = 0;
  for (let attempt = 1; ; attempt++) {
    const before = await sizeOf(part.path);
    try {
      await fetchPart(url, part, { ...timing, maxBytes, signal: options.signal, onProgress: options.onProgress });
      return before > 0;
    } catch (error) {
      if (error instanceof DriverError) throw error; // our own disk
      const fault = faultOf(error);
      failures = (await sizeOf(part.path)) > before ? 1 : failures + 1;
      const pauseMs = timing.retryDelaysMs[failures - 1];
      if (!fault.isTransient || pauseMs === undefined || attempt >= MAX_ATTEMPTS) throw fault;
      options.onRetry?.(fault.message);
      await delay(pauseMs, undefined, options.signal ? { signal: options.signal } : {}).catch(() => undefined);
    }
  }
}

/** False asks for a second try from the start: pieces of two attempts may not fit together. */
async function isAsExpected(part: PartialFile, expected: string | undefined, wasResumed: boolean): Promise<boolean> {
  if (expected === undefined) return true;
  const actual = await checkSha256(part.path, expected);
  if (actual === undefined) return true;
  if (wasResumed) return false;
  await part.discard();
  throw new DownloadFault(
    `its SHA-256 is ${actual} but should be ${expected.toLowerCase()}`,
    'try again; if it stays so, the file was changed or the checksum is of another one',
    false,
  );
}

async function putInPlace(part: PartialFile, target: string): Promise<void> {
  await guardStore(target, async () => {
    const file = await open(part.path, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(part.path, 0o644);
    await rename(part.path, target);
    await part.forget();
    await syncFolder(dirname(target));
  });
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
