import path from 'node:path';
import type { ExitReason } from '../hypervisors/hypervisor';
import { MACHINE_FILES, readJsonObject, replaceSmallFile } from './machine-files';
import type { ProcessIdentity } from './process-identity';

const MAX_BYTES = 64 * 1024;
/** Whoever lists machines reads it. */
export const STATE_MODE = 0o644;

/** How the machine ended last time, and when (ISO 8601, UTC; absent when nobody was left to write it down). */
export type LastExit = ExitReason & { readonly at?: string };

/** A port of the host that leads to the machine. */
export interface HostPort {
  readonly protocol: 'tcp' | 'udp';
  /** Of the host. */
  readonly address: string;
  readonly hostPort: number;
  readonly guestPort: number;
  /** A container publishes it; otherwise it is the machine's own, for SSH or Docker, or was asked for over gRPC. */
  readonly container: boolean;
}

/** A machine whose process lives. */
export interface LiveMachine {
  /** `starting`: the process lives, the guest does not run yet. `paused`: the guest's CPUs are stopped. */
  readonly state: 'starting' | 'running' | 'paused';
  /** Of the machine process. */
  readonly pid: number;
  /** Of the machine process, as the process table tells it: with the pid it names one process for good. */
  readonly startTime: string;
  /** When the machine process began, ISO 8601, UTC. */
  readonly startedAt: string;
  /** E.g. `qemu/tcg`; absent while starting. */
  readonly backend?: string;
  readonly ports: readonly HostPort[];
  /** How often the guest has been started again after a reset. */
  readonly resets: number;
  /** Why the guest is paused when nobody asked for it, e.g. the host's disk is full. */
  readonly notice?: string;
}

/** machine-state.json while the machine process lives: written by it alone. */
export interface LiveState extends LiveMachine {
  readonly bootId: string;
  /** Processes that belong to the machine and must not outlive it. */
  readonly children: readonly ProcessIdentity[];
}

/** machine-state.json after the machine process has ended in good order. */
export interface StoppedState {
  readonly state: 'stopped';
  readonly lastExit?: LastExit;
}

export type RuntimeState = LiveState | StoppedState;

export function writeRuntimeState(stateDir: string, state: RuntimeState): void {
  replaceSmallFile(path.join(stateDir, MACHINE_FILES.state), encodeRuntimeState(state), STATE_MODE);
}

export function encodeRuntimeState(state: RuntimeState): string {
  return `${JSON.stringify(state)}\n`;
}

/** Undefined when the file is missing, cut short, too long, or not what a machine process writes. */
export function readRuntimeState(stateDir: string): RuntimeState | undefined {
  return decodeRuntimeState(readJsonObject(path.join(stateDir, MACHINE_FILES.state), MAX_BYTES));
}

export function decodeRuntimeState(json: Readonly<Record<string, unknown>> | undefined): RuntimeState | undefined {
  if (!json) return undefined;
  if (json.state === 'stopped') {
    const lastExit = decodeExit(json.lastExit);
    return { state: 'stopped', ...(lastExit && { lastExit }) };
  }
  const machine = decodeLiveMachine(json);
  if (!machine || typeof json.bootId !== 'string' || !Array.isArray(json.children)) return undefined;
  const children = json.children.map(decodeIdentity);
  return children.every((child) => child !== undefined) ? { ...machine, bootId: json.bootId, children } : undefined;
}

export function decodeLiveMachine(json: Readonly<Record<string, unknown>>): LiveMachine | undefined {
  const { state, pid, startTime, startedAt, backend, ports, resets, notice } = json;
  if (state !== 'starting' && state !== 'running' && state !== 'paused') return undefined;
  if (!isPid(pid) || typeof startTime !== 'string' || typeof startedAt !== 'string') return undefined;
  if (!Number.isSafeInteger(resets)) return undefined;
  return {
    state,
    pid,
    startTime,
    startedAt,
    ports: Array.isArray(ports) ? ports.filter(isHostPort) : [],
    resets: resets as number,
    ...(typeof backend === 'string' && { backend }),
    ...(typeof notice === 'string' && { notice }),
  };
}

export function decodeIdentity(value: unknown): ProcessIdentity | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, startTime, bootId } = value as Record<string, unknown>;
  return isPid(pid) && typeof startTime === 'string' && typeof bootId === 'string'
    ? { pid, startTime, bootId }
    : undefined;
}

function decodeExit(value: unknown): LastExit | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { kind, detail, at } = value as Record<string, unknown>;
  const when = typeof at === 'string' ? { at } : {};
  if (kind === 'power-off' || kind === 'reset' || kind === 'killed' || kind === 'suspended') return { kind, ...when };
  return kind === 'failed' && typeof detail === 'string' ? { kind, detail, ...when } : undefined;
}

/** 0 and negative numbers name groups, 1 is init: a file that says so is never believed. */
function isPid(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 1;
}

function isHostPort(value: unknown): value is HostPort {
  const { protocol, address, hostPort, guestPort, container } = (value ?? {}) as Partial<
    Record<keyof HostPort, unknown>
  >;
  const numbers = Number.isSafeInteger(hostPort) && Number.isSafeInteger(guestPort);
  return (
    (protocol === 'tcp' || protocol === 'udp') &&
    typeof address === 'string' &&
    numbers &&
    typeof container === 'boolean'
  );
}
