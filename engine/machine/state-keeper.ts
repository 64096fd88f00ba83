import { rmSync } from 'node:fs';
import path from 'node:path';
import type { ExitReason } from '../hypervisors/hypervisor';
import { MACHINE_FILES, replaceSmallFile } from './machine-files';
import { identifyProcess, type ProcessIdentity } from './process-identity';
import { type LiveMachine, type LiveState, writeRuntimeState } from './runtime-state';

/** Keeps machine-state.json and hyperkit.pid true while a machine process lives. */
export class StateKeeper {
  readonly #stateDir: string;
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

  /** Changes some fields. A full disk leaves the file as it was: the machine goes on. */
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
      writeRuntimeState(this.#stateDir, this.#state);
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
      writeRuntimeState(this.#stateDir, { state: 'stopped', lastExit: { ...exit, at: new Date().toISOString() } });
    } catch {
      // The pid in the old state will belong to nobody, which says enough.
    }
    rmSync(path.join(this.#stateDir, MACHINE_FILES.pid), { force: true });
    this.#exit = exit;
    this.#tell();
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
  }
}
