import path from 'node:path';
import { BoundedLog } from './bounded-log';
import { ConsoleRing } from './ring';
import { CONSOLE_LOG } from './tail';

const LOG_BYTES = 4 * 1024 * 1024;

/** Where a machine's console goes: HyperKit's ring, and a log of this launch that people can read. */
export interface MachineConsole {
  write(bytes: Uint8Array): void;
  close(): void;
}

/** Errors of the file system pass through. */
export function openMachineConsole(stateDir: string): MachineConsole {
  const log = new BoundedLog(path.join(stateDir, CONSOLE_LOG), { maxBytes: LOG_BYTES, fresh: true });
  const ring = new ConsoleRing(path.join(stateDir, 'console-ring'));
  return {
    write(bytes) {
      ring.write(bytes);
      log.write(bytes);
    },
    close() {
      ring.close();
      log.close();
    },
  };
}
