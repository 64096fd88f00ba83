import { rm } from 'node:fs/promises';
import path from 'node:path';
import { parseJsonObject } from '../json-object';
import { replaceFile } from '../storage/atomic-file';
import { readSmallFile } from '../storage/small-file';

const MAX_BYTES = 16 * 1024;
const MAX_REASON = 2000;

/**
 * Notes that no image of this key can be made or used, so that it isn't tried at every create. A cache that takes no note
 * costs time only, so this never fails.
 */
export async function noteUnfit(cache: string, key: string, reason: string, forMs: number): Promise<void> {
  const since = Date.now();
  const note = { reason: reason.slice(0, MAX_REASON), since, until: since + forMs };
  await replaceFile(fileOf(cache, key), 0o600, async (file) => await file.writeFile(JSON.stringify(note))).catch(
    () => undefined,
  );
}

/** Why there can be no image of this key; undefined when nothing is known against it. A note from the future says nothing. */
export function findUnfit(cache: string, key: string): string | undefined {
  const reading = readSmallFile(fileOf(cache, key), MAX_BYTES);
  const { reason, since, until } = ('text' in reading ? parseJsonObject(reading.text) : undefined) ?? {};
  if (typeof reason !== 'string' || typeof since !== 'number' || typeof until !== 'number') return undefined;
  const now = Date.now();
  return since <= now && now < until ? reason : undefined;
}

/** Makes it forgotten. Errors of the file system pass through. */
export async function forgetUnfit(cache: string, key: string): Promise<void> {
  await rm(fileOf(cache, key), { force: true });
}

function fileOf(cache: string, key: string): string {
  return path.join(cache, `${key}.unfit`);
}
