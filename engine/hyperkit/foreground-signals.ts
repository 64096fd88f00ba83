import type { RunningBoard } from './running-board';

const FATAL = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;

export interface SignalActions {
  /** Lines for people. */
  readonly say: (line: string) => void;
}

/**
 * HyperKit's signals. SIGTERM is the power button as soon as the guest can handle one; before that, and the others
 * always, they end the process as they would without us, but nothing is left behind. SIGUSR1 stops the CPUs, SIGUSR2
 * lets them go on.
 */
export class ForegroundSignals {
  readonly #say: (line: string) => void;
  readonly #ending = new AbortController();
  readonly #listeners: (readonly [NodeJS.Signals, () => void])[] = [];
  #board: RunningBoard | undefined;
  #fatal: NodeJS.Signals | undefined;

  constructor({ say }: SignalActions) {
    this.#say = say;
    for (const name of FATAL) {
      this.#listen(name, () => {
        if (name === 'SIGTERM' && this.#board !== undefined) void this.#pressButton(this.#board);
        else this.#end(name);
      });
    }
    this.#listen('SIGUSR1', () => this.#switchRunning('received sigusr1, pausing', (board) => board.pause()));
    this.#listen('SIGUSR2', () => this.#switchRunning('received sigusr2, unpausing', (board) => board.resume()));
  }

  /** The signal that ended the machine. */
  get fatal(): NodeJS.Signals | undefined {
    return this.#fatal;
  }

  /** Aborts what is under way when a signal ends it. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  attach(board: RunningBoard): void {
    this.#board = board;
    if (this.#fatal !== undefined) void board.kill();
  }

  /** Signals act as if there had never been anything here. */
  close(): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }

  #listen(name: NodeJS.Signals, listener: () => void): void {
    process.on(name, listener);
    this.#listeners.push([name, listener]);
  }

  async #pressButton(board: RunningBoard): Promise<void> {
    const pressed = await board.powerButton().catch(() => false);
    if (!pressed) this.#end('SIGTERM');
  }

  #end(name: NodeJS.Signals): void {
    this.#fatal ??= name;
    this.#ending.abort(new Error(`ended by ${name}`));
    void this.#board?.kill();
  }

  #switchRunning(line: string, action: (board: RunningBoard) => Promise<void>): void {
    this.#say(line);
    if (this.#board === undefined) return;
    action(this.#board).catch((error: Error) => this.#say(error.message));
  }
}
