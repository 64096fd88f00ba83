import { writeSync } from 'node:fs';

/**
 * Keeps the streams in order: after the address line, stdout belongs to the logger and every line of it is shown to
 * the user; a reader that is gone must not end us in the middle of something.
 */
export function guardStreams(): void {
  console.log = console.info = console.debug = console.error;
  // EPIPE: the client is gone, which the heartbeats find out in an orderly way.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

/** A fault nobody caught leaves one line, for `--debug`, and ends the process: its state cannot be trusted any more. */
export function guardFaults(exit: (code: number) => void): void {
  const report = (fault: unknown) => {
    const text = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    try {
      writeSync(2, `docker-machine-driver-hyperkit: ${text.replaceAll(/\s*\n\s*/g, ' | ')}\n`);
    } catch {
      // Nobody reads any more.
    }
    exit(1);
  };
  process.on('uncaughtException', report);
  process.on('unhandledRejection', report);
}
