/** What is known of a file before it is copied. */
export interface FileFacts {
  /** Links count as what they point to. */
  readonly kind: 'file' | 'folder' | 'other';
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly sizeBytes: number;
  /** Unix times, seconds. */
  readonly accessed: number;
  readonly modified: number;
}

/** One end of a copy: this computer's files, or a machine's. Paths are of its own kind. */
export interface FileSide {
  /** A path as the user would write it. */
  label(path: string): string;
  join(folder: string, name: string): string;
  /** The last part of a path, never empty, `.` or `..`. */
  nameOf(path: string): Promise<string>;
  /** A path without links and dots, to compare with others of this side. Of what is not there yet, the folder's. */
  resolve(path: string): Promise<string>;
  /** Undefined when there is nothing of that name. */
  look(path: string): Promise<FileFacts | undefined>;
  /** Names in a folder, without `.` and `..`. They come from strangers: each is one plain name, or the listing fails. */
  list(folder: string): Promise<readonly string[]>;
  read(path: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Writes a whole file: its name stands for the old content until it stands for all of the new. Nothing else is left when it fails.
   * @param mode what a new file may have at most; the umask is applied
   */
  write(path: string, mode: number, content: AsyncIterable<Uint8Array>): Promise<void>;
  makeFolder(path: string, mode: number): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  setTimes(path: string, accessed: number, modified: number): Promise<void>;
}

/** Bytes that are read or written at a time; every SFTP server takes that many (draft-ietf-secsh-filexfer-02, 3). */
export const CHUNK_BYTES = 32 * 1024;

/** A name from a listing, proven to stay in its folder. @throws Error */
export function plainName(name: string): string {
  if (name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)) return name;
  throw new Error(`the listing holds the name ${JSON.stringify(name)}, which is none`);
}
