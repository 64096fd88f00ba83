import { EngineError } from '../errors';
import { TAR_BLOCK_BYTES, type TarEntry, writeTar } from './ustar';

/** What boot2docker looks for at byte 0 of an unformatted disk: the name of the first archive member. */
const FORMAT_REQUEST = 'boot2docker, please format-me';

/** Of the archive the guest keeps this much as userdata.tar; what lies beyond is lost. */
const KEPT_BYTES = 4096;

const FORMAT_ENTRY: TarEntry = {
  name: FORMAT_REQUEST,
  mode: 0,
  kind: 'file',
  content: Buffer.from(FORMAT_REQUEST, 'latin1'),
};

/** The same archive without a key. */
export function writeFormatRequest(): Buffer {
  return writeTar([FORMAT_ENTRY]);
}

/**
 * The archive that tells a boot2docker guest to format the disk, and brings it the key for user docker:
 *
 *      0  "boot2docker, please format-me", the same text as content
 *   1024  .ssh/                      0700
 *   1536  .ssh/authorized_keys       0644
 *   2560  .ssh/authorized_keys2      0644, the same line; left out for keys above one block (RSA-4096), where it
 *                                    would be cut off
 *
 * With an RSA-2048 key this is 4608 bytes. The guest's copy ends after 4096, inside the closing zero blocks.
 */
export function writeHandshake(publicKeyLine: string): Buffer {
  const line = Buffer.from(`${publicKeyLine.trim()}\n`, 'utf8');
  if (line.length === 1 || /[\r\n\0]/.test(publicKeyLine.trim())) {
    throw new EngineError('HK_DISK_FAILED', 'cannot prepare the data disk: the SSH public key is not a single line');
  }
  const key = (name: string): TarEntry => ({ name, mode: 0o644, kind: 'file', content: line });
  const entries: TarEntry[] = [
    FORMAT_ENTRY,
    { name: '.ssh', mode: 0o700, kind: 'directory' },
    key('.ssh/authorized_keys'),
  ];
  if (line.length <= TAR_BLOCK_BYTES) entries.push(key('.ssh/authorized_keys2'));
  const archive = writeTar(entries);
  // One of the two closing blocks must survive the cut.
  if (archive.length - TAR_BLOCK_BYTES > KEPT_BYTES) {
    throw new EngineError(
      'HK_DISK_FAILED',
      `cannot prepare the data disk: the SSH public key has ${line.length} bytes, boot2docker has room for 1536; use a shorter key`,
    );
  }
  return archive;
}
