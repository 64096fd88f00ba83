import { status } from '@grpc/grpc-js';
import { ENGINE_FAULTS, type Fault, type FaultTable } from '../../engine/grpc/fault';
import type { DriverErrorCode } from '../errors';

const fault = (code: status, mend: string): Fault => ({ status: code, mend });

const OF_THE_DRIVER: Readonly<Record<DriverErrorCode, Fault>> = {
  HK_HOST_NOT_RUNNING: fault(status.FAILED_PRECONDITION, 'start the machine'),
  HK_FLAG_INVALID: fault(status.INVALID_ARGUMENT, 'change the flag that the text names'),
  HK_FLAG_UNSUPPORTED: fault(status.UNIMPLEMENTED, 'leave the flag out'),
  HK_CONFIG_INVALID: fault(status.INVALID_ARGUMENT, 'change the name or key that the text names'),
  HK_USAGE: fault(status.INVALID_ARGUMENT, 'change the value that the text names'),
  HK_MACHINE_UNKNOWN: fault(status.NOT_FOUND, 'check the name; configure a new machine with SetConfigFromFlags first'),
  HK_MACHINE_EXISTS: fault(status.ALREADY_EXISTS, 'take another name, or remove the machine first'),
  HK_MACHINE_STATE: fault(status.FAILED_PRECONDITION, 'start or stop the machine, as the text says'),
  HK_FOREIGN_DRIVER: fault(status.FAILED_PRECONDITION, 'use docker-machine for this machine'),
  HK_STORE_UNWRITABLE: fault(status.PERMISSION_DENIED, "make the machine's folder writable for the server's user"),
  HK_MACHINE_BUSY: fault(status.ABORTED, 'wait for the other command to end, and try again'),
  HK_ADDRESS_EXHAUSTED: fault(status.RESOURCE_EXHAUSTED, 'stop the program that the text names'),
  HK_ISO_MISSING: fault(status.FAILED_PRECONDITION, 'build an ISO, or name one in hyperkit-boot2docker-url'),
  HK_ISO_DOWNLOAD_FAILED: fault(status.UNAVAILABLE, 'try again: the download is resumed'),
  HK_DISK_FULL: fault(status.RESOURCE_EXHAUSTED, 'free some space on the host'),
  HK_SSH_UNREACHABLE: fault(status.UNAVAILABLE, "read the guest's last words in the text"),
  HK_SSH_KEY_UNUSABLE: fault(status.FAILED_PRECONDITION, 'mend the key file that the text names'),
  HK_SSH_DENIED: fault(status.PERMISSION_DENIED, "put the machine's key back into the guest"),
  HK_SSH_LOST: fault(status.UNAVAILABLE, 'try again'),
  HK_SSH_TIMEOUT: fault(status.DEADLINE_EXCEEDED, 'try again when the guest has less to do'),
  HK_SSH_COMMAND_FAILED: fault(status.ABORTED, "read the guest's words in the text"),
  HK_SSH_FORWARD_FAILED: fault(status.UNAVAILABLE, 'take another port'),
  HK_COPY_FAILED: fault(status.ABORTED, 'do what the text says'),
  HK_WARM_UNAVAILABLE: fault(status.FAILED_PRECONDITION, 'set hyperkit-warm to auto: the machine boots then'),
  HK_STOP_TIMEOUT: fault(status.DEADLINE_EXCEEDED, 'kill the machine'),
  HK_CLIENT_GONE: fault(status.CANCELLED, 'nothing: what had been begun was undone'),
  HK_SERVE_REFUSED: fault(status.FAILED_PRECONDITION, 'change the option that the text names'),
  HK_CERTIFICATE_INVALID: fault(status.FAILED_PRECONDITION, 'replace the file that the text names'),
  HK_PROVISION_FAILED: fault(status.ABORTED, "read the guest's words in the text"),
  HK_DOCKER_UNREACHABLE: fault(status.UNAVAILABLE, 'see docker.log in the guest'),
  HK_SWARM_UNKNOWN: fault(status.NOT_FOUND, 'check the name'),
  HK_SWARM_EXISTS: fault(status.ALREADY_EXISTS, 'take another name, or remove the swarm first'),
  HK_SWARM_FAILED: fault(status.ABORTED, "read Docker's words in the text"),
  HK_POOL_UNKNOWN: fault(status.NOT_FOUND, 'check the name'),
  HK_POOL_BUSY: fault(status.ABORTED, 'end the process that the text names'),
  HK_POOL_EMPTY: fault(status.RESOURCE_EXHAUSTED, 'try again when machines have been removed'),
};

/** Everything that a call of the driver's service can fail with. */
export const DRIVER_FAULTS: FaultTable = { ...ENGINE_FAULTS, ...OF_THE_DRIVER };
