import type { HostKeyType, SshHostKey } from '../identity/ssh-host-key';
import type { VmSpec } from '../spec/vm-spec';
import type { Attachments, Hypervisor, RunningVm } from './hypervisor';

/** What makes a copy of a saved guest a machine of its own. */
export interface GuestIdentity {
  readonly hostname: string;
  /** 32 lower-case hexadecimal digits (machine-id(5)). */
  readonly machineId: string;
  /** UUID; in place of the one that the kernel drew when the template booted. */
  readonly bootId: string;
  /** UUID of the Docker engine. */
  readonly engineId: string;
  /** UUID that tells the guest's kernel that it is a copy, so that it draws new random state (VM generation ID). */
  readonly generation: string;
  readonly macAddress: string;
  /** 64 bytes for the guest's random state. */
  readonly seed: Uint8Array;
  readonly hostKeys: Readonly<Record<HostKeyType, SshHostKey>>;
  readonly docker: DockerCredentials;
  /** The archive that a guest which boots finds on its blank data disk. */
  readonly userData: Uint8Array;
}

/** What the guest's Docker port shows and asks for, in PEM. */
export interface DockerCredentials {
  /** Of those who may use it. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** With docker-machine's credentials comes its profile, for which the guest's Docker must run already; undefined: an interim pair. */
  readonly profile: string | undefined;
}

/** What a copy said when it had become a machine of its own: `engine-id`, `machine-id`, `urandom` and the like. */
export type IdentityFacts = ReadonlyMap<string, string>;

export interface SavedGuest {
  /** Folder with the files `memory` and `devices`. */
  readonly folder: string;
  readonly deadlineMs: number;
}

/** A copy that runs, and is like no other. */
export interface RestoredVm {
  readonly vm: RunningVm;
  readonly facts: IdentityFacts;
}

/**
 * Guests that are saved once and then go on many times. Saved and restored specifications are the same but for names,
 * addresses and paths; the first disk is a copy of what the template's was when it was saved.
 */
export interface WarmStarts {
  /** What saved guests of this specification depend on here besides it: the engine, its version, the CPU. */
  fingerprint(spec: Pick<VmSpec, 'accelerator'>): Promise<Readonly<Record<string, string>>>;
  /**
   * Boots the template of a specification whose first disk is blank, waits until its Docker is up and nothing else goes
   * on, and saves it into `folder`. Nothing of it runs afterwards.
   * @throws EngineError HK_HYPERVISOR_FAILED, also when the guest does not know how to be a template.
   */
  save(spec: VmSpec, attachments: Attachments, saved: SavedGuest): Promise<void>;
  /**
   * Starts a copy and resolves when it is a machine of its own.
   * @throws EngineError HK_RESTORE_FAILED, HK_DISK_FAILED when this computer's disk is full; nothing is left of it then.
   */
  restore(spec: VmSpec, attachments: Attachments, saved: SavedGuest, identity: GuestIdentity): Promise<RestoredVm>;
}

/** A hypervisor that can do that; with others every machine boots. */
export interface WarmHypervisor extends Hypervisor {
  readonly warm: WarmStarts;
}

export function isWarm(hypervisor: Hypervisor): hypervisor is WarmHypervisor {
  return 'warm' in hypervisor;
}

/** Files of a saved guest. */
export const SAVED_MEMORY = 'memory';
export const SAVED_DEVICES = 'devices';
