import type { Duplex } from 'node:stream';
import { BoundedOutput } from './bounded-output';
import type { SerialLine } from './serial-line';

const LAST_OUTPUT_MS = 500;

/** A terminal behind a stream of its own. */
export function openStreamTerminal(stream: Duplex, closed: () => void = () => undefined): SerialLine {
  const output = new BoundedOutput(stream);
  return {
    write: (bytes) => output.write(bytes),
    read: (listener) => void stream.on('data', listener),
    pauseInput: () => void stream.pause(),
    resumeInput: () => void stream.resume(),
    close: async () => {
      stream.pause();
      await output.drained(LAST_OUTPUT_MS);
      await new Promise<void>((resolve) => stream.once('close', resolve).destroy());
      closed();
    },
  };
}
