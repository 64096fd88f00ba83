import { spawn } from 'node:child_process';
import { BoundedOutput } from './bounded-output';

const LAST_OUTPUT_MS = 500;

export interface SystemLog {
  write(bytes: Uint8Array): void;
  close(): Promise<void>;
}

/** The log of this computer, by way of logger(1), which is where there is a log. Without that program output is lost. */
export function openSystemLog(tag: string): SystemLog {
  const child = spawn('logger', ['-t', tag], { stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  const output = new BoundedOutput(child.stdin);
  return {
    write: (bytes) => output.write(bytes),
    close: async () => {
      await output.drained(LAST_OUTPUT_MS);
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), LAST_OUTPUT_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
