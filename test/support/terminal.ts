import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { until } from './until';

export interface TerminalOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly rows?: number;
  readonly cols?: number;
}

/** A program on a real terminal of its own (script(1)), and somebody who types and reads there. */
export class Terminal {
  #said = '';
  #device: string | undefined;
  readonly #child: ChildProcess;
  /** Exit status of the program. */
  readonly ended: Promise<number | null>;

  constructor(words: readonly string[], { env = process.env, rows = 24, cols = 80 }: TerminalOptions = {}) {
    const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    // What becomes of the terminal is shown when the program has ended.
    const line = `tty; stty rows ${rows} cols ${cols}; ${quoted}; s=$?; stty -a | tr ';' ' '; echo finished; exit $s`;
    this.#child = spawn('script', ['-qefc', line, '/dev/null'], { env: { ...env, SHELL: '/bin/sh' }, stdio: 'pipe' });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#said += chunk.toString('latin1');
        this.#device ??= /\/dev\/pts\/\d+/.exec(this.#said)?.[0];
      });
    }
    this.#child.stdin?.on('error', () => undefined);
    this.ended = new Promise((resolve) => this.#child.once('close', (code) => resolve(code)));
  }

  /** Everything that was on the screen. */
  get said(): string {
    return this.#said;
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Waits for a text, and forgets what came up to its end. */
  async expect(text: string, deadlineMs = 60_000): Promise<void> {
    await until(
      `${JSON.stringify(text)} on the terminal`,
      () => this.#said.includes(text),
      deadlineMs,
      () => this.#said.slice(-2000),
    );
    this.#said = this.#said.slice(this.#said.indexOf(text) + text.length);
  }

  /** Another size, as when somebody drags the window's corner. */
  async resize(rows: number, cols: number): Promise<void> {
    const device = await until('the name of the terminal', () => this.#device);
    execFileSync('stty', ['-F', device, 'rows', String(rows), 'cols', String(cols)]);
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}
