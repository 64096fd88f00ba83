import { chmod, type FileHandle, mkdir, open, readdir, realpath, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { replaceFile } from '../../engine/storage/atomic-file';
import { CHUNK_BYTES, type FileFacts, type FileSide, plainName } from './file-side';

const SET_ID_BITS = 0o6000;

/** This computer's files. */
export const localFiles: FileSide = {
  label: (name) => name,
  join: (folder, name) => path.join(folder, name),
  nameOf: async (name) => path.basename(await resolveLocal(name)) || 'root',
  resolve: resolveLocal,
  look: lookLocal,
  list: async (folder) => (await readdir(folder)).map(plainName),
  read: readLocal,
  write: async (name, mode, content) => {
    const masked = mode & ~process.umask();
    await replaceFile(name, masked, async (file) => {
      for await (const bytes of content) await file.writeFile(bytes);
    });
  },
  makeFolder: async (name, mode) => void (await mkdir(name, mode)),
  // What comes from a guest doesn't run as its owner here, least of all when that is root.
  setMode: async (name, mode) => await chmod(name, mode & ~SET_ID_BITS),
  setTimes: utimes,
};

async function resolveLocal(name: string): Promise<string> {
  try {
    return await realpath(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const absolute = path.resolve(name);
    return path.join(await realpath(path.dirname(absolute)), path.basename(absolute));
  }
}

async function lookLocal(name: string): Promise<FileFacts | undefined> {
  try {
    const found = await stat(name);
    const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
    return {
      kind,
      mode: found.mode & 0o7777,
      sizeBytes: found.size,
      accessed: found.atimeMs / 1000,
      modified: found.mtimeMs / 1000,
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function* readLocal(name: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(name, 'r');
    for (;;) {
      signal.throwIfAborted();
      // A buffer of its own: the one before may still be on its way.
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file?.close();
  }
}
