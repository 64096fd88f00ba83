import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { imageFolder } from '../../../../engine/warm/warm-cache';
import { sealImage } from '../../../../engine/warm/warm-image';
import { WARM_FORMAT, type WarmDependencies, warmKey } from '../../../../engine/warm/warm-key';

export const DEPENDENCIES: WarmDependencies = {
  format: WARM_FORMAT,
  gateway: '2.0.0',
  iso: 'a'.repeat(64),
  hypervisor: { engine: 'qemu 7.2.0', accelerator: 'tcg' },
  vcpus: 1,
  memoryMiB: 64,
  diskBytes: 8 * 1024 * 1024,
  commandLine: 'quiet',
};

const DATA_BYTES = 256 * 1024;

/** Puts a whole image into a cache, of its own key for each number. Answers its key and folder. */
export async function putImage(cache: string, number = 0): Promise<{ readonly key: string; readonly folder: string }> {
  const dependencies = { ...DEPENDENCIES, commandLine: `quiet number=${number}` };
  const key = warmKey(dependencies);
  const folder = imageFolder(cache, key);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const sizes = { memory: 64 * 1024 * 1024, devices: 3000, disk: 8 * 1024 * 1024 };
  for (const [name, size] of Object.entries(sizes)) {
    const file = path.join(folder, name);
    writeFileSync(file, Buffer.alloc(Math.min(size, DATA_BYTES), `${name} ${number} `), { mode: 0o600 });
    truncateSync(file, size);
  }
  await sealImage(folder, dependencies);
  return { key, folder };
}
