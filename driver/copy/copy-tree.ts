import { DriverError } from '../errors';
import type { FileFacts, FileSide } from './file-side';

/** A path of one side. */
export interface Place {
  readonly side: FileSide;
  readonly path: string;
}

export interface CopyOptions {
  /** Folders with all that is in them. */
  readonly recursive: boolean;
  /** Modes without regard to the umask, and times. */
  readonly preserve: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: CopyProgress;
}

/** Hears how it goes. */
export interface CopyProgress {
  begin(label: string, sizeBytes: number): void;
  add(bytes: number): void;
  end(): void;
  /** Something is left out; the copy goes on. */
  skip(label: string, reason: string): void;
}

/** Links that lead back up make trees without end. */
const MAX_DEPTH = 100;
/** Of files that are not preserved: who may do what, but no special bits. */
const ORDINARY_BITS = 0o777;
const OWNER_BITS = 0o700;

/**
 * Copies a file or a folder as scp does: into a folder that is there, else to that very name. Links are followed.
 * @returns how many entries were left out
 * @throws DriverError HK_COPY_FAILED, or what the connection ended with; the signal's reason
 */
export async function copyTree(from: Place, to: Place, options: CopyOptions): Promise<number> {
  return await explain(from, to, options.signal, async () => {
    const source = await from.side.look(from.path);
    if (source === undefined) throw new Error(`there is no ${from.side.label(from.path)}`);
    if (source.kind === 'folder' && !options.recursive) throw new Error('it is a folder; give -r to copy it');
    const target = await to.side.look(to.path);
    if (target?.kind === 'other') throw new Error(`${to.side.label(to.path)} is no regular file`);
    if (target === undefined && source.kind === 'file' && to.path.endsWith('/')) {
      throw new Error(`there is no folder ${to.side.label(to.path)}`);
    }
    const inside = target?.kind === 'folder';
    const place = inside ? { ...to, path: to.side.join(to.path, await from.side.nameOf(from.path)) } : to;
    if (source.kind === 'folder') await refuseIntoItself(from, place);
    return await copyEntry(from, source, place, options, 0);
  });
}

async function copyEntry(
  from: Place,
  facts: FileFacts,
  to: Place,
  options: CopyOptions,
  depth: number,
): Promise<number> {
  options.signal.throwIfAborted();
  switch (facts.kind) {
    case 'other':
      options.onProgress.skip(from.side.label(from.path), 'it is neither a file nor a folder');
      return 1;
    case 'file':
      await copyFile(from, facts, to, options);
      return 0;
    case 'folder':
      return await copyFolder(from, facts, to, options, depth);
  }
}

async function copyFile(from: Place, facts: FileFacts, to: Place, options: CopyOptions): Promise<void> {
  const { onProgress, preserve, signal } = options;
  if ((await to.side.look(to.path))?.kind === 'folder') throw new Error(`${to.side.label(to.path)} is a folder`);
  onProgress.begin(from.side.label(from.path), facts.sizeBytes);
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const bytes of from.side.read(from.path, signal)) {
      yield bytes;
      onProgress.add(bytes.length);
    }
  };
  await to.side.write(to.path, facts.mode & ORDINARY_BITS, counted());
  if (preserve) await preserveFacts(to, facts);
  onProgress.end();
}

async function copyFolder(
  from: Place,
  facts: FileFacts,
  to: Place,
  options: CopyOptions,
  depth: number,
): Promise<number> {
  if (depth >= MAX_DEPTH) throw new Error(`${from.side.label(from.path)} is too deep; do its links lead in a circle?`);
  const present = await to.side.look(to.path);
  if (present !== undefined && present.kind !== 'folder') throw new Error(`${to.side.label(to.path)} is no folder`);
  const mode = facts.mode & ORDINARY_BITS;
  // A folder that its owner may not write to is filled first.
  if (present === undefined) await to.side.makeFolder(to.path, mode | OWNER_BITS);
  let skipped = 0;
  for (const name of await from.side.list(from.path)) {
    const entry = { ...from, path: from.side.join(from.path, name) };
    const found = await from.side.look(entry.path);
    if (found === undefined) {
      // A link to nothing, or gone meanwhile.
      options.onProgress.skip(from.side.label(entry.path), 'there is nothing behind it');
      skipped++;
    } else {
      const place = { ...to, path: to.side.join(to.path, name) };
      skipped += await copyEntry(entry, found, place, options, depth + 1);
    }
  }
  if (options.preserve) await preserveFacts(to, facts);
  else if (present === undefined && (mode | OWNER_BITS) !== mode) await to.side.setMode(to.path, mode);
  return skipped;
}

async function preserveFacts({ side, path }: Place, { mode, accessed, modified }: FileFacts): Promise<void> {
  await side.setMode(path, mode);
  await side.setTimes(path, accessed, modified);
}

async function refuseIntoItself(from: Place, to: Place): Promise<void> {
  if (from.side !== to.side) return;
  const source = await from.side.resolve(from.path);
  const target = await to.side.resolve(to.path);
  if (`${target}/`.startsWith(`${source}/`)) throw new Error('a folder cannot be copied into itself');
}

async function explain<T>(from: Place, to: Place, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof DriverError) throw cause;
    const what = `cannot copy ${from.side.label(from.path)} to ${to.side.label(to.path)}`;
    throw new DriverError('HK_COPY_FAILED', `${what}: ${(cause as Error).message}`, { cause });
  }
}
