import { stat } from 'node:fs/promises';
import type { Logger } from '../contract/logger';
import { DriverError } from '../errors';
import { cachedIsoPath, fillCache, type IsoFinding, inspectIso, isOutdatedCopy, withCacheLock } from './cache';
import type { IsoPlan, IsoRequest } from './iso-plan';

interface Bundle {
  readonly path: string;
  readonly version: string | undefined;
}

/**
 * The ISO when no URL is given, without any network: the cached one, whoever put it there, as long as it is whole and
 * not an older copy of our own; else our own, which then goes into the cache. Throws HK_ISO_MISSING or HK_DISK_FULL.
 */
export async function planDefaultIso({ storePath, bundledIsos, logger }: IsoRequest): Promise<IsoPlan> {
  const path = cachedIsoPath(storePath);
  const present = await findPresent(bundledIsos);
  const cached = await inspectIso(path);
  if (cached.state === 'good' && !(present[0] && (await isOutdatedCopy(storePath, present[0])))) {
    return { kind: 'cache', path, version: cached.version };
  }
  const bundle = await findBundle(present, logger);
  if (bundle === undefined) {
    if (cached.state === 'good') return { kind: 'cache', path, version: cached.version };
    throw missing(path, cached, present);
  }
  if (cached.state === 'bad') logger.warn(`The cached ISO is replaced: ${cached.reason}`);
  return await moveIntoCache(storePath, bundle, logger);
}

async function moveIntoCache(storePath: string, bundle: Bundle, logger: Logger): Promise<IsoPlan> {
  const path = cachedIsoPath(storePath);
  try {
    return await withCacheLock(storePath, async () => {
      // While waiting for the lock another create may have done it.
      const found = await inspectIso(path);
      if (found.state === 'good' && !(await isOutdatedCopy(storePath, bundle.path))) {
        return { kind: 'cache', path, version: found.version };
      }
      logger.info(`Copying ${bundle.path} to ${path}...`);
      await fillCache(storePath, bundle.path);
      return { kind: 'cache', path, version: bundle.version };
    });
  } catch (error) {
    if (!(error instanceof DriverError) || error.code !== 'HK_STORE_UNWRITABLE') throw error;
    // The cache only saves work: without it the machine gets its copy from where the ISO lies.
    logger.warn(`The ISO is not cached: ${error.message}`);
    return { kind: 'file', ...bundle };
  }
}

async function findPresent(paths: readonly string[]): Promise<readonly string[]> {
  const present: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) present.push(path);
  }
  return present;
}

async function findBundle(paths: readonly string[], logger: Logger): Promise<Bundle | undefined> {
  for (const path of paths) {
    const finding = await inspectIso(path);
    if (finding.state === 'good') return { path, version: finding.version };
    if (finding.state === 'bad') logger.warn(finding.reason);
  }
  return undefined;
}

function missing(path: string, cached: IsoFinding, damaged: readonly string[]): DriverError {
  const inCache =
    cached.state === 'bad' ? `the one in the cache cannot be used (${cached.reason})` : `there is none at ${path}`;
  const ours = damaged.length > 0 ? ` and ${damaged.join(', ')} cannot be used either` : '';
  return new DriverError(
    'HK_ISO_MISSING',
    `cannot find a boot2docker ISO: ${inCache}${ours}; build one with image/build of this package, or give a file or a URL with --hyperkit-boot2docker-url`,
  );
}
