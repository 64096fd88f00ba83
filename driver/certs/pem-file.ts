import { replaceFile } from '../../engine/storage/atomic-file';
import { readSmallFile } from '../../engine/storage/small-file';
import { DriverError } from '../errors';
import { guardStore } from '../iso/store-error';

const MAX_BYTES = 64 * 1024;

export const CERTIFICATE_MODE = 0o644;
export const KEY_MODE = 0o600;

/**
 * Text of a PEM file; undefined when there is none.
 * @throws DriverError HK_CERTIFICATE_INVALID when it is there and cannot be read.
 */
export function readPem(file: string): string | undefined {
  const reading = readSmallFile(file, MAX_BYTES);
  if ('text' in reading) return reading.text;
  if (reading.code === 'ENOENT') return undefined;
  throw new DriverError('HK_CERTIFICATE_INVALID', `cannot read ${file}: ${reading.problem}`);
}

export async function writePem(file: string, mode: number, text: string): Promise<void> {
  await guardStore(file, async () => await replaceFile(file, mode, async (handle) => await handle.writeFile(text)));
}
