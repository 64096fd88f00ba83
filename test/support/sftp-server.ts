import type { FileHandle } from 'node:fs/promises';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type SFTPWrapper, utils } from 'ssh2';

const { STATUS_CODE, flagsToString } = utils.sftp;

/** Serves this computer's files by SFTP version 3; relative names are below `folder`, as a login's are below its home. */
export function serveSftp(sftp: SFTPWrapper, folder: string): void {
  const files = new Map<number, FileHandle>();
  const folders = new Map<number, string[]>();
  let last = 0;
  const at = (name: string): string => path.resolve(folder, name);
  const nameHandle = (number: number): Buffer => {
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(number);
    return handle;
  };
  const fileOf = (handle: Buffer): FileHandle => files.get(handle.readUInt32BE()) as FileHandle;
  const attributes = async (name: string, follow: boolean) => {
    const { mode, uid, gid, size, atimeMs, mtimeMs } = await (follow ? fs.stat(at(name)) : fs.lstat(at(name)));
    return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) };
  };
  /** Answers with what `work` says: a status unless it has answered itself. */
  const answer = (id: number, work: () => Promise<'answered' | undefined>): void => {
    work().then(
      (done) => {
        if (done === undefined) sftp.status(id, STATUS_CODE.OK);
      },
      (error: NodeJS.ErrnoException) => {
        const codes: Record<string, number> = {
          ENOENT: STATUS_CODE.NO_SUCH_FILE,
          EACCES: STATUS_CODE.PERMISSION_DENIED,
          EOF: STATUS_CODE.EOF,
        };
        sftp.status(id, codes[error.code ?? ''] ?? STATUS_CODE.FAILURE, error.message);
      },
    );
  };
  const end = (): never => {
    throw Object.assign(new Error('end'), { code: 'EOF' });
  };
  const change = async (name: string, wanted: { mode?: number; atime?: number; mtime?: number; size?: number }) => {
    if (wanted.size !== undefined) await fs.truncate(at(name), wanted.size);
    if (wanted.mode !== undefined) await fs.chmod(at(name), wanted.mode & 0o7777);
    if (wanted.mtime !== undefined) await fs.utimes(at(name), wanted.atime ?? wanted.mtime, wanted.mtime);
    return undefined;
  };

  sftp.on('OPEN', (id, name, flags, { mode }) =>
    answer(id, async () => {
      const handle = await fs.open(at(name), flagsToString(flags) ?? 'r', mode ?? 0o666);
      files.set(++last, handle);
      sftp.handle(id, nameHandle(last));
      return 'answered';
    }),
  );
  sftp.on('READ', (id, handle, offset, length) =>
    answer(id, async () => {
      const { bytesRead, buffer } = await fileOf(handle).read(Buffer.alloc(length), 0, length, offset);
      if (bytesRead === 0) end();
      sftp.data(id, buffer.subarray(0, bytesRead));
      return 'answered';
    }),
  );
  sftp.on('WRITE', (id, handle, offset, data) =>
    answer(id, async () => {
      await fileOf(handle).write(data, 0, data.length, offset);
      return undefined;
    }),
  );
  sftp.on('CLOSE', (id, handle) =>
    answer(id, async () => {
      const number = handle.readUInt32BE();
      await files.get(number)?.close();
      files.delete(number);
      folders.delete(number);
      return undefined;
    }),
  );
  const stat = (follow: boolean) => (id: number, name: string) =>
    answer(id, async () => {
      sftp.attrs(id, await attributes(name, follow));
      return 'answered';
    });
  sftp.on('STAT', stat(true));
  sftp.on('LSTAT', stat(false));
  sftp.on('FSTAT', (id, handle) =>
    answer(id, async () => {
      const { mode, uid, gid, size, atimeMs, mtimeMs } = await fileOf(handle).stat();
      sftp.attrs(id, { mode, uid, gid, size, atime: atimeMs / 1000, mtime: mtimeMs / 1000 });
      return 'answered';
    }),
  );
  sftp.on('OPENDIR', (id, name) =>
    answer(id, async () => {
      const names = await fs.readdir(at(name));
      folders.set(
        ++last,
        ['.', '..', ...names].map((entry) => `${at(name)}/${entry}`),
      );
      sftp.handle(id, nameHandle(last));
      return 'answered';
    }),
  );
  sftp.on('READDIR', (id, handle) =>
    answer(id, async () => {
      const names = folders.get(handle.readUInt32BE())?.splice(0, 50) ?? [];
      if (names.length === 0) end();
      const entries = names.map(async (name) => ({
        filename: name.slice(name.lastIndexOf('/') + 1),
        longname: name,
        attrs: await attributes(name, false),
      }));
      sftp.name(id, await Promise.all(entries));
      return 'answered';
    }),
  );
  sftp.on('REALPATH', (id, name) =>
    answer(id, async () => {
      const filename = at(name);
      sftp.name(id, [{ filename, longname: filename, attrs: await attributes('.', true) }]);
      return 'answered';
    }),
  );
  sftp.on('READLINK', (id, name) =>
    answer(id, async () => {
      const filename = await fs.readlink(at(name));
      sftp.name(id, [{ filename, longname: filename, attrs: await attributes('.', true) }]);
      return 'answered';
    }),
  );
  sftp.on('SETSTAT', (id, name, wanted) => answer(id, () => change(name, wanted)));
  sftp.on('MKDIR', (id, name, { mode }) =>
    answer(id, async () => {
      await fs.mkdir(at(name), mode ?? 0o777);
      return undefined;
    }),
  );
  sftp.on('RMDIR', (id, name) => answer(id, async () => void (await fs.rmdir(at(name)))));
  sftp.on('REMOVE', (id, name) => answer(id, async () => void (await fs.unlink(at(name)))));
  // As version 3 of the protocol has it, and OpenSSH does: never over a file that is there.
  sftp.on('RENAME', (id, from, to) =>
    answer(id, async () => {
      await fs.link(at(from), at(to));
      await fs.unlink(at(from));
      return undefined;
    }),
  );
  const closeAll = (): void => {
    for (const handle of files.values()) void handle.close().catch(() => undefined);
    files.clear();
  };
  sftp.on('end', closeAll).on('close', closeAll);
}
