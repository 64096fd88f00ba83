import type { Stats } from 'node:fs';
import { lstat, mkdir } from 'node:fs/promises';
import { EngineError } from '../errors';
import { describeWriteFailure } from '../storage/write-failure';

/**
 * Makes the cache's folder, or sees that it is ours alone: what lies in it is started, with the keys of whoever asks.
 * @throws EngineError HK_WARM_FAILED
 */
export async function openCache(cache: string): Promise<void> {
  try {
    await mkdir(cache, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const text = `cannot make the folder of warm images ${cache}: ${describeWriteFailure(cause)}`;
    throw new EngineError('HK_WARM_FAILED', text, { cause });
  }
  const problem = findForeignTraits(await lstat(cache), 'folder');
  if (problem === undefined) return;
  throw new EngineError('HK_WARM_FAILED', `cannot use the folder of warm images ${cache}: ${problem}; remove it`);
}

/** Why a folder or file of the cache can't be believed; undefined when it is of this user, and only this user can change it. */
export function findForeignTraits(found: Stats, kind: 'folder' | 'file'): string | undefined {
  if (kind === 'folder' ? !found.isDirectory() : !found.isFile()) return `it is no ${kind}`;
  if (found.uid !== process.getuid?.()) return 'it belongs to another user';
  if ((found.mode & 0o077) !== 0) return 'other users may use it';
  return undefined;
}
