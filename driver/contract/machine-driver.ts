import type { DockerFiles } from '../../engine/spec/vm-spec';
import type { CreateFlag, FlagValues } from './create-flags';

/** libmachine's state numbers (docker-machine `state.State`). */
export const MachineState = {
  None: 0,
  Running: 1,
  Paused: 2,
  Saved: 3,
  Stopped: 4,
  Stopping: 5,
  Starting: 6,
  Error: 7,
  Timeout: 8,
} as const;
export type MachineState = (typeof MachineState)[keyof typeof MachineState];

/**
 * Credentials and options of a machine's Docker, offered before the machine exists. One that goes on from a warm image can
 * take them while it becomes a machine of its own, and needs no provisioning then; others don't look at them.
 */
export interface DockerOffer {
  /** Lays the files down, for a machine at this address. */
  readonly prepare: (address: string) => Promise<DockerFiles>;
  /** Called when the guest says that its Docker runs with them: rejects when it does not answer. */
  readonly prove: (address: string) => Promise<void>;
}

/**
 * libmachine's driver interface, method for method, as the RPC server calls it.
 * Every method may reject with a DriverError, whose message reaches the user as is;
 * setConfigRaw must never reject (docker-machine panics when it does).
 */
export interface MachineDriver {
  /** Getters answer from files and memory only. */
  driverName(): string;
  getCreateFlags(): readonly CreateFlag[];
  setConfigRaw(json: Uint8Array): Promise<void>;
  getConfigRaw(): Promise<Uint8Array>;
  setConfigFromFlags(values: FlagValues): Promise<void>;
  getMachineName(): Promise<string>;
  getIP(): Promise<string>;
  getSSHHostname(): Promise<string>;
  getSSHKeyPath(): Promise<string>;
  getSSHPort(): Promise<number>;
  getSSHUsername(): Promise<string>;
  getURL(): Promise<string>;
  getState(): Promise<MachineState>;
  preCreateCheck(): Promise<void>;
  /** The offer is for callers in the same process; libmachine has none to make. */
  create(offer?: DockerOffer): Promise<void>;
  remove(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
  restart(): Promise<void>;
  kill(): Promise<void>;
  /** Called when the client is gone (no heartbeat) or Ctrl-C reached us: undo a Create that is still under way. Bounded in time. */
  abandon(): Promise<void>;
}
