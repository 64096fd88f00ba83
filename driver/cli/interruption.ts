import { setMaxListeners } from 'node:events';
import { DriverError } from '../errors';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * What signals do to a command. One that has something to undo asks for `signal`: from then on the first signal aborts
 * it, and a second one ends the process at once. One that never asks is ended by the first, as any program is.
 */
export class Interruption {
  readonly #abort = new AbortController();
  #isListening = false;

  get signal(): AbortSignal {
    if (!this.#isListening) for (const name of SIGNALS) process.on(name, this.#onSignal);
    this.#isListening = true;
    // Of many machines that are worked on at once each listens.
    setMaxListeners(0, this.#abort.signal);
    return this.#abort.signal;
  }

  /** The command is done: signals end the process again. */
  close(): void {
    for (const name of SIGNALS) process.off(name, this.#onSignal);
    this.#isListening = false;
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    if (this.#abort.signal.aborted) {
      this.close();
      process.kill(process.pid, name);
      return;
    }
    this.#abort.abort(new DriverError('HK_CLIENT_GONE', `interrupted by ${name}; what had been started was undone`));
  };
}
