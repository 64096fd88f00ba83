import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { EngineError } from '../errors';

/**
 * What the directories of one ISO may cost to read. A boot ISO needs some dozens of reads; the largest installation
 * images a few thousand. The limits end loops and nonsense in damaged or hostile images, whatever their shape.
 */
const MAX_METADATA_READS = 20_000;
const MAX_METADATA_BYTES = 64 * 1024 * 1024;

const CHUNK_BYTES = 1024 * 1024;

/** A run of bytes of the ISO. */
export interface IsoExtent {
  readonly offset: number;
  readonly length: number;
}

/** The file behind an ISO: every read is checked against the file's length first, and says what it was after. */
export class IsoSource {
  private metadataReads = 0;
  private metadataBytes = 0;

  private constructor(
    readonly path: string,
    readonly sizeBytes: number,
    private readonly handle: FileHandle,
  ) {}

  static async open(path: string): Promise<IsoSource> {
    let handle: FileHandle | undefined;
    try {
      // Without O_NONBLOCK, opening a FIFO would wait for a writer.
      handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const stat = await handle.stat();
      if (!stat.isFile())
        throw new EngineError('HK_ISO_UNREADABLE', `cannot read ISO ${path}: it is not a regular file`);
      return new IsoSource(path, stat.size, handle);
    } catch (error) {
      await handle?.close();
      throw unreadable(path, error);
    }
  }

  /** The error for a damaged or foreign ISO: the reason first, then what to do. */
  invalid(reason: string): EngineError {
    return new EngineError('HK_ISO_INVALID', `cannot read ISO ${this.path}: ${reason}; download it again`);
  }

  /** Throws unless the extent lies inside the file; `what` names its owner: "file /boot/vmlinuz". */
  checkExtent(extent: IsoExtent, what: string): void {
    const end = extent.offset + extent.length;
    if (end > this.sizeBytes)
      throw this.invalid(`it ends at byte ${this.sizeBytes} but ${what} reaches to byte ${end}`);
  }

  /** Reads descriptors and directories; counts against the limits above. */
  async readMetadata(extent: IsoExtent, what: string): Promise<Buffer> {
    this.checkExtent(extent, what);
    this.metadataReads += 1;
    this.metadataBytes += extent.length;
    if (this.metadataReads > MAX_METADATA_READS || this.metadataBytes > MAX_METADATA_BYTES) {
      throw this.invalid(`its directories have no end (more than ${MAX_METADATA_READS} reads, last for ${what})`);
    }
    return await this.readAt(extent.offset, extent.length, what);
  }

  /** The bytes of the extents in order, in pieces of at most 1 MiB. */
  async *readChunks(extents: readonly IsoExtent[], what: string): AsyncGenerator<Buffer> {
    for (const extent of extents) {
      this.checkExtent(extent, what);
      for (let done = 0; done < extent.length; done += CHUNK_BYTES) {
        yield await this.readAt(extent.offset + done, Math.min(CHUNK_BYTES, extent.length - done), what);
      }
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private async readAt(offset: number, length: number, what: string): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.handle
        .read(buffer, done, length - done, offset + done)
        .catch((error: unknown) => {
          throw unreadable(this.path, error);
        });
      // The file was long enough when it was opened: somebody is rewriting it.
      if (bytesRead === 0) throw this.invalid(`it now ends at byte ${offset + done}, inside ${what}`);
      done += bytesRead;
    }
    return buffer;
  }
}

function unreadable(path: string, error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  const reason =
    code === 'ENOENT' || code === 'ENOTDIR'
      ? 'there is no such file'
      : code === 'EACCES' || code === 'EPERM'
        ? 'permission denied; make it readable for the user who runs docker-machine'
        : (error as Error).message;
  return new EngineError('HK_ISO_UNREADABLE', `cannot read ISO ${path}: ${reason}`, { cause: error });
}
