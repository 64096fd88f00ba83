import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import { replaceFile } from '../../engine/storage/atomic-file';
import { guardStore } from './store-error';

/** What a server said about the content a partial file is a part of. */
export interface ContentIdentity {
  /** Without fragment; the record has the file's own mode, 0600, because URLs may carry passwords. */
  readonly url: string;
  /** Strong ETag, else Last-Modified: what If-Range takes (RFC 9110, 13.1.5). */
  readonly validator: string;
  readonly totalBytes: number | undefined;
}

export interface ResumePoint extends ContentIdentity {
  readonly offset: number;
}

/**
 * The unfinished download of `target`: `<target>.part`, and beside it `<target>.part.json`, which says of what. Only
 * with the record, written before the first byte, can a later process go on where this one stopped.
 */
export class PartialFile {
  readonly path: string;
  private readonly recordPath: string;

  constructor(target: string) {
    this.path = `${target}.part`;
    this.recordPath = `${target}.part.json`;
  }

  /** Where to go on; undefined when there is nothing, or nothing that is known to belong to this URL. */
  async findResumePoint(url: string): Promise<ResumePoint | undefined> {
    const record = await readFile(this.recordPath, 'utf8').then(parseRecord, () => undefined);
    const found = await stat(this.path).catch(() => undefined);
    if (record?.url !== url || !found?.isFile() || found.size === 0) return undefined;
    if (record.totalBytes !== undefined && found.size > record.totalBytes) return undefined;
    return { ...record, offset: found.size };
  }

  /** Opens the file for the bytes from `offset` on; without an identity it cannot be resumed later. */
  async begin(identity: ContentIdentity | undefined, offset: number): Promise<FileHandle> {
    return await guardStore(this.path, async () => {
      if (offset > 0) return await open(this.path, 'r+');
      await this.discard();
      if (identity !== undefined) {
        await replaceFile(this.recordPath, 0o600, async (file) => await file.writeFile(JSON.stringify(identity)));
      }
      return await open(this.path, 'w', 0o600);
    });
  }

  async discard(): Promise<void> {
    await rm(this.path, { force: true });
    await this.forget();
  }

  /** Removes the record only: the file is complete. */
  async forget(): Promise<void> {
    await rm(this.recordPath, { force: true });
  }
}

function parseRecord(text: string): ContentIdentity | undefined {
  try {
    const { url, validator, totalBytes } = JSON.parse(text) as Record<string, unknown>;
    if (typeof url !== 'string' || typeof validator !== 'string') return undefined;
    return { url, validator, totalBytes: typeof totalBytes === 'number' ? totalBytes : undefined };
  } catch {
    return undefined;
  }
}
