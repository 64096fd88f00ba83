import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { httpGet } from './http-get';

const MAX_CHECKSUM_BYTES = 4096;
const MAX_WAIT_MS = 10_000;

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest('hex');
}

/** The file's SHA-256 when it is not the expected one, else undefined. */
export async function checkSha256(path: string, expected: string): Promise<string | undefined> {
  const actual = await sha256OfFile(path);
  return actual === expected.toLowerCase() ? undefined : actual;
}

/**
 * The SHA-256 that the publisher put beside the file as `<url>.sha256`, which is minikube's habit and ours. It guards
 * against damage on the way, not against a bad server. Most places have no such file: whatever is not a checksum at
 * its first byte counts as none, and a signed URL (with a query) is not asked for.
 */
export async function fetchPublishedSha256(
  url: string,
  timing: { readonly connectTimeoutMs: number; readonly stallTimeoutMs: number },
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (url.includes('?') || url.includes('#')) return undefined;
  try {
    const response = await httpGet(`${url}.sha256`, {
      connectTimeoutMs: Math.min(timing.connectTimeoutMs, MAX_WAIT_MS),
      stallTimeoutMs: Math.min(timing.stallTimeoutMs, MAX_WAIT_MS),
      signal,
    });
    if (response.status !== 200) {
      response.discard();
      return undefined;
    }
    let text = '';
    for await (const piece of response.body()) {
      text += piece.toString('latin1');
      if (text.length >= MAX_CHECKSUM_BYTES) break;
    }
    return /^([0-9a-fA-F]{64})(?:\s|$)/.exec(text)?.[1];
  } catch {
    return undefined;
  }
}
