import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseJsonObject } from '../json-object';
import { replaceFile } from '../storage/atomic-file';
import { readSmallFile } from '../storage/small-file';

const MEMORY_NAME = 'iso-digests.json';
const MAX_BYTES = 16 * 1024;
const REMEMBERED = 32;
/** A file changed that lately may change again without another time on it. */
const SETTLED_MS = 2000;

/**
 * SHA-256 of an ISO. Reading it all takes a third of a second, so the cache remembers what was found for a file, by
 * everything that tells it from any other and from what it was before. Errors of reading the ISO pass through.
 */
export async function digestOfIso(iso: string, cache: string): Promise<string> {
  const identity = await fileIdentity(iso);
  const memory = recall(cache);
  const known = memory.get(identity);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  await pipeline(createReadStream(iso, { highWaterMark: 1024 * 1024 }), hash);
  const digest = hash.digest('hex');
  if ((await fileIdentity(iso)) !== identity) throw new Error(`${iso} changed while it was read`);
  const { ctimeMs } = await stat(iso);
  if (Date.now() - ctimeMs > SETTLED_MS) await remember(cache, memory, identity, digest);
  return digest;
}

/** A text that is another one for another file, and for the same file after something was written to it. */
export async function fileIdentity(file: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

function recall(cache: string): ReadonlyMap<string, string> {
  const reading = readSmallFile(path.join(cache, MEMORY_NAME), MAX_BYTES);
  const entries = Object.entries('text' in reading ? (parseJsonObject(reading.text) ?? {}) : {});
  return new Map(entries.filter((entry): entry is [string, string] => /^[0-9a-f]{64}$/.test(String(entry[1]))));
}

async function remember(
  cache: string,
  memory: ReadonlyMap<string, string>,
  identity: string,
  digest: string,
): Promise<void> {
  const entries = [...memory, [identity, digest] as const].slice(-REMEMBERED);
  // Without it the ISO is read again.
  await replaceFile(path.join(cache, MEMORY_NAME), 0o600, async (file) => {
    await file.writeFile(JSON.stringify(Object.fromEntries(entries)));
  }).catch(() => undefined);
}
