import type { ReadStream } from 'node:tty';

/**
 * Every key goes to the other side, Ctrl-C too, until the answered function is called. The terminal is put back as it
 * was even when the process ends otherwise.
 */
export function enterRawMode(terminal: ReadStream): () => void {
  const leave = (): void => {
    process.off('exit', leave);
    try {
      terminal.setRawMode(false);
    } catch {
      // The terminal is gone.
    }
  };
  process.on('exit', leave);
  terminal.setRawMode(true);
  return leave;
}
