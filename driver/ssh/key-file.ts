import { type FileHandle, open } from 'node:fs/promises';
import { DriverError } from '../errors';

/** An RSA key of 16,384 bits takes 13 KB as PEM. */
const MAX_BYTES = 64 * 1024;

/**
 * The text of a private key. As ssh and docker-machine do, a key that others than its owner may read is refused.
 * @throws DriverError HK_SSH_KEY_UNUSABLE
 */
export async function readKeyFile(path: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0) {
      const text = `others may use it (its mode is ${(mode & 0o777).toString(8).padStart(4, '0')}); run "chmod 600 ${path}"`;
      throw new DriverError('HK_SSH_KEY_UNUSABLE', `cannot use SSH key ${path}: ${text}`);
    }
    if (size > MAX_BYTES) throw new DriverError('HK_SSH_KEY_UNUSABLE', `cannot use SSH key ${path}: it is no key`);
    return await file.readFile('latin1');
  } catch (cause) {
    if (cause instanceof DriverError) throw cause;
    const text = `cannot read SSH key ${path}: ${(cause as Error).message}; without it nobody can log in to the machine`;
    throw new DriverError('HK_SSH_KEY_UNUSABLE', text, { cause });
  } finally {
    await file?.close();
  }
}
