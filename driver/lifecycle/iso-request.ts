import path from 'node:path';
import { cacheFolder } from '../config/cache-folder';
import type { IsoRequest } from '../iso/resolve';
import type { MachineContext } from './machine-context';

/** Where `image/build` leaves its ISO when it is not told otherwise. */
export function builtIso(): string {
  return path.join(cacheFolder(), 'boot2docker.iso');
}

/** What the ISO code needs to know of a machine. */
export function isoRequest(context: MachineContext): IsoRequest {
  return isoRequestOf(context.config.StorePath, context.config.Boot2DockerURL, context);
}

/** @param given may end in `#sha256=` and the hex digits that its content must have */
export function isoRequestOf(
  storePath: string,
  given: string,
  { logger, signal }: Pick<MachineContext, 'logger' | 'signal'>,
): IsoRequest {
  const [, url = '', checksum] = /^(.*?)(?:#sha256=([0-9a-fA-F]{64}))?$/s.exec(given) ?? [];
  return {
    storePath,
    url,
    ...(checksum === undefined ? {} : { expectedSha256: checksum.toLowerCase() }),
    bundledIsos: [builtIso()],
    logger,
    signal,
  };
}
