import { NinePError } from './nine-p-error';
import type { NinePNode } from './tree';
import { DMDIR, encodeStat, type Qid, QTDIR, QTFILE, type Stat } from './wire';

/** A directory that a fid has opened. */
export interface OpenDirectory {
  readonly kind: 'directory';
  /** Entries that were read. */
  count: number;
  /** Where the last read ended; directories are read in order. */
  offset: number;
}

export function qidOf({ kind, qidPath }: NinePNode): Qid {
  return { type: kind === 'directory' ? QTDIR : QTFILE, version: 0, path: qidPath };
}

export function statOf(node: NinePNode): Stat {
  const directory = node.kind === 'directory';
  return {
    qid: qidOf(node),
    mode: (directory ? DMDIR : 0) + node.permissions,
    time: 0,
    lengthBytes: directory ? 0 : node.lengthBytes(),
    name: node.name,
    owner: 'root',
  };
}

/**
 * Whole entries from where the last read ended, or from the start again (read(5)). Nothing is kept between reads: one
 * that comes or goes meanwhile may be missed or shift the others.
 */
export function readDirectory(node: NinePNode, opened: OpenDirectory, offset: number, most: number): Buffer {
  if (offset === 0) {
    opened.count = 0;
    opened.offset = 0;
  } else if (offset !== opened.offset) throw new NinePError('a directory is read in order');
  const rest = node.kind === 'directory' ? node.children().slice(opened.count) : [];
  const entries: Buffer[] = [];
  let length = 0;
  for (const child of rest) {
    const entry = encodeStat(statOf(child));
    if (length + entry.length > most) break;
    entries.push(entry);
    length += entry.length;
  }
  if (entries.length === 0 && rest.length > 0) throw new NinePError('the count is too small for an entry');
  opened.count += entries.length;
  opened.offset += length;
  return Buffer.concat(entries);
}
