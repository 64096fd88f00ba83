import { homedir } from 'node:os';
import path from 'node:path';
import type { IsoRequest } from '../iso/resolve';
import type { MachineContext } from './machine-context';

/** Where `image/build` leaves its ISO when it is not told otherwise. */
export function builtIso(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  return path.join(cache, 'docker-machine-driver-hyperkit', 'boot2docker.iso');
}

/** What the ISO code needs to know of a machine. A URL may end in `#sha256=` and the hex digits its content must have. */
export function isoRequest(context: MachineContext): IsoRequest {
  const [, url = '', checksum] = /^(.*?)(?:#sha256=([0-9a-fA-F]{64}))?$/s.exec(context.config.Boot2DockerURL) ?? [];
  return {
    storePath: context.config.StorePath,
    url,
    ...(checksum === undefined ? {} : { expectedSha256: checksum.toLowerCase() }),
    bundledIsos: [builtIso()],
    logger: context.logger,
    signal: context.signal,
  };
}
