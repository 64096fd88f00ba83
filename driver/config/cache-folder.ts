import { homedir } from 'node:os';
import path from 'node:path';

/** What can be made again and is for all stores of this user: our own ISO, warm images. */
export function cacheFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  return path.join(cache, 'docker-machine-driver-hyperkit');
}
