import { connect, type Socket } from 'node:net';
import { EngineError } from '../errors';
import { nameSocket } from '../machine/folder-socket';
import { MACHINE_FILES } from '../machine/machine-files';

/**
 * Connects to the serial console of a machine that runs. The stream begins with the last screens of output; it ends
 * with the machine.
 * @throws EngineError HK_CONSOLE_UNAVAILABLE
 */
export async function connectConsole(stateDir: string): Promise<Socket> {
  try {
    const name = nameSocket(stateDir, MACHINE_FILES.consoleSocket);
    try {
      return await new Promise<Socket>((resolve, reject) => {
        const socket = connect(name.path);
        socket.once('error', reject);
        socket.once('connect', () => {
          socket.off('error', reject);
          resolve(socket);
        });
      });
    } finally {
      name.release();
    }
  } catch (cause) {
    const text = `cannot reach the console of the machine in ${stateDir}: ${(cause as Error).message}`;
    throw new EngineError('HK_CONSOLE_UNAVAILABLE', `${text}; it has one while it runs, see its hyperkit.log`, {
      cause,
    });
  }
}
