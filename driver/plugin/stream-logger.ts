import type { Logger } from '../contract/logger';

/** Enough of a stream to log to. */
export interface LogStream {
  readonly writableLength: number;
  write(text: string): unknown;
}

/** The client stops reading a stream at a line of 64 KiB; a character takes up to 3 bytes (a pair of them 4). */
const LINE_LIMIT_CHARS = 20_000;

/** A client that reads nothing any more must not make us hoard what we say to it. */
const BACKLOG_LIMIT_CHARS = 1_048_576;

/** Logs by docker-machine's rule: stdout is shown to the user, stderr is for debugging. */
export function createStreamLogger(stdout: LogStream, stderr: LogStream): Logger {
  const out = (text: string) => writeLines(stdout, text);
  const err = (text: string) => writeLines(stderr, text);
  return { info: out, warn: out, debug: err, error: err };
}

function writeLines(stream: LogStream, text: string): void {
  if (stream.writableLength > BACKLOG_LIMIT_CHARS) return;
  const lines = text
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .map((line) => `${makePrintable(line)}\n`);
  if (lines.length > 0) stream.write(lines.join(''));
}

/** Cuts overlong lines and takes the teeth out of escape sequences: texts may come from a guest or a download. */
function makePrintable(line: string): string {
  const shown = line.length > LINE_LIMIT_CHARS ? `${line.slice(0, LINE_LIMIT_CHARS)}… (cut)` : line;
  return shown.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '?');
}
