import { homedir } from 'node:os';
import path from 'node:path';
import type { IsoRequest } from '../iso/resolve';
import type { MachineContext } from './machine-context';

/** Where `image/build` leaves its ISO when it is not told otherwise. */
function builtIso(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  return path.join(cache, 'docker-machine-driver-hyperkit', 'boot2docker.iso');
}

/** What the ISO code needs to know of a machine. */
export function isoRequest(context: MachineContext): IsoRequest {
  return {
    storePath: context.config.StorePath,
    url: context.config.Boot2DockerURL,
    bundledIsos: [builtIso()],
    logger: context.logger,
    signal: context.signal,
  };
}
