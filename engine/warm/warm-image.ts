import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, lstat, open } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as v from 'valibot';
import { SAVED_DEVICES, SAVED_MEMORY } from '../hypervisors/warm-starts';
import { parseJsonObject } from '../json-object';
import { readSmallFile } from '../storage/small-file';
import { digestOfContent } from './content-digest';
import { findForeignTraits } from './private-folder';
import { WARM_FORMAT, type WarmDependencies, warmKey } from './warm-key';

/** The template's data disk as it was when the guest was saved. */
export const SAVED_DISK = 'disk';
export const IMAGE_RECORD = 'image.json';

const SAVED_FILES = [SAVED_MEMORY, SAVED_DEVICES, SAVED_DISK] as const;
const MAX_RECORD_BYTES = 64 * 1024;
/** QEMU opens the memory for writing, though a copy's changes never get there. */
const FILE_MODE = 0o600;

const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const savedFile = v.strictObject({ sizeBytes: count, modifiedNs: v.string(), sha256: digest });

export const dependenciesSchema = v.strictObject({
  format: v.literal(WARM_FORMAT),
  gateway: v.string(),
  iso: digest,
  hypervisor: v.record(v.string(), v.string()),
  vcpus: count,
  memoryMiB: count,
  diskBytes: count,
  commandLine: v.string(),
});

const recordSchema = v.strictObject({
  dependencies: dependenciesSchema,
  madeAt: v.string(),
  files: v.strictObject({ [SAVED_MEMORY]: savedFile, [SAVED_DEVICES]: savedFile, [SAVED_DISK]: savedFile }),
});

/** What image.json says. */
export interface WarmRecord {
  readonly dependencies: WarmDependencies;
  /** ISO 8601. */
  readonly madeAt: string;
  readonly files: Readonly<Record<(typeof SAVED_FILES)[number], SavedFile>>;
}

interface SavedFile {
  readonly sizeBytes: number;
  /** Nanoseconds; what writes to the file changes it. */
  readonly modifiedNs: string;
  /** `devices`: of the file; the others: {@link digestOfContent}. */
  readonly sha256: string;
}

export type CheckedImage =
  | { readonly usable: true; readonly record: WarmRecord }
  | { readonly usable: false; readonly problem: string };

/** Writes down what a finished image is, and makes it last: after this its folder may take its name. */
export async function sealImage(folder: string, dependencies: WarmDependencies): Promise<void> {
  const files: Record<string, SavedFile> = {};
  for (const name of SAVED_FILES) {
    const file = path.join(folder, name);
    await sync(file);
    await chmod(file, FILE_MODE);
    files[name] = { ...(await measure(file)), sha256: await digestOf(folder, name) };
  }
  const record = { dependencies, madeAt: new Date().toISOString(), files };
  const file = await open(path.join(folder, IMAGE_RECORD), 'wx', 0o600);
  try {
    await file.writeFile(JSON.stringify(record));
    await file.sync();
  } finally {
    await file.close();
  }
  await sync(folder);
}

/**
 * Whether a machine may go on from an image: whole, of this format, the one that its name says, of this user, and not
 * written to since it was made. The large files are not read, see {@link verifyImage}. Never throws.
 */
export async function checkImage(folder: string): Promise<CheckedImage> {
  try {
    return await inspectImage(folder);
  } catch (error) {
    return { usable: false, problem: (error as Error).message };
  }
}

/** The same, and every byte is what it was. Takes a second for each gigabyte of data. Never throws. */
export async function verifyImage(folder: string): Promise<CheckedImage> {
  const checked = await checkImage(folder);
  if (!checked.usable) return checked;
  for (const name of SAVED_FILES) {
    const found = await digestOf(folder, name).catch((error: Error) => error.message);
    if (found === checked.record.files[name].sha256) continue;
    return { usable: false, problem: `${name} is damaged` };
  }
  return checked;
}

async function inspectImage(folder: string): Promise<CheckedImage> {
  const no = (problem: string): CheckedImage => ({ usable: false, problem });
  const foreign = findForeignTraits(await lstat(folder), 'folder');
  if (foreign !== undefined) return no(foreign);
  const record = readRecord(folder);
  if (record === undefined) return no(`${IMAGE_RECORD} is none that this version understands`);
  if (warmKey(record.dependencies) !== path.basename(folder)) return no('it is not what its name says');
  for (const name of SAVED_FILES) {
    const file = path.join(folder, name);
    const trait = findForeignTraits(await lstat(file), 'file');
    if (trait !== undefined) return no(`${name}: ${trait}`);
    const { sizeBytes, modifiedNs } = await measure(file);
    const made = record.files[name];
    if (sizeBytes !== made.sizeBytes) return no(`${name} has ${sizeBytes} bytes, not ${made.sizeBytes}`);
    if (modifiedNs !== made.modifiedNs) return no(`${name} was changed`);
  }
  if ((await digestOf(folder, SAVED_DEVICES)) !== record.files[SAVED_DEVICES].sha256) return no('devices is damaged');
  return { usable: true, record };
}

function readRecord(folder: string): WarmRecord | undefined {
  const reading = readSmallFile(path.join(folder, IMAGE_RECORD), MAX_RECORD_BYTES);
  const result = v.safeParse(recordSchema, 'text' in reading ? parseJsonObject(reading.text) : undefined);
  return result.success ? result.output : undefined;
}

async function measure(file: string): Promise<{ readonly sizeBytes: number; readonly modifiedNs: string }> {
  const { size, mtimeNs } = await lstat(file, { bigint: true });
  return { sizeBytes: Number(size), modifiedNs: String(mtimeNs) };
}

/** `devices` is small and data through and through. */
async function digestOf(folder: string, name: (typeof SAVED_FILES)[number]): Promise<string> {
  const file = path.join(folder, name);
  if (name !== SAVED_DEVICES) return await digestOfContent(file);
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function sync(file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
