import { DirectoryReader, type IsoEntry } from './directory';
import { readDirectoryRecord, SECTOR_BYTES } from './directory-record';
import { IsoSource } from './iso-source';
import { findSuspSkip } from './rock-ridge';
import { type PrimaryVolume, readPrimaryVolume } from './volume-descriptor';

const MAX_DEPTH = 64;
const MAX_LINK_HOPS = 8;

/**
 * An ISO 9660 image (ECMA-119) with Rock Ridge names, read without mounting it. Joliet is not looked at: every writer
 * that matters here puts Rock Ridge in. Nothing in the image is believed before it was checked; reading stays within
 * the limits of IsoSource, so that a damaged or hostile image ends in HK_ISO_INVALID and never in a loop.
 */
export class IsoImage {
  private constructor(
    private readonly source: IsoSource,
    private readonly volume: PrimaryVolume,
    private readonly directories: DirectoryReader,
  ) {}

  /** Throws HK_ISO_UNREADABLE or HK_ISO_INVALID. */
  static async open(path: string): Promise<IsoImage> {
    const source = await IsoSource.open(path);
    try {
      const volume = await readPrimaryVolume(source);
      const first = await source.readMetadata(
        { offset: volume.root.offset, length: SECTOR_BYTES },
        'the root directory',
      );
      const self = readDirectoryRecord(first);
      if (typeof self === 'string') throw source.invalid(`its root directory has ${self}`);
      return new IsoImage(source, volume, new DirectoryReader(source, volume.blockBytes, findSuspSkip(self.systemUse)));
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /** Opens, lets `use` work with the image, and closes it whatever happens. */
  static async with<T>(path: string, use: (image: IsoImage) => Promise<T>): Promise<T> {
    const image = await IsoImage.open(path);
    try {
      return await use(image);
    } finally {
      await image.close();
    }
  }

  get path(): string {
    return this.source.path;
  }

  get volumeId(): string {
    return this.volume.volumeId;
  }

  /** Bytes the volume claims to have; see verifyIso. */
  get volumeBytes(): number {
    return this.volume.volumeBytes;
  }

  get sizeBytes(): number {
    return this.source.sizeBytes;
  }

  get hasRockRidge(): boolean {
    return this.directories.hasRockRidge;
  }

  /** The HK_ISO_INVALID error for something found wrong by a caller. */
  invalid(reason: string): Error {
    return this.source.invalid(reason);
  }

  /** Entries of a directory in the order of the ISO, without itself and its parent; undefined when it is not there. */
  async list(path: string): Promise<readonly IsoEntry[] | undefined> {
    const directory = await this.lookup(path);
    return directory?.kind === 'directory' ? await this.directories.read(directory) : undefined;
  }

  /** Finds a path whatever its case (an exact match comes first), and follows symbolic links. */
  async lookup(path: string): Promise<IsoEntry | undefined> {
    const trail: IsoEntry[] = [this.root()];
    const pending = path.split('/');
    for (let hops = 0; pending.length > 0; ) {
      const segment = pending.shift()!;
      const directory = trail.at(-1)!;
      if (segment === '' || segment === '.') continue;
      if (segment === '..') {
        if (trail.length > 1) trail.pop();
        continue;
      }
      if (directory.kind !== 'directory' || trail.length > MAX_DEPTH) return undefined;
      const found = pickByName(await this.directories.read(directory), segment);
      if (found === undefined) return undefined;
      if (found.kind === 'symlink') {
        if (++hops > MAX_LINK_HOPS) return undefined;
        const target = found.linkTarget ?? '';
        if (target.startsWith('/')) trail.length = 1;
        pending.unshift(...target.split('/'));
      } else {
        trail.push(found);
      }
    }
    return trail.at(-1);
  }

  /** Everything below a directory, parents first. Directories that lead back to one already seen are entered once. */
  async *walk(path = '/'): AsyncGenerator<IsoEntry> {
    const start = await this.lookup(path);
    const pending = start?.kind === 'directory' ? [{ directory: start, depth: 0 }] : [];
    const seen = new Set<number>();
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      const { directory, depth } = next;
      const offset = directory.extents[0]?.offset ?? -1;
      if (seen.has(offset)) continue;
      seen.add(offset);
      if (depth > MAX_DEPTH)
        throw this.source.invalid(`directory ${directory.path} is more than ${MAX_DEPTH} levels deep`);
      for (const entry of await this.directories.read(directory)) {
        yield entry;
        if (entry.kind === 'directory') pending.push({ directory: entry, depth: depth + 1 });
      }
    }
  }

  /** Throws unless the file's content can be read and lies inside the ISO. */
  checkReadable(file: IsoEntry): void {
    if (file.obstacle !== undefined) throw this.source.invalid(`file ${file.path} ${file.obstacle}`);
    for (const extent of file.extents) this.source.checkExtent(extent, `file ${file.path}`);
    // A file of many extents could otherwise name the same bytes again and again.
    if (file.sizeBytes > this.sizeBytes) throw this.source.invalid(`file ${file.path} claims ${file.sizeBytes} bytes`);
  }

  /** The file's bytes in pieces of at most 1 MiB. */
  readChunks(file: IsoEntry): AsyncGenerator<Buffer> {
    this.checkReadable(file);
    return this.source.readChunks(file.extents, `file ${file.path}`);
  }

  /** The first bytes of a file, at most `limitBytes`. */
  async readStart(file: IsoEntry, limitBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of this.readChunks(file)) {
      pieces.push(piece);
      length += piece.length;
      if (length >= limitBytes) break;
    }
    return Buffer.concat(pieces).subarray(0, limitBytes);
  }

  async close(): Promise<void> {
    await this.source.close();
  }

  private root(): IsoEntry {
    const { root } = this.volume;
    return { path: '/', name: '', kind: 'directory', sizeBytes: root.length, extents: [root] };
  }
}

function pickByName(entries: readonly IsoEntry[], name: string): IsoEntry | undefined {
  const folded = name.toLowerCase();
  return entries.find((entry) => entry.name === name) ?? entries.find((entry) => entry.name.toLowerCase() === folded);
}
