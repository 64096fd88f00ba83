import { type ChildProcess, spawn } from 'node:child_process';

/** How a program ended and what it said. */
export interface Outcome {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Both streams in the order of arrival. */
  readonly output: string;
  readonly seconds: number;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** The program is killed after this time and the run rejects; 120 s unless told. */
  readonly deadlineMs?: number;
  readonly stdin?: string;
  /** Called with the process as soon as it exists, for tests that end it. */
  readonly started?: (child: ChildProcess) => void;
  /** Called with each chunk of output. */
  readonly heard?: (text: string) => void;
}

/** Runs a program to its end; a non-zero exit is an outcome, not an error. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const child = spawn(program, args, {
      env: options.env ?? process.env,
      cwd: options.cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: options.started !== undefined,
    });
    options.started?.(child);
    let stdout = '';
    let stderr = '';
    let output = '';
    const hear = (text: string): void => {
      output += text;
      options.heard?.(text);
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      hear(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      hear(text);
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.stdin ?? '');
    const deadlineMs = options.deadlineMs ?? 120_000;
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${program} ${args.join(' ')} still ran after ${deadlineMs} ms; it had said:\n${output}`));
    }, deadlineMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr, output, seconds: (performance.now() - begun) / 1000 });
    });
  });
}
