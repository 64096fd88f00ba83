import { existsSync, statSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { EngineError } from '../errors';
import type { RunningVm } from '../hypervisors/hypervisor';
import { describeChange, isSuspendable, type SuspensionTraits } from '../hypervisors/suspendable';
import type { VmSpec } from '../spec/vm-spec';
import { replaceFile, syncFolder } from '../storage/atomic-file';
import { DRAFT_NAME, draftOf, MACHINE_FILES, readJsonObject } from './machine-files';

/*
 * A suspended machine is a file `suspended`, the guest's whole state, beside `suspended.json`, what it depends on. While
 * there is a file of that name its disks are as the guest left them: whoever lets a guest run, that one or any other,
 * removes it first, and waits until the removal would outlive a power cut.
 */

const FORMAT = 1;
const MAX_BYTES = 64 * 1024;
/** 64 GiB at 100 MB/s take 11 minutes. */
const DEADLINE_MS = 15 * 60_000;

/** What a suspended machine depends on. */
export interface Suspension {
  /** Of its hypervisor. */
  readonly traits: SuspensionTraits;
  /** Of its specification and its files. */
  readonly machine: Readonly<Record<string, string>>;
}

/** Whether a machine that doesn't run would go on from where it was. */
export function isSuspended(stateDir: string): boolean {
  return existsSync(path.join(stateDir, MACHINE_FILES.suspended));
}

/**
 * Saves a running machine in its folder and ends it.
 * @throws EngineError HK_REQUEST_UNSUPPORTED before anything happens, HK_SUSPEND_FAILED when its guest goes on.
 */
export async function suspendMachine(vm: RunningVm, spec: VmSpec, signal: AbortSignal): Promise<void> {
  if (!isSuspendable(vm)) {
    const text = `cannot suspend this machine: ${vm.backend} has no way to do it; stop it instead`;
    throw new EngineError('HK_REQUEST_UNSUPPORTED', text);
  }
  const { stateDir } = spec;
  const file = path.join(stateDir, MACHINE_FILES.suspended);
  const draft = draftOf(file);
  const keep = async (traits: SuspensionTraits): Promise<void> => {
    const description = { format: FORMAT, traits, machine: describeMachine(spec) };
    try {
      await replaceFile(path.join(stateDir, MACHINE_FILES.suspension), 0o600, async (handle) => {
        await handle.writeFile(JSON.stringify(description));
      });
      await rename(draft, file);
      await syncFolder(stateDir);
    } catch (error) {
      await dropSuspension(stateDir);
      throw error;
    }
  };
  try {
    await vm.suspend({ file: draft, signal, deadlineMs: DEADLINE_MS, keep });
  } finally {
    await rm(draft, { force: true });
  }
}

/** The saved state of a machine, checked against the machine. @throws EngineError HK_RESUME_FAILED */
export function requireSuspension(spec: VmSpec): {
  readonly file: string;
  readonly traits: SuspensionTraits;
  readonly deadlineMs: number;
} {
  const refuse = (why: string): EngineError =>
    new EngineError('HK_RESUME_FAILED', `cannot resume machine "${spec.name}": ${why}`);
  const suspension = readSuspension(spec.stateDir);
  if (suspension === undefined) throw refuse('there is no saved state of it, or one that this version does not know');
  const change = describeChange(suspension.machine, describeMachine(spec));
  if (change !== undefined) throw refuse(change);
  const file = path.join(spec.stateDir, MACHINE_FILES.suspended);
  return { file, traits: suspension.traits, deadlineMs: DEADLINE_MS };
}

/** Undefined when the machine isn't suspended, or was by a version that wrote something else. */
export function readSuspension(stateDir: string): Suspension | undefined {
  if (!isSuspended(stateDir)) return undefined;
  const json = readJsonObject(path.join(stateDir, MACHINE_FILES.suspension), MAX_BYTES);
  const { format, traits, machine } = json ?? {};
  return format === FORMAT && isTextRecord(traits) && isTextRecord(machine) ? { traits, machine } : undefined;
}

/**
 * Forgets a saved state, and what an attempt to make one has left. Resolves when that would outlive a power cut. Errors
 * of the file system pass through: no guest may run then.
 */
export async function dropSuspension(stateDir: string): Promise<void> {
  const isOfIt = (name: string): boolean =>
    name === MACHINE_FILES.suspended ||
    name === MACHINE_FILES.suspension ||
    (DRAFT_NAME.test(name) && name.startsWith(`.${MACHINE_FILES.suspended}.`));
  const names = (await readdir(stateDir)).filter(isOfIt);
  if (names.length === 0) return;
  for (const name of names) await rm(path.join(stateDir, name), { force: true });
  await syncFolder(stateDir);
}

/** What of a machine must be the same when it goes on. */
function describeMachine(spec: VmSpec): Readonly<Record<string, string>> {
  const files = [
    ...spec.disks.map((disk, index) => [`disk ${index}`, describeFile(disk.path)]),
    ...spec.cdroms.map((file, index) => [`CD-ROM ${index}`, describeFile(file)]),
  ];
  return {
    'number of CPUs': String(spec.vcpus),
    memory: `${spec.memoryMiB} MiB`,
    UUID: spec.uuid,
    'MAC address': spec.network.macAddress,
    ...Object.fromEntries(files),
  };
}

/** Changes with the file's content. */
function describeFile(file: string): string {
  const { size, mtime } = statSync(file);
  return `${size} bytes of ${mtime.toISOString()}`;
}

function isTextRecord(value: unknown): value is Readonly<Record<string, string>> {
  return (
    typeof value === 'object' && value !== null && Object.values(value).every((entry) => typeof entry === 'string')
  );
}
