import { type FileHandle, open } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { EngineError } from '../errors';
import type { KernelBoot } from '../spec/vm-spec';
import { replaceFile } from '../storage/atomic-file';
import { describeWriteFailure } from '../storage/write-failure';
import { findBootEntries } from './boot-files';
import type { IsoEntry } from './directory';
import { IsoImage } from './iso9660';
import { checkKernel } from './verify-iso';

/** Names for the copies in the machine's folder, instead of the ISO's own. */
export interface BootFileNames {
  readonly kernelName?: string;
  readonly initrdName?: string;
}

/**
 * Copies kernel and initrd out of the ISO into the machine's folder (which exists) and answers what to boot, paths
 * absolute. A copy whose bytes are all the same is left alone, which makes this cheap enough for every start: both
 * files are read, which the start does anyway, and nothing is written.
 *
 * Throws HK_ISO_UNREADABLE, HK_ISO_INVALID, HK_ISO_NO_KERNEL, or HK_DISK_FAILED when a copy cannot be written.
 */
export async function extractBootFiles(
  isoPath: string,
  directory: string,
  names: BootFileNames = {},
): Promise<KernelBoot> {
  return await IsoImage.with(isoPath, async (image) => {
    const { kernel, initrd, commandLine } = await findBootEntries(image);
    await checkKernel(image, kernel);
    const kernelPath = resolve(directory, safeFileName(names.kernelName || kernel.name, 'vmlinuz'));
    const initrdPath = resolve(directory, safeFileName(names.initrdName || initrd.name, 'initrd.img'));
    if (kernelPath.toLowerCase() === initrdPath.toLowerCase()) {
      throw new EngineError('HK_DISK_FAILED', `cannot write ${kernelPath}: kernel and initrd would have the same name`);
    }
    await copyOut(image, kernel, kernelPath);
    await copyOut(image, initrd, initrdPath);
    return { kernel: kernelPath, initrd: initrdPath, commandLine };
  });
}

/** A name that stays in its folder and is not hidden, whatever the ISO says. */
export function safeFileName(name: string, fallback: string): string {
  const safe = basename(name.replaceAll('\\', '/'))
    .replace(/[^A-Za-z0-9._+-]/g, '_')
    .replace(/^\.+/, '')
    .slice(0, 128);
  return safe === '' ? fallback : safe;
}

async function copyOut(image: IsoImage, file: IsoEntry, target: string): Promise<void> {
  if (await hasSameContent(image, file, target)) return;
  try {
    await replaceFile(target, 0o644, async (copy) => {
      for await (const piece of image.readChunks(file)) await copy.writeFile(piece);
    });
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError('HK_DISK_FAILED', `cannot write ${target}: ${describeWriteFailure(error)}`, { cause: error });
  }
}

async function hasSameContent(image: IsoImage, file: IsoEntry, target: string): Promise<boolean> {
  const copy = await open(target, 'r').catch(() => undefined);
  if (copy === undefined) return false;
  try {
    const stat = await copy.stat();
    if (!stat.isFile() || stat.size !== file.sizeBytes) return false;
    for await (const piece of image.readChunks(file)) {
      if (!(await readExactly(copy, piece.length)).equals(piece)) return false;
    }
    return true;
  } catch (error) {
    // Trouble with the ISO counts; trouble with the old copy means a new one.
    if (error instanceof EngineError) throw error;
    return false;
  } finally {
    await copy.close();
  }
}

async function readExactly(file: FileHandle, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}
