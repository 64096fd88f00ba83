import { homedir } from 'node:os';
import path from 'node:path';

/** docker-machine's base folder: what the option says, else MACHINE_STORAGE_PATH, else `~/.docker/machine`. */
export function resolveStoragePath(option: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const { MACHINE_STORAGE_PATH: fromEnv } = env;
  for (const given of [option, fromEnv]) {
    if (given !== undefined && given !== '') return path.resolve(given);
  }
  return path.join(homedir(), '.docker', 'machine');
}
