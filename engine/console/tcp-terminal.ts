import { createServer, type Socket } from 'node:net';
import { EngineError } from '../errors';
import type { SerialLine } from './serial-line';
import { openStreamTerminal } from './stream-terminal';

/**
 * Waits for one connection to a TCP port of this computer, which then is the terminal; nobody else is let in.
 * @throws EngineError HK_DEVICE_FAILED when the port can't be listened on; the reason of `signal` when it gives up.
 */
export async function openTcpTerminal(port: number, signal: AbortSignal): Promise<SerialLine> {
  signal.throwIfAborted();
  const server = createServer();
  server.maxConnections = 1;
  try {
    const socket = await new Promise<Socket>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      server.once('connection', resolve);
      server.once('error', (cause) => {
        const text = `cannot wait for a debugger on 127.0.0.1:${port}: ${cause.message}`;
        reject(new EngineError('HK_DEVICE_FAILED', text, { cause }));
      });
      // HyperKit listens on all addresses; a debugger's port is a way into the guest.
      server.listen({ host: '127.0.0.1', port });
    });
    return openStreamTerminal(socket);
  } finally {
    server.close();
  }
}
