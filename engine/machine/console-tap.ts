import type { MachineConsole } from '../console/machine-console';

/** The machine's console for whoever listens to it now, beside its files. */
export class ConsoleTap {
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();

  constructor(private readonly files: Pick<MachineConsole, 'write'>) {}

  write(bytes: Uint8Array): void {
    this.files.write(bytes);
    for (const listener of this.#listeners) listener(bytes);
  }

  /** Calls `listener` with what the guest says from now on, until the function that is answered is called. The bytes are only lent. */
  listen(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
