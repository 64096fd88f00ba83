import { rmSync } from 'node:fs';
import path from 'node:path';
import type { ExitReason } from '../hypervisors/hypervisor';
import { KeptFile } from './kept-file';
import { MACHINE_FILES, replaceSmallFile } from './machine-files';
import { identifyProcess, type ProcessIdentity } from './process-identity';
import {
  encodeRuntimeState,
  type LiveMachine,
  type LiveState,
  type RuntimeState,
  STATE_MODE,
  writeRuntimeState,
} from './runtime-state';

/** Keeps machine-state.json and hyperkit.pid true while a machine process lives. */
export class StateKeeper {
  readonly #stateDir: string;
  readonly #file: KeptFile;
  #state: LiveState;
  #exit: ExitReason | undefined;
  readonly #watchers = new Set<() => void>();

  /** Writes both files. Errors of the file system pass through. */
  constructor(stateDir: string, own: ProcessIdentity) {
    this.#stateDir = stateDir;
    this.#state = {
      ...own,
      state: 'starting',
      startedAt: new Date().toISOString(),
      ports: [],
      resets: 0,
      children: [],
    };
    writeRuntimeState(stateDir, this.#state);
    const file = (name: string): string => path.join(stateDir, name);
    this.#file = new KeptFile(file(MACHINE_FILES.state), file(MACHINE_FILES.spareState), STATE_MODE);
    replaceSmallFile(path.join(stateDir, MACHINE_FILES.pid), String(own.pid), 0o644);
  }

  get machine(): LiveMachine {
    const { bootId: _bootId, children: _children, ...machine } = this.#state;
    return machine;
  }

  /** How the machine ended; undefined while it lives. */
  get exit(): ExitReason | undefined {
    return this.#exit;
  }

  /** Calls `watcher` after every change, until the function that is answered is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Changes some fields. A file that can't be written stays as it was: the machine goes on. */
  update(
    change: Partial<Pick<LiveState, 'state' | 'backend' | 'ports' | 'resets' | 'children'>> & {
      notice?: string | undefined;
    },
  ): void {
    const { notice = this.#state.notice, ...rest } = change;
    const { notice: _old, ...current } = this.#state;
    const cleared = 'notice' in change && change.notice === undefined;
    this.#state = { ...current, ...rest, ...(notice !== undefined && !cleared && { notice }) };
    try {
      this.#write(this.#state);
    } catch {
      // Readers see the state before this change.
    }
    this.#tell();
  }

  /** Writes down a child process as soon as it exists. */
  async addChild(pid: number): Promise<void> {
    const child = await identifyProcess(pid);
    if (child) this.update({ children: [child] });
  }

  /** The last entry: how it ended. */
  finish(exit: ExitReason): void {
    try {
      this.#write({ state: 'stopped', lastExit: { ...exit, at: new Date().toISOString() } });
    } catch {
      // The pid in the old state will belong to nobody, which says enough.
    }
    this.#file.close();
    rmSync(path.join(this.#stateDir, MACHINE_FILES.pid), { force: true });
    this.#exit = exit;
    this.#tell();
  }

  #write(state: RuntimeState): void {
    this.#file.replace(encodeRuntimeState(state));
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
  }
}
