import { type FSWatcher, lstatSync, readlinkSync, statSync, watch } from 'node:fs';
import path from 'node:path';
import { type FileReading, readSmallFile } from '../storage/small-file';

/** Programs write a file in several steps; all that happens in this time is read once. */
const SETTLE_MS = 50;
const MAX_LINKS = 40;

export interface WatchedFileOptions {
  readonly maxBytes: number;
  /** Told at once, and whenever the file may have changed. */
  readonly onReading: (reading: FileReading) => void;
  /** Told what cannot be watched. */
  readonly log: (line: string) => void;
}

/**
 * A file that is read when it is there and again whenever it changes. Folders are watched, not the file, so that one
 * that is replaced by a rename or appears later is seen; so are the links on the way to it. Never throws.
 */
export class WatchedFile {
  readonly #path: string;
  readonly #options: WatchedFileOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  #places: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  #settling: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(file: string, options: WatchedFileOptions) {
    this.#path = path.resolve(file);
    this.#options = options;
    this.#read();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #read(): void {
    // First the watches: what changes after the reading is seen.
    this.#watchPlaces();
    this.#options.onReading(readSmallFile(this.#path, this.#options.maxBytes));
  }

  #watchPlaces(): void {
    this.#places = findPlaces(this.#path);
    for (const [folder, watcher] of this.#watchers) {
      if (this.#places.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of this.#places.keys()) {
      if (!this.#watchers.has(folder)) this.#watchFolder(folder);
    }
  }

  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => this.#onEvent(folder, name));
      watcher.on('error', (cause) => this.#onLost(folder, cause));
      this.#watchers.set(folder, watcher);
    } catch (cause) {
      this.#options.log(`cannot watch ${folder}: ${reasonOf(cause)}; changes of ${this.#path} are not seen`);
    }
  }

  #onEvent(folder: string, name: string | null): void {
    // A folder that is removed reports its own name, and its watch sees nothing any more.
    const isOwnName = name === path.basename(folder);
    if (isOwnName) this.#forget(folder);
    if (name !== null && !isOwnName && !this.#places.get(folder)?.has(name)) return;
    this.#settle();
  }

  #onLost(folder: string, cause: unknown): void {
    this.#options.log(`lost the watch on ${folder}: ${reasonOf(cause)}`);
    this.#forget(folder);
    this.#settle();
  }

  #forget(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }

  #settle(): void {
    if (this.#settling || this.#isClosed) return;
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      this.#read();
    }, SETTLE_MS).unref();
  }
}

/**
 * The folders to watch and the names in them that matter: of the file, of each link on the way to it, or of the first
 * part that is missing.
 */
function findPlaces(file: string): ReadonlyMap<string, ReadonlySet<string>> {
  const places = new Map<string, Set<string>>();
  const add = (folder: string, name: string): void => {
    places.set(folder, (places.get(folder) ?? new Set()).add(name));
  };
  let rest = splitPath(file);
  let folder = path.parse(file).root;
  for (let links = 0; links <= MAX_LINKS; ) {
    const [name, ...further] = rest;
    if (name === undefined) break;
    const entry = path.join(folder, name);
    const target = readLink(entry);
    if (target !== undefined) {
      links++;
      add(folder, name);
      const resolved = path.resolve(folder, target);
      rest = [...splitPath(resolved), ...further];
      folder = path.parse(resolved).root;
    } else if (further.length === 0 || !isThere(entry)) {
      add(folder, name);
      break;
    } else {
      folder = entry;
      rest = further;
    }
  }
  return places;
}

function splitPath(absolute: string): string[] {
  return absolute.split(path.sep).filter((part) => part !== '');
}

function readLink(entry: string): string | undefined {
  try {
    return lstatSync(entry).isSymbolicLink() ? readlinkSync(entry) : undefined;
  } catch {
    return undefined;
  }
}

function isThere(entry: string): boolean {
  try {
    return statSync(entry, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
