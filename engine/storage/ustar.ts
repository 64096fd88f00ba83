export const TAR_BLOCK_BYTES = 512;

export interface TarEntry {
  /** ASCII, below 100 bytes. */
  readonly name: string;
  readonly mode: number;
  readonly kind: 'file' | 'directory';
  readonly content?: Uint8Array;
}

/** An uncompressed archive with its two closing zero blocks; owner, group and times are zero. */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const entry of entries) {
    blocks.push(writeHeader(entry));
    if (entry.content === undefined) continue;
    const data = Buffer.alloc(Math.ceil(entry.content.length / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES);
    data.set(entry.content);
    blocks.push(data);
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * TAR_BLOCK_BYTES)]);
}

/**
 * POSIX ustar header (IEEE 1003.1, pax): one block of NUL-terminated fields, numbers as octal digits.
 *
 *     0  100  name            148    8  checksum: six digits, NUL, blank
 *   100    8  mode            156    1  type: '0' file, '5' directory
 *   108    8  uid             157  100  link name
 *   116    8  gid             257    8  "ustar" NUL "00"
 *   124   12  size            265   64  owner and group names
 *   136   12  mtime           329   16  device numbers
 */
function writeHeader(entry: TarEntry): Buffer {
  const header = Buffer.alloc(TAR_BLOCK_BYTES);
  header.write(entry.name, 0, 99, 'latin1');
  header.write(octal(entry.mode, 7), 100, 'latin1');
  header.write(octal(0, 7), 108, 'latin1');
  header.write(octal(0, 7), 116, 'latin1');
  header.write(octal(entry.content?.length ?? 0, 11), 124, 'latin1');
  header.write(octal(0, 11), 136, 'latin1');
  // The sum is taken with blanks in its own place.
  header.write('        ', 148, 'latin1');
  header.write(entry.kind === 'directory' ? '5' : '0', 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  header.write(octal(0, 7), 329, 'latin1');
  header.write(octal(0, 7), 337, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return header;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
