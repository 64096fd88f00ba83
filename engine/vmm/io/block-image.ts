import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { blockIo, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '../../../native/block-io';
import { errnoName } from '../../../native/native-error';
import { EngineError } from '../../errors';
import type { BlockSpec } from '../../spec/board-spec';
import { lockImage } from './image-lock';

const SECTOR_BYTES = 512;

/** An open raw image, as plain data: the descriptor is good in every thread of the process. */
export interface BlockImage {
  readonly path: string;
  readonly fd: number;
  /** Whole logical sectors. */
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Each write reaches the medium before the call returns (O_DSYNC). */
  readonly sync: boolean;
  /** Bytes: powers of two. */
  readonly sectors: { readonly logical: number; readonly physical: number };
  /** The file system can punch holes, in units of `discardBytes`. */
  readonly canDiscard: boolean;
  readonly discardBytes: number;
}

/**
 * Opens and locks a disk's file: a regular file or a block device. One that may not be written to is opened read-only.
 * @throws EngineError HK_DISK_FAILED
 */
export function openBlockImage(spec: BlockSpec): BlockImage {
  const { path } = spec;
  if (spec.format === 'qcow2') {
    const advice = `convert it once with "qemu-img convert -O raw ${path} disk.raw" and give disk.raw instead`;
    throw new EngineError('HK_DISK_FAILED', `cannot open disk ${path}: qcow2 images are not supported here; ${advice}`);
  }
  const { fd, readOnly } = openFile(spec);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() && !stats.isBlockDevice()) throw refuse(path, 'it is neither a file nor a block device');
    lockImage(fd, path, readOnly);
    const sectors = spec.sectors ?? { logical: SECTOR_BYTES, physical: physicalSector(stats) };
    return {
      path,
      fd,
      sizeBytes: measure(fd, path, sectors.logical),
      readOnly,
      sync: spec.sync,
      sectors,
      canDiscard: !readOnly && canPunchHoles(fd, stats),
      discardBytes: Math.max(sectors.logical, physicalSector(stats)),
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Gives the file and its lock back, when no thread works on it any more. */
export function closeBlockImage({ fd }: BlockImage): void {
  closeSync(fd);
}

function openFile({ path, readOnly, sync }: BlockSpec): { readonly fd: number; readonly readOnly: boolean } {
  const dsync = sync ? constants.O_DSYNC : 0;
  try {
    if (!readOnly) return { fd: openSync(path, constants.O_RDWR | dsync), readOnly: false };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw refuse(path, describe(error), error);
  }
  try {
    return { fd: openSync(path, constants.O_RDONLY), readOnly: true };
  } catch (error) {
    throw refuse(path, describe(error), error);
  }
}

function measure(fd: number, path: string, logical: number): number {
  const size = blockIo.size(fd);
  if (size < 0) throw refuse(path, `its size cannot be found (${errnoName(-size)})`);
  const whole = Math.floor(size / logical) * logical;
  if (whole === 0) throw refuse(path, `it has ${size} bytes, less than a sector; create it with its size`);
  return whole;
}

/** What the file system works in, as far as a disk may have such sectors. */
function physicalSector({ blksize }: Stats): number {
  const possible = Number.isInteger(Math.log2(blksize)) && blksize >= SECTOR_BYTES && blksize <= 0x1_0000;
  return possible ? blksize : SECTOR_BYTES;
}

/** A hole behind the end of the file changes nothing. A block device has nothing behind its end, and is not tried. */
function canPunchHoles(fd: number, stats: Stats): boolean {
  if (!stats.isFile()) return false;
  const end = Math.ceil(stats.size / 0x1_0000) * 0x1_0000;
  return blockIo.allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, end, 0x1_0000) === 0;
}

function describe(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file; create it first';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied; make it readable for this user';
  if (code === 'EISDIR') return 'it is a folder';
  return message;
}

function refuse(path: string, why: string, cause?: unknown): EngineError {
  return new EngineError('HK_DISK_FAILED', `cannot open disk ${path}: ${why}`, { cause });
}
