import { replaceFile } from '../../engine/storage/atomic-file';
import { guardStore } from '../iso/store-error';
import { configPath, type MachineDocument } from './config-file';

/** Writes config.json in docker-machine's layout; the name only ever stands for a whole file. */
export async function writeMachineDocument(folder: string, document: MachineDocument): Promise<void> {
  const file = configPath(folder);
  const text = JSON.stringify(document, undefined, 4);
  await guardStore(file, async () => await replaceFile(file, 0o600, async (handle) => await handle.writeFile(text)));
}
