import path from 'node:path';
import type { SFTPWrapper, Stats } from 'ssh2';
import { temporaryPath } from '../../engine/storage/atomic-file';
import type { SshConnection } from '../ssh/ssh-connection';
import { CHUNK_BYTES, type FileFacts, type FileSide, plainName } from './file-side';

/** Requests under way at a time: enough to keep a connection of some milliseconds busy, and half a megabyte of memory. */
const WINDOW = 16;

/** SSH_FX_EOF and SSH_FX_NO_SUCH_FILE (draft-ietf-secsh-filexfer-02, 7). */
const END_OF_FILE = 1;
const NO_SUCH_FILE = 2;

type Answer<T> = (error: (Error & { readonly code?: unknown }) | null | undefined, value: T) => void;

/** A machine's files. @throws DriverError HK_SSH_LOST, HK_SSH_COMMAND_FAILED when the guest has no SFTP server */
export async function openSftpFiles(machineName: string, connection: SshConnection): Promise<FileSide> {
  return new SftpFiles(machineName, connection, await connection.openSftp());
}

class SftpFiles implements FileSide {
  /** Requests under way; the library forgets them when the connection breaks. */
  readonly #waiting = new Set<(error: unknown) => void>();

  constructor(
    private readonly machineName: string,
    private readonly connection: SshConnection,
    private readonly sftp: SFTPWrapper,
  ) {
    connection.ended.addEventListener('abort', () => {
      for (const fail of this.#waiting) fail(connection.ended.reason);
    });
  }

  label(name: string): string {
    return `${this.machineName}:${name}`;
  }

  join(folder: string, name: string): string {
    return path.posix.join(folder, name);
  }

  async nameOf(name: string): Promise<string> {
    return path.posix.basename(await this.resolve(name)) || 'root';
  }

  async resolve(name: string): Promise<string> {
    return await this.#ask<string>((answer) => this.sftp.realpath(name, answer));
  }

  async look(name: string): Promise<FileFacts | undefined> {
    try {
      return toFacts(await this.#ask<Stats>((answer) => this.sftp.stat(name, answer)));
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === NO_SUCH_FILE) return undefined;
      throw error;
    }
  }

  async list(folder: string): Promise<readonly string[]> {
    const entries = await this.#ask<readonly { readonly filename: string }[]>((answer) =>
      this.sftp.readdir(folder, answer),
    );
    return entries
      .map(({ filename }) => filename)
      .filter((name) => name !== '.' && name !== '..')
      .map(plainName);
  }

  async *read(name: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const handle = await this.#ask<Buffer>((answer) => this.sftp.open(name, 'r', answer));
    const window: Promise<Buffer>[] = [];
    let offset = 0;
    try {
      // Most files are small: more and more is asked for ahead.
      for (let ahead = 1; ; ahead = Math.min(WINDOW, ahead + 1)) {
        signal.throwIfAborted();
        for (; window.length < ahead; offset += CHUNK_BYTES) {
          const part = this.#readPart(handle, offset);
          part.catch(() => undefined); // It is looked at in its turn, or not any more.
          window.push(part);
        }
        const bytes = await (window.shift() as Promise<Buffer>);
        if (bytes.length > 0) yield bytes;
        if (bytes.length < CHUNK_BYTES) return;
      }
    } finally {
      await Promise.allSettled(window);
      await this.#close(handle);
    }
  }

  async write(name: string, mode: number, content: AsyncIterable<Uint8Array>): Promise<void> {
    const temporary = temporaryPath(name);
    const handle = await this.#ask<Buffer>((answer) => this.sftp.open(temporary, 'wx', { mode }, answer));
    try {
      try {
        await this.#fill(handle, content);
      } finally {
        await this.#close(handle);
      }
      await this.#replace(temporary, name);
    } catch (error) {
      await this.#ask((answer) => this.sftp.unlink(temporary, answer as () => void)).catch(() => undefined);
      throw error;
    }
  }

  async makeFolder(name: string, mode: number): Promise<void> {
    await this.#ask((answer) => this.sftp.mkdir(name, { mode }, answer as () => void));
  }

  async setMode(name: string, mode: number): Promise<void> {
    await this.#ask((answer) => this.sftp.chmod(name, mode, answer as () => void));
  }

  async setTimes(name: string, accessed: number, modified: number): Promise<void> {
    const seconds = [Math.floor(accessed), Math.floor(modified)] as const;
    await this.#ask((answer) => this.sftp.utimes(name, ...seconds, answer as () => void));
  }

  /** A chunk, shorter only at the end of the file: a server may answer less than it was asked for. */
  async #readPart(handle: Buffer, offset: number): Promise<Buffer> {
    const part = Buffer.allocUnsafe(CHUNK_BYTES);
    let length = 0;
    while (length < CHUNK_BYTES) {
      const got = await this.#ask<number>((answer) =>
        this.sftp.read(handle, part, length, CHUNK_BYTES - length, offset + length, (error, bytesRead) =>
          answer(error, bytesRead),
        ),
      ).catch((error: { readonly code?: unknown }) => {
        if (error.code === END_OF_FILE) return 0;
        throw error;
      });
      if (got === 0) break;
      length += got;
    }
    return part.subarray(0, length);
  }

  async #fill(handle: Buffer, content: AsyncIterable<Uint8Array>): Promise<void> {
    const window: Promise<unknown>[] = [];
    let offset = 0;
    try {
      for await (const bytes of content) {
        const at = offset;
        offset += bytes.length;
        const part = this.#ask((answer) =>
          this.sftp.write(handle, Buffer.from(bytes), 0, bytes.length, at, answer as () => void),
        );
        part.catch(() => undefined);
        window.push(part);
        if (window.length >= WINDOW) await window.shift();
      }
      await Promise.all(window);
    } finally {
      await Promise.allSettled(window);
    }
  }

  /** Version 3 of the protocol renames over nothing that is there; OpenSSH's extension does, in one step. */
  async #replace(temporary: string, name: string): Promise<void> {
    try {
      await this.#ask((answer) => this.sftp.ext_openssh_rename(temporary, name, answer as () => void));
    } catch (error) {
      if (!(error as Error).message.includes('does not support')) throw error;
      await this.#ask((answer) => this.sftp.unlink(name, answer as () => void)).catch(() => undefined);
      await this.#ask((answer) => this.sftp.rename(temporary, name, answer as () => void));
    }
  }

  async #close(handle: Buffer): Promise<void> {
    await this.#ask((answer) => this.sftp.close(handle, answer as () => void)).catch(() => undefined);
  }

  async #ask<T>(request: (answer: Answer<T>) => void): Promise<T> {
    const { ended } = this.connection;
    ended.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        this.#waiting.delete(fail);
        reject(error as Error);
      };
      this.#waiting.add(fail);
      try {
        request((error, value) => {
          // A broken connection answers what it has left with errors of its own.
          if (error) fail(ended.aborted ? ended.reason : error);
          else {
            this.#waiting.delete(fail);
            resolve(value);
          }
        });
      } catch (error) {
        fail(error);
      }
    });
  }
}

function toFacts(found: Stats): FileFacts {
  return {
    kind: found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other',
    mode: found.mode & 0o7777,
    sizeBytes: found.size,
    accessed: found.atime,
    modified: found.mtime,
  };
}
