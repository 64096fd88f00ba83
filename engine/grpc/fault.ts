import { status } from '@grpc/grpc-js';
import type { EngineErrorCode } from '../errors';

/** What an error's code means to a gRPC client. */
export interface Fault {
  readonly status: status;
  /** What to do about it. */
  readonly mend: string;
}

/** Faults by stable code. */
export type FaultTable = Readonly<Record<string, Fault>>;

const fault = (code: status, mend: string): Fault => ({ status: code, mend });

export const ENGINE_FAULTS: Readonly<Record<EngineErrorCode, Fault>> = {
  HK_SPEC_INVALID: fault(status.INVALID_ARGUMENT, 'change the value that the text names'),
  HK_ISO_UNREADABLE: fault(status.FAILED_PRECONDITION, 'check path and permissions of the ISO'),
  HK_ISO_INVALID: fault(status.FAILED_PRECONDITION, 'get or build the ISO again'),
  HK_ISO_NO_KERNEL: fault(status.FAILED_PRECONDITION, 'take a boot2docker-compatible ISO'),
  HK_DISK_FAILED: fault(status.RESOURCE_EXHAUSTED, 'free some space on the host'),
  HK_NO_HYPERVISOR: fault(status.FAILED_PRECONDITION, 'install what the text names'),
  HK_HYPERVISOR_FAILED: fault(status.UNAVAILABLE, "read the hypervisor's own words in the text"),
  HK_WARM_FAILED: fault(status.FAILED_PRECONDITION, 'read the reason in the text; machines boot all the same'),
  HK_RESTORE_FAILED: fault(status.UNAVAILABLE, 'let the machine boot: warm never'),
  HK_SUSPEND_FAILED: fault(status.UNAVAILABLE, 'read the reason in the text; the machine runs on'),
  HK_RESUME_FAILED: fault(status.FAILED_PRECONDITION, 'kill the machine: it boots then, and what was saved is dropped'),
  HK_MACHINE_RUNNING: fault(status.FAILED_PRECONDITION, 'stop the machine first'),
  HK_MACHINE_FAILED: fault(status.INTERNAL, "see hyperkit.log in the machine's folder"),
  HK_MACHINE_TIMEOUT: fault(status.DEADLINE_EXCEEDED, "see console.log in the machine's folder"),
  HK_ADDRESS_IN_USE: fault(status.UNAVAILABLE, 'stop the program that the text names'),
  HK_STATE_UNREADABLE: fault(status.FAILED_PRECONDITION, "check the permissions of the machine's folder"),
  HK_NET_UNAVAILABLE: fault(status.UNAVAILABLE, 'provide what the text names'),
  HK_NET_CONFIG_INVALID: fault(status.INVALID_ARGUMENT, 'change the field that the text names'),
  HK_NET_PROTOCOL: fault(status.UNAVAILABLE, 'check that the socket is of the program that is meant'),
  HK_FORWARD_FAILED: fault(status.UNAVAILABLE, 'take another port, or stop who has it'),
  HK_GUEST_FAULT: fault(status.INTERNAL, 'restart the guest'),
  HK_KVM_FAILED: fault(status.UNAVAILABLE, 'do what the text says, or use the engine qemu'),
  HK_BOOT_FAILED: fault(status.FAILED_PRECONDITION, 'replace the file that the text names'),
  HK_DEVICE_FAILED: fault(status.UNAVAILABLE, 'provide what the text names'),
  HK_CONSOLE_UNAVAILABLE: fault(status.UNAVAILABLE, 'start the machine'),
  HK_REQUEST_INVALID: fault(status.INVALID_ARGUMENT, 'change the field that the text names'),
  HK_REQUEST_UNSUPPORTED: fault(status.UNIMPLEMENTED, 'do without: this machine cannot do it'),
  HK_UNEXPECTED: fault(status.INTERNAL, "report it with the server's log"),
};
