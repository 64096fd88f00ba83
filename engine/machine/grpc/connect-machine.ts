import { credentials } from '@grpc/grpc-js';
import { MachineControl } from '../../../proto/generated/hyperkit/machine/v1/machine_pb';
import { createClient, openChannel, type ServiceClient } from '../../grpc/client';
import { nameSocket } from '../folder-socket';
import { MACHINE_FILES } from '../machine-files';

/** A connection to the process that runs a machine. */
export interface MachineConnection {
  readonly control: ServiceClient<typeof MachineControl>;
  /** Ends the connection and the calls that are under way. */
  close(): void;
}

/**
 * Connects to the machine of a folder (`machines/NAME` of a store). Answers at once; calls fail with UNAVAILABLE when the
 * machine does not run.
 */
export function connectMachine(stateDir: string): MachineConnection {
  const place = nameSocket(stateDir, MACHINE_FILES.controlSocket);
  const channel = openChannel(`unix:${place.path}`, credentials.createInsecure());
  return {
    control: createClient(MachineControl, channel),
    close: () => {
      channel.close();
      place.release();
    },
  };
}
