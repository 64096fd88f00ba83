import {
  type DirectoryRecord,
  decodePlainName,
  readDirectoryRecord,
  readDirectoryRecords,
  SECTOR_BYTES,
} from './directory-record';
import type { IsoExtent, IsoSource } from './iso-source';
import { readSystemUse, type SystemUse } from './rock-ridge';

const MAX_DIRECTORY_BYTES = 4 * 1024 * 1024;

export interface IsoEntry {
  /** Absolute, in the spelling of the ISO: `/boot/vmlinuz`. */
  readonly path: string;
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink';
  readonly sizeBytes: number;
  /** Where the content is; several for a file above 4 GiB. Not yet checked against the ISO's length. */
  readonly extents: readonly IsoExtent[];
  readonly linkTarget?: string;
  /** Why the content cannot be read, when it cannot. */
  readonly obstacle?: string;
}

/** Turns the records of a directory into entries: names, pieces of large files, links and moved directories. */
export class DirectoryReader {
  constructor(
    private readonly source: IsoSource,
    private readonly blockBytes: number,
    /** From the SP entry; undefined: no Rock Ridge on this volume. */
    private readonly suspSkip: number | undefined,
  ) {}

  get hasRockRidge(): boolean {
    return this.suspSkip !== undefined;
  }

  /** Entries in the order of the ISO, without the directory itself and its parent. */
  async read(directory: IsoEntry): Promise<readonly IsoEntry[]> {
    const damaged = (reason: string) => this.source.invalid(`directory ${directory.path} has ${reason}`);
    const bytes = await this.readBytes(directory);
    const result: IsoEntry[] = [];
    let earlier: IsoExtent[] = [];
    for (const record of readDirectoryRecords(bytes, damaged)) {
      if (isSelfOrParent(record) || record.isAssociated) continue;
      const extents = record.sizeBytes === 0 ? earlier : [...earlier, this.extentOf(record)];
      earlier = record.isContinued ? extents : [];
      if (record.isContinued) continue;
      const use = await this.systemUseOf(record, directory.path, damaged);
      if (use?.isRelocated) continue;
      const name = use?.name ?? decodePlainName(record.identifier);
      if (name === '.' || name === '..' || /[/\0]/.test(name)) throw damaged('a file name that cannot be');
      result.push(this.entryOf(directory, name, record, extents, use));
    }
    return result;
  }

  private entryOf(
    parent: IsoEntry,
    name: string,
    record: DirectoryRecord,
    extents: readonly IsoExtent[],
    use: SystemUse | undefined,
  ): IsoEntry {
    const path = parent.path === '/' ? `/${name}` : `${parent.path}/${name}`;
    if (use?.childBlock !== undefined) {
      // Its length is only known to the moved directory itself: 0 says "look there".
      const moved = { offset: use.childBlock * this.blockBytes, length: 0 };
      return { path, name, kind: 'directory', sizeBytes: 0, extents: [moved] };
    }
    const sizeBytes = extents.reduce((sum, extent) => sum + extent.length, 0);
    if (use?.linkTarget !== undefined)
      return { path, name, kind: 'symlink', sizeBytes: 0, extents: [], linkTarget: use.linkTarget };
    const obstacle = record.isInterleaved
      ? 'is stored interleaved'
      : use?.isCompressed
        ? 'is stored compressed'
        : undefined;
    return {
      path,
      name,
      kind: record.isDirectory ? 'directory' : 'file',
      sizeBytes,
      extents,
      ...(obstacle !== undefined && { obstacle }),
    };
  }

  private async readBytes(directory: IsoEntry): Promise<Buffer> {
    const what = `directory ${directory.path}`;
    const [extent] = directory.extents;
    if (extent === undefined) return Buffer.alloc(0);
    let { length } = extent;
    if (length === 0) {
      const self = readDirectoryRecord(
        await this.source.readMetadata({ offset: extent.offset, length: SECTOR_BYTES }, what),
      );
      if (typeof self === 'string') throw this.source.invalid(`${what} has ${self}`);
      length = self.sizeBytes;
    }
    if (length > MAX_DIRECTORY_BYTES) throw this.source.invalid(`${what} claims ${length} bytes`);
    return await this.source.readMetadata({ offset: extent.offset, length }, what);
  }

  private async systemUseOf(
    record: DirectoryRecord,
    directory: string,
    damaged: (reason: string) => Error,
  ): Promise<SystemUse | undefined> {
    if (this.suspSkip === undefined) return undefined;
    return await readSystemUse(record.systemUse, {
      skip: this.suspSkip,
      blockBytes: this.blockBytes,
      fetch: (extent) => this.source.readMetadata(extent, `a Rock Ridge continuation in directory ${directory}`),
      damaged,
    });
  }

  private extentOf(record: DirectoryRecord): IsoExtent {
    return { offset: (record.block + record.attributeBlocks) * this.blockBytes, length: record.sizeBytes };
  }
}

function isSelfOrParent(record: DirectoryRecord): boolean {
  return record.identifier.length === 1 && record.identifier[0]! <= 1;
}
