import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PoolWork } from '../../../../driver/pool/pool-work';
import { MachineStore } from '../../../../driver/store/machine-store';

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

export function storeAt(folder: string): MachineStore {
  return new MachineStore({ path: folder, programsDir: '/nowhere', loggerOf: () => SILENT });
}

/** Machines without virtual machines: folders, with the state file of a machine that `pid` runs. */
export class FakeMachines implements PoolWork {
  readonly store: MachineStore;
  readonly off = new Set<string>();
  readonly silent = new Set<string>();
  /** What the next creates do instead of succeeding. */
  onCreate: ((name: string, signal: AbortSignal) => Promise<void>) | undefined;
  onRemove: ((name: string) => Promise<void>) | undefined;
  /** Those being created now, and the most there ever were. */
  underWay = 0;
  mostUnderWay = 0;
  /** The most folders of machines that there ever were at once. */
  mostMachines = 0;

  constructor(store: MachineStore) {
    this.store = store;
  }

  readonly create = async (name: string, signal: AbortSignal): Promise<void> => {
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    try {
      await this.onCreate?.(name, signal);
      this.put(name);
    } finally {
      this.underWay -= 1;
    }
  };

  readonly remove = async (name: string): Promise<void> => {
    await this.onRemove?.(name);
    rmSync(this.store.folderOf(name), { recursive: true, force: true });
  };

  readonly isRunning = async (name: string): Promise<boolean> => !this.off.has(name);

  readonly answers = async (name: string): Promise<boolean> => !this.silent.has(name);

  put(name: string): void {
    mkdirSync(this.store.folderOf(name), { recursive: true });
    writeFileSync(path.join(this.store.folderOf(name), 'config.json'), '{}');
    this.mostMachines = Math.max(this.mostMachines, this.store.list().length);
  }
}
