/** What all vCPUs of a board are told to do. */
export const COMMAND = { wait: 0, run: 1, pause: 2, stop: 3 } as const;
export type Command = (typeof COMMAND)[keyof typeof COMMAND];

/** What a vCPU's thread is doing. It goes up, except that `running` and `paused` take turns. */
export const PHASE = { starting: 0, running: 1, paused: 2, ended: 3 } as const;
export type Phase = (typeof PHASE)[keyof typeof PHASE];

/** What the guest wants of its machine; the first wish counts. */
export const WISH = { none: 0, powerOff: 1, reset: 2, tripleFault: 3, failed: 4 } as const;
export type Wish = (typeof WISH)[keyof typeof WISH];

/** What a device's register half tells the main thread; bits. */
export const NOTICE = { inputWanted: 1, alarmChanged: 2 } as const;

const COMMAND_WORD = 0;
const WISH_WORD = 1;
const NOTICE_WORD = 2;
const FIRST_VCPU = 3;
/** Phase, thread id. */
const WORDS_PER_VCPU = 2;

/**
 * The few words with which a board's threads steer each other: the main thread commands, vCPUs tell their phase and
 * their guest's wish.
 */
export class BoardWords {
  static stateBytes(vcpus: number): number {
    return (FIRST_VCPU + vcpus * WORDS_PER_VCPU) * Int32Array.BYTES_PER_ELEMENT;
  }

  readonly #words: Int32Array;

  /** @param shared zeroed memory of {@link stateBytes}. */
  constructor(readonly shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared);
  }

  get command(): Command {
    return Atomics.load(this.#words, COMMAND_WORD) as Command;
  }

  setCommand(command: Command): void {
    Atomics.store(this.#words, COMMAND_WORD, command);
    Atomics.notify(this.#words, COMMAND_WORD);
  }

  /** Blocks while the command is `command`. */
  waitWhile(command: Command): void {
    while (this.command === command) Atomics.wait(this.#words, COMMAND_WORD, command);
  }

  get wish(): Wish {
    return Atomics.load(this.#words, WISH_WORD) as Wish;
  }

  /** False: there is an earlier one. */
  makeWish(wish: Wish): boolean {
    return Atomics.compareExchange(this.#words, WISH_WORD, WISH.none, wish) === WISH.none;
  }

  addNotice(bit: number): void {
    Atomics.or(this.#words, NOTICE_WORD, bit);
  }

  /** What came since the last call. */
  takeNotices(): number {
    return Atomics.exchange(this.#words, NOTICE_WORD, 0);
  }

  phase(vcpu: number): Phase {
    return Atomics.load(this.#words, FIRST_VCPU + vcpu * WORDS_PER_VCPU) as Phase;
  }

  setPhase(vcpu: number, phase: Phase): void {
    Atomics.store(this.#words, FIRST_VCPU + vcpu * WORDS_PER_VCPU, phase);
  }

  /** 0: the thread has not started, or is gone. */
  thread(vcpu: number): number {
    return Atomics.load(this.#words, FIRST_VCPU + vcpu * WORDS_PER_VCPU + 1);
  }

  setThread(vcpu: number, thread: number): void {
    Atomics.store(this.#words, FIRST_VCPU + vcpu * WORDS_PER_VCPU + 1, thread);
  }
}
