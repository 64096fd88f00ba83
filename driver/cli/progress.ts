import type { CommandOutput } from './command-output';

const FRAME_MS = 100;
/** Shorter phases are told without a time. */
const WORTH_TELLING_MS = 1000;

/**
 * The way of one command in phases. On a terminal the phase under way is one line with its time, rewritten while it
 * lasts; elsewhere each phase is told once, when it begins; with `--quiet` not at all.
 */
export class Progress {
  readonly #output: CommandOutput;
  readonly #machineName: string;
  readonly #live: boolean;
  #phase: { readonly text: string; readonly beganMs: number; readonly timer: NodeJS.Timeout | undefined } | undefined;
  #detail = '';

  /** @param alone only one machine is worked on, so that its line may be rewritten */
  constructor(output: CommandOutput, machineName: string, alone: boolean) {
    this.#output = output;
    this.#machineName = machineName;
    this.#live = output.style.live && !output.style.quiet && alone;
  }

  /** A new phase begins; the one before is done. */
  phase(text: string): void {
    this.#end('green', '✓');
    const timer = this.#live ? setInterval(() => this.#draw(), FRAME_MS) : undefined;
    timer?.unref();
    this.#phase = { text, beganMs: performance.now(), timer };
    if (this.#live) this.#draw();
    else this.#output.say(`${text}...`);
  }

  /** A line of the driver: a step of its own when it ends in dots, else what the step is doing just now. */
  hear(line: string): void {
    const text = `(${this.#machineName}) ${line}`;
    if (line.endsWith('...')) this.phase(text.slice(0, -3));
    else if (!this.#live) this.#output.say(text);
    else {
      this.#detail = line;
      this.#draw();
    }
  }

  /** Everything went well. */
  done(): void {
    this.#end('green', '✓');
  }

  /** The phase under way has failed. */
  failed(): void {
    this.#end('red', '✗');
  }

  #end(colour: 'green' | 'red', sign: string): void {
    const phase = this.#phase;
    if (phase === undefined) return;
    clearInterval(phase.timer);
    this.#phase = undefined;
    this.#detail = '';
    if (!this.#live) return;
    const elapsedMs = performance.now() - phase.beganMs;
    const time = elapsedMs < WORTH_TELLING_MS ? '' : this.#output.colour('dim', `  ${seconds(elapsedMs)}`);
    this.#rewrite(`${this.#output.colour(colour, sign)} ${phase.text}${time}\n`);
  }

  #draw(): void {
    if (this.#phase === undefined) return;
    const time = seconds(performance.now() - this.#phase.beganMs);
    const detail = this.#detail === '' ? '' : `: ${this.#detail}`;
    const columns = process.stderr.columns ?? 80;
    this.#rewrite(`  ${this.#phase.text}${detail}  ${time}`.slice(0, columns - 1));
  }

  /** Writes over the line that is there. */
  #rewrite(text: string): void {
    this.#output.stderr.write(`\r\x1b[K${text}`);
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
