import path from 'node:path';
import { parseJsonObject } from '../../engine/json-object';
import { readSmallFile } from '../../engine/storage/small-file';
import { DriverError } from '../errors';

/** The largest config.json that is read; docker-machine's are a few KB. */
const MAX_BYTES = 8 * 1024 * 1024;

/** The only version that docker-machine has written since 2015. */
export const CONFIG_VERSION = 3;

/** config.json as it is, with whatever keys it has. */
export type MachineDocument = Readonly<Record<string, unknown>>;

export function configPath(folder: string): string {
  return path.join(folder, 'config.json');
}

/**
 * Reads a machine's config.json.
 * @throws DriverError HK_CONFIG_INVALID when it is missing, unreadable, no JSON object, or of another version.
 */
export function readMachineDocument(name: string, folder: string): MachineDocument {
  const file = configPath(folder);
  const refuse = (reason: string): DriverError =>
    new DriverError(
      'HK_CONFIG_INVALID',
      `cannot use machine "${name}": ${reason}; mend ${file}, or remove the machine with "hyperkit rm -f ${name}"`,
    );
  const reading = readSmallFile(file, MAX_BYTES);
  if ('problem' in reading) {
    throw refuse(
      reading.code === 'ENOENT'
        ? 'it has no config.json, so its creation was cut off'
        : `its config.json cannot be read: ${reading.problem}`,
    );
  }
  const document = parseJsonObject(reading.text);
  if (document === undefined) throw refuse('its config.json is damaged: it is no JSON object');
  if (typeof document['DriverName'] !== 'string' || document['DriverName'] === '') {
    throw refuse('its config.json is damaged: it names no driver');
  }
  if (document['ConfigVersion'] !== CONFIG_VERSION) {
    throw refuse(`its config.json is of version ${String(document['ConfigVersion'])}, not ${CONFIG_VERSION}`);
  }
  return document;
}
