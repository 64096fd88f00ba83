import path from 'node:path';
import { cacheFolder } from '../config/cache-folder';
import { DriverError } from '../errors';

const LIMIT_VARIABLE = 'HYPERKIT_WARM_CACHE_MB';
const DEFAULT_LIMIT_MIB = 8192;
const MIB = 1024 * 1024;

/** The folder of warm images. */
export function warmCache(): string {
  return path.join(cacheFolder(), 'warm');
}

/** How much of the disk warm images may take together; 0: none are kept. @throws DriverError HK_FLAG_INVALID */
export function warmLimitBytes(env: NodeJS.ProcessEnv = process.env): number {
  const given = env[LIMIT_VARIABLE] ?? '';
  if (given === '') return DEFAULT_LIMIT_MIB * MIB;
  if (/^\d{1,9}$/.test(given)) return Number(given) * MIB;
  throw new DriverError('HK_FLAG_INVALID', `cannot use ${LIMIT_VARIABLE}=${given}: it must be a whole number of MB`);
}
