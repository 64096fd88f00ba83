const FLAG_DIRECTORY = 0x02;
const FLAG_ASSOCIATED = 0x04;
const FLAG_MULTI_EXTENT = 0x80;

/** Fixed part, plus one byte of name. */
const MIN_RECORD_BYTES = 34;
/** ECMA-119 6.1.2: descriptors and directories stand in 2048-byte sectors, whatever the logical block size. */
export const SECTOR_BYTES = 2048;

export interface DirectoryRecord {
  readonly block: number;
  /** Blocks of extended attributes in front of the data. */
  readonly attributeBlocks: number;
  readonly sizeBytes: number;
  readonly isDirectory: boolean;
  /** Resource forks of old Mac discs: share the name of their file. */
  readonly isAssociated: boolean;
  /** More records of the same file follow. */
  readonly isContinued: boolean;
  readonly isInterleaved: boolean;
  /** A single 0 is the directory itself, a single 1 its parent. */
  readonly identifier: Buffer;
  readonly systemUse: Buffer;
}

/**
 * Directory record, ECMA-119 9.1; answers what is wrong when it is damaged:
 *
 *     0  1  length of the record           26  1  file unit size (interleaving), 0 = none
 *     1  1  extended attribute blocks      27  1  interleave gap
 *     2  8  first block, both orders       28  4  volume sequence number
 *    10  8  bytes, both orders             32  1  length of the identifier
 *    18  7  date                           33  n  identifier, a zero byte when n is even
 *    25  1  flags                           …     system use, up to the end of the record
 */
export function readDirectoryRecord(bytes: Buffer): DirectoryRecord | string {
  const length = bytes[0] ?? 0;
  if (length < MIN_RECORD_BYTES) return `a record of ${length} bytes`;
  if (length > bytes.length) return 'a record that leaves its sector';
  const identifierLength = bytes[32]!;
  const systemUse = 33 + identifierLength + (identifierLength % 2 === 0 ? 1 : 0);
  if (identifierLength === 0 || 33 + identifierLength > length)
    return `a name of ${identifierLength} bytes in a record of ${length}`;
  const flags = bytes[25]!;
  return {
    block: bytes.readUInt32LE(2),
    attributeBlocks: bytes[1]!,
    sizeBytes: bytes.readUInt32LE(10),
    isDirectory: (flags & FLAG_DIRECTORY) !== 0,
    isAssociated: (flags & FLAG_ASSOCIATED) !== 0,
    isContinued: (flags & FLAG_MULTI_EXTENT) !== 0,
    isInterleaved: bytes[26] !== 0 || bytes[27] !== 0,
    identifier: bytes.subarray(33, 33 + identifierLength),
    systemUse: bytes.subarray(Math.min(systemUse, length), length),
  };
}

/** All records of a directory; a record never crosses a sector, the rest of a sector is zeros. Throws what `damaged` makes. */
export function* readDirectoryRecords(
  directory: Buffer,
  damaged: (reason: string) => Error,
): Generator<DirectoryRecord> {
  for (let sector = 0; sector < directory.length; sector += SECTOR_BYTES) {
    const end = Math.min(sector + SECTOR_BYTES, directory.length);
    for (let position = sector; position < end && directory[position] !== 0; position += directory[position]!) {
      const record = readDirectoryRecord(directory.subarray(position, end));
      if (typeof record === 'string') throw damaged(record);
      yield record;
    }
  }
}

/**
 * An identifier as Linux shows it on a volume without Rock Ridge: version and empty extension cut off
 * ("VMLINUZ64.;1" is vmlinuz64), lower case, because the plain standard has capitals only.
 */
export function decodePlainName(identifier: Buffer): string {
  return identifier.toString('latin1').replace(/;\d*$/, '').replace(/\.$/, '').toLowerCase();
}
