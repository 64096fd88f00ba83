import { randomBytes } from 'node:crypto';
import { type FileHandle, link, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A temporary file this old whose writer is gone was left by a crash. */
const ABANDONED_AFTER_MS = 10 * 60 * 1000;

/** File systems without hard links (exFAT, some shared folders) answer one of these. */
const NO_HARD_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS', 'EXDEV']);

/**
 * Writes a file so that its name only ever stands for complete content: a temporary file beside it, fsync, rename,
 * fsync of the folder. The temporary file is removed when `fill` fails. Errors of the file system pass through.
 */
export async function replaceFile(
  path: string,
  mode: number,
  fill: (file: FileHandle) => Promise<void>,
): Promise<void> {
  await withTemporary(path, mode, fill, async (temporary) => await rename(temporary, path));
}

/** The same, but a file that is already there stays; answers whether ours was put in place. */
export async function createFile(
  path: string,
  mode: number,
  fill: (file: FileHandle) => Promise<void>,
): Promise<boolean> {
  let created = true;
  await withTemporary(path, mode, fill, async (temporary) => {
    created = await placeIfAbsent(temporary, path);
  });
  return created;
}

/** Makes a rename durable. Some file systems cannot sync a folder and need not. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

/** Where a file is built before it takes its name: hidden, beside it, with the writer's process id. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
}

/** Removes temporary files of `path` whose writers died; a hygiene matter, so it never fails. */
export async function sweepTemporaries(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `.${basename(path)}.`;
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = name.startsWith(prefix) ? /^(\d+)\.[0-9a-f]{8}\.tmp$/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (pid === undefined || isAlive(Number(pid))) continue;
    const age = await stat(join(folder, name)).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > ABANDONED_AFTER_MS) await rm(join(folder, name), { force: true }).catch(() => undefined);
  }
}

async function withTemporary(
  path: string,
  mode: number,
  fill: (file: FileHandle) => Promise<void>,
  place: (temporary: string) => Promise<void>,
): Promise<void> {
  await sweepTemporaries(path);
  const temporary = temporaryPath(path);
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.chmod(mode); // whatever the umask says
      await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(temporary);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

async function placeIfAbsent(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const taken = code === 'EEXIST' || (NO_HARD_LINKS.has(code) && (await exists(path)));
    if (!taken && NO_HARD_LINKS.has(code)) {
      await rename(temporary, path);
      return true;
    }
    if (!taken) throw error;
    await rm(temporary, { force: true });
    return false;
  }
  await rm(temporary, { force: true });
  return true;
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
