import { readMachineStatus } from '../../engine/machine/state';
import type { Logger } from '../contract/logger';
import { callDocker, dockerTarget } from '../docker/docker-client';
import { CreateRefused, createHost, type HostRequest } from '../host/create-host';
import { readAuthPaths } from '../host/host-options';
import type { MachineStore } from '../store/machine-store';
import { type RemoveMachine, removeFrom } from './remove-member';

const ANSWER_MS = 20_000;

/** What a keeper has done with machines. */
export interface PoolWork {
  /** Makes a Docker host and proves that it answers; an abort undoes it. @throws CreateRefused when nothing was made */
  create(name: string, signal: AbortSignal): Promise<void>;
  readonly remove: RemoveMachine;
  /** By its files and the process table: milliseconds. */
  isRunning(name: string): Promise<boolean>;
  /** Asks its Docker over TLS. */
  answers(name: string, signal: AbortSignal): Promise<boolean>;
}

/** The same, with the machines of a store. */
export function hostWork(store: MachineStore, request: Omit<HostRequest, 'name'>, logger: Logger): PoolWork {
  return {
    create: async (name, signal) => {
      await createHost(store, { ...request, name }, { logger, signal, onPhase: () => undefined });
    },
    remove: removeFrom(store, (text) => logger.debug(text)),
    isRunning: async (name) => (await readMachineStatus(store.folderOf(name))).state === 'running',
    answers: async (name, signal) => {
      try {
        const machine = await store.load(name);
        const paths = readAuthPaths(machine.document, store.path, machine.folder);
        const target = dockerTarget(await machine.requireDriver().getURL(), paths);
        const call = { method: 'GET', path: '/_ping', deadlineMs: ANSWER_MS, signal } as const;
        return (await callDocker(target, call)).status === 200;
      } catch {
        return false;
      }
    },
  };
}

/** Nothing of the machine was made, so there is nothing to remove: its name may be another's. */
export function madeNothing(error: unknown): boolean {
  return error instanceof CreateRefused;
}
