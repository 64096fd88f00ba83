import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Seconds since 1970 of what is being packed: SOURCE_DATE_EPOCH, else the last commit, else now. The same sources make the
 * same packages.
 */
export function sourceDate() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined) return Number(given);
  try {
    const words = ['log', '-1', '--format=%ct'];
    const cwd = fileURLToPath(new URL('..', import.meta.url));
    return Number(execFileSync('git', words, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return Math.floor(Date.now() / 1000);
  }
}
