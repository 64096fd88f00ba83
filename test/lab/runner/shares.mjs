import { mkdirSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';

/** Shared folders a machine can have beside the one for output. A restored machine has the devices it was saved with. */
export const SHARE_SLOTS = 6;

/**
 * What a machine shows of this host: `folders[n]` is on slot n; `mounts` says where jobs see it. A file is shown by
 * itself, although its slot is the folder it is in.
 */
export function planShares({ project, shares, out, bench }) {
  const wanted = [...new Set([project, ...shares])]
    .map((where) => ({ where, isFile: statOf(where).isFile() }))
    .sort((one, other) => one.where.length - other.where.length);
  const covered = (where, by) => where === by || where.startsWith(by.endsWith('/') ? by : `${by}/`);
  const needed = wanted.filter(
    ({ where }, index) => !wanted.slice(0, index).some((other) => !other.isFile && covered(where, other.where)),
  );
  const folders = [];
  const mounts = [];
  const slotOf = (folder) => {
    if (!folders.includes(folder)) folders.push(folder);
    return folders.indexOf(folder);
  };
  if (bench !== undefined) mounts.push({ slot: slotOf(bench), at: '/bench' });
  for (const { where, isFile } of needed) {
    const real = realpathSync(where);
    if (isFile) mounts.push({ slot: slotOf(path.dirname(real)), at: where, file: path.basename(real) });
    else mounts.push({ slot: slotOf(real), at: where });
  }
  if (folders.length > SHARE_SLOTS) throw new Error(`${folders.length} shares are too many: at most ${SHARE_SLOTS}`);
  if (out !== undefined) mkdirSync(out, { recursive: true });
  return { folders, mounts, out };
}

function statOf(where) {
  if (where === '/') throw new Error('cannot share /: the machine has a root of its own');
  try {
    return statSync(where);
  } catch (cause) {
    throw new Error(`cannot share ${where}: ${cause.code ?? cause.message}`, { cause });
  }
}
