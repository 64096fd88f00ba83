import type { Socket } from 'node:net';
import type { GrpcHost } from '../grpc/host';
import { listenControl } from '../net/control/listen-control';
import type { ControlSurface } from './control-surface';
import { nameSocket } from './folder-socket';
import { MACHINE_FILES } from './machine-files';

/** How long calls may go on after the machine has ended. */
const LAST_WORDS_MS = 1_000;

export interface ControlSocket {
  /** To be called when the machine has ended: whoever watches has heard of it, or is cut off. */
  close(): Promise<void>;
}

/**
 * Serves hyperkit.machine.v1 on the unix socket in the machine's folder. Nothing of gRPC is loaded before somebody
 * connects: most machines are never asked. A folder that takes no socket costs the machine its control, not its start.
 */
export async function openControlSocket(surface: ControlSurface): Promise<ControlSocket> {
  let host: Promise<GrpcHost> | undefined;
  const accept = (socket: Socket): void => {
    host ??= import('./grpc/serve-control').then(({ createControlHost }) => createControlHost(surface));
    host.then(
      (loaded) => loaded.accept(socket),
      (error: Error) => {
        surface.log(`cannot serve the control socket: ${error.message}`);
        socket.destroy();
      },
    );
  };
  const place = nameSocket(surface.stateDir, MACHINE_FILES.controlSocket);
  try {
    const listener = await listenControl(place.path, accept);
    return {
      close: async () => {
        await host?.then((loaded) => loaded.close(LAST_WORDS_MS)).catch(() => undefined);
        await listener.close();
        place.release();
      },
    };
  } catch (error) {
    surface.log(`the machine has no control socket: ${(error as Error).message}`);
    place.release();
    return { close: async () => undefined };
  }
}
