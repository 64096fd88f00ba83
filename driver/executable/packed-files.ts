/** One file that the executable carries; its bytes are the asset of that name. */
export interface PackedFile {
  /** Below the folder that it is unpacked to, with slashes. */
  readonly path: string;
  readonly mode: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Everything that one executable carries. */
export interface PackedFiles {
  /** Name of the folder: the version, and a digest of all the files. */
  readonly id: string;
  readonly files: readonly PackedFile[];
}

/** The asset that is a PackedFiles as JSON; written by scripts/executable.mjs. */
export const PACKING_LIST = 'packing-list.json';
