import path from 'node:path';
import { BoundedLog } from './bounded-log';
import { serveConsole } from './console-server';
import { ConsoleRing } from './ring';
import { type SerialLine, UNCONNECTED } from './serial-line';
import { CONSOLE_LOG } from './tail';

const LOG_BYTES = 4 * 1024 * 1024;

/**
 * Where a machine's console goes: HyperKit's ring, a log of this launch that people can read, and whoever attaches.
 * A folder that takes no sockets costs the last of them only. Errors of the file system pass through.
 */
export async function openMachineConsole(stateDir: string, log: (line: string) => void): Promise<SerialLine> {
  const file = new BoundedLog(path.join(stateDir, CONSOLE_LOG), { maxBytes: LOG_BYTES, fresh: true });
  const ring = new ConsoleRing(path.join(stateDir, 'console-ring'));
  const line = await serveConsole(stateDir).catch((error: Error) => {
    log(`nobody can attach to the console: ${error.message}`);
    return UNCONNECTED;
  });
  return {
    ...line,
    write(bytes) {
      ring.write(bytes);
      file.write(bytes);
      line.write(bytes);
    },
    async close() {
      await line.close();
      ring.close();
      file.close();
    },
  };
}
