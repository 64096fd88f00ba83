import type { ChildProcess } from 'node:child_process';

export type OutputStream = 'stdout' | 'stderr';

/** A line that never ends is handed on in pieces of this size. */
const LINE_LIMIT_CHARS = 65_536;

/** Calls `onLine` for each line that a process writes, without its line end. */
export function watchOutput(child: ChildProcess, onLine: (line: string, stream: OutputStream) => void): void {
  for (const name of ['stdout', 'stderr'] as const) {
    let rest = '';
    const stream = child[name];
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LINE_LIMIT_CHARS) {
        lines.push(rest);
        rest = '';
      }
      for (const line of lines) onLine(line.replace(/\r$/, ''), name);
    });
    stream?.on('end', () => {
      if (rest !== '') onLine(rest, name);
    });
  }
}
