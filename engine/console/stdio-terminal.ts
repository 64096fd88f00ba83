import type { BoundedOutput } from './bounded-output';
import type { SerialLine } from './serial-line';

/**
 * This process's own terminal, raw while it is in use: every key, Ctrl-C too, is the guest's. Also a pair of pipes.
 * HyperKit writes to descriptor 0, which works for a terminal only; here output goes to descriptor 1.
 * @param output of descriptor 1, which stays the caller's.
 */
export function openStdioTerminal(output: BoundedOutput): SerialLine {
  const { stdin } = process;
  const setRaw = (raw: boolean): void => {
    if (!stdin.isTTY) return;
    try {
      stdin.setRawMode(raw);
    } catch {
      // The terminal is gone.
    }
  };
  // Where the input ends, the machine goes on.
  stdin.on('error', () => undefined);
  setRaw(true);
  return {
    write: (bytes) => output.write(bytes),
    read: (listener) => void stdin.on('data', listener),
    pauseInput: () => void stdin.pause(),
    resumeInput: () => void stdin.resume(),
    close: async () => {
      setRaw(false);
      stdin.removeAllListeners('data');
      stdin.pause();
      // A pipe that is being read would keep the process alive.
      stdin.unref?.();
    },
  };
}
