import { setTimeout as sleep } from 'node:timers/promises';
import { readMachineStatus } from '../../engine/machine/state';
import { DriverError } from '../errors';
import { checkMachineName } from '../store/machine-name';
import type { MachineStore } from '../store/machine-store';
import { moveMark } from './pool-mark';
import { listMembers } from './pool-members';
import { findKeeper, readPool } from './pool-record';

const LOOK_EVERY_MS = 100;
/** A keeper that is being started is there within this time. */
const WITHOUT_KEEPER_MS = 10_000;

export interface TakeOptions {
  readonly timeoutMs: number;
  /** None is ready; called once. */
  readonly onWait: () => void;
}

/**
 * Takes a machine that is ready and runs; of several takers each gets another one. Needs no keeper, only waits for one
 * when nothing is ready. Answers its name.
 * @throws DriverError HK_USAGE, HK_POOL_UNKNOWN, HK_CONFIG_INVALID, HK_POOL_EMPTY
 */
export async function takeMachine(
  store: MachineStore,
  pool: string,
  { timeoutMs, onWait }: TakeOptions,
): Promise<string> {
  checkMachineName(pool);
  const beganMs = performance.now();
  let keptMs = beganMs;
  for (let looks = 0; ; looks++) {
    const name = await takeReady(store, pool);
    if (name !== undefined) return name;
    const nowMs = performance.now();
    if ((await findKeeper(store.path, pool)) !== undefined) keptMs = nowMs;
    const isAbandoned = nowMs - keptMs >= WITHOUT_KEEPER_MS;
    if (isAbandoned || nowMs - beganMs >= timeoutMs) {
      readPool(store.path, pool);
      const why = isAbandoned ? 'and nobody keeps the pool' : `after ${Math.round((nowMs - beganMs) / 1000)} s`;
      throw new DriverError(
        'HK_POOL_EMPTY',
        `cannot take a machine of pool "${pool}": none is ready, ${why}; "hyperkit pool ls" tells its state, and the keeper's log why`,
      );
    }
    if (looks === 0) onWait();
    await sleep(LOOK_EVERY_MS);
  }
}

async function takeReady(store: MachineStore, pool: string): Promise<string | undefined> {
  for (const { name, state } of listMembers(store, pool)) {
    if (state !== 'ready') continue;
    const folder = store.folderOf(name);
    const isRunning = (await readMachineStatus(folder)).state === 'running';
    if (moveMark(folder, isRunning ? 'taken' : 'retired') && isRunning) return name;
  }
  return undefined;
}
