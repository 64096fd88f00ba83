import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

/** A running `gobpeer echo` or `gobpeer verify`: a line of JSON for a line of JSON. */
export class Peer {
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting: ((line: string) => void)[] = [];
  readonly closed: Promise<number | null>;

  constructor(program: string, mode: 'echo' | 'verify') {
    this.#process = spawn(program, [mode], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout! });
    this.#lines.on('line', (line) => this.#waiting.shift()?.(line));
    this.closed = new Promise((resolve) => {
      this.#process.once('close', (code) => {
        for (const answer of this.#waiting) answer(JSON.stringify({ error: `gobpeer ended with code ${code}` }));
        resolve(code);
      });
    });
  }

  ask<Answer>(question: unknown): Promise<Answer> {
    return new Promise((resolve) => {
      this.#waiting.push((line) => resolve(JSON.parse(line) as Answer));
      this.#process.stdin!.write(`${JSON.stringify(question)}\n`);
    });
  }

  async close(): Promise<void> {
    this.#process.stdin!.end();
    await this.closed;
  }
}
