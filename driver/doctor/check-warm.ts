import { lstat } from 'node:fs/promises';
import { findForeignTraits } from '../../engine/warm/private-folder';
import { findAbandonedFolders, listImages, removeImage, sweepCache } from '../../engine/warm/warm-cache';
import { verifyImage } from '../../engine/warm/warm-image';
import { warmCache, warmLimitBytes } from '../warm/warm-settings';
import type { Finding } from './finding';

const MIB = 1024 * 1024;
const SUBJECT = 'warm images';

/** What machines go on from instead of booting: every byte of it, and what makers have left that are gone. */
export async function checkWarm(): Promise<readonly Finding[]> {
  const cache = warmCache();
  try {
    const folder = await lstat(cache).catch(() => undefined);
    const foreign = folder === undefined ? undefined : findForeignTraits(folder, 'folder');
    if (foreign !== undefined) {
      const text = `${cache} is not used: ${foreign}`;
      return [{ subject: SUBJECT, level: 'warn', text, mend: `rm -r ${cache}` }];
    }
    return [await checkSize(cache), ...(await checkImages(cache)), ...(await checkAbandoned(cache))];
  } catch (error) {
    return [{ subject: SUBJECT, level: 'warn', text: (error as Error).message }];
  }
}

async function checkSize(cache: string): Promise<Finding> {
  const limitMiB = Math.floor(warmLimitBytes() / MIB);
  const images = await listImages(cache);
  const takenMiB = Math.ceil(images.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0) / MIB);
  const count = `${images.length} image${images.length === 1 ? '' : 's'}`;
  return { subject: SUBJECT, level: 'ok', text: `${count}, ${takenMiB} of ${limitMiB} MiB in ${cache}` };
}

async function checkImages(cache: string): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { key, folder } of await listImages(cache)) {
    const verified = await verifyImage(folder);
    if (verified.usable) continue;
    findings.push({
      subject: SUBJECT,
      level: 'warn',
      text: `${key} cannot be used: ${verified.problem}; machines boot until it is made again`,
      mend: `hyperkit image rm ${key}`,
      fix: async () => void (await removeImage(cache, key)),
    });
  }
  return findings;
}

async function checkAbandoned(cache: string): Promise<readonly Finding[]> {
  const folders = await findAbandonedFolders(cache);
  if (folders.length === 0) return [];
  const text = `${folders.length} folder${folders.length === 1 ? '' : 's'} of processes that are gone`;
  return [{ subject: SUBJECT, level: 'warn', text, mend: `rm -r ${folders.join(' ')}`, fix: () => sweepCache(cache) }];
}
