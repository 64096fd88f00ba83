import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDeadline } from '../deadline-signal';
import type { MachineStore } from '../store/machine-store';
import { BackOff } from './back-off';
import type { PoolEvent } from './pool-event';
import { layMark, type MarkOrigin, moveMark } from './pool-mark';
import { dropUnfinished, layUnfinished, listMembers, newMemberName, type PoolMember } from './pool-members';
import { madeNothing, type PoolWork } from './pool-work';
import { removeMember } from './remove-member';

const LOOK_EVERY_MS = 500;
/** Docker of each ready machine is asked this often; when it fails, once more soon, and then its machine is replaced. */
const ASK_EVERY_MS = 30_000;
const ASK_AGAIN_MS = 5_000;
const FAILURES = 2;

export interface CreateDeadlines {
  readonly createMs: number;
  /** After this a create that was told to end is left to itself, and its machine is removed. */
  readonly undoMs: number;
}

/** Booting under emulation takes minutes, and the first machine may have to download its ISO. */
const DEADLINES: CreateDeadlines = { createMs: 20 * 60_000, undoMs: 60_000 };

/** What a keeper keeps. */
export interface PoolPlan {
  readonly pool: string;
  readonly size: number;
  /** How many machines are made at the same time. */
  readonly parallel: number;
  readonly memoryLimitMiB: number;
  /** What every machine is made with. */
  readonly origin: MarkOrigin;
}

/**
 * Keeps machines of a pool ready: what the disk says is compared with the plan, again and again, and what is missing is
 * made, what is not as it should be is removed. It remembers nothing that the disk does not say, except its own work under way,
 * so one that was killed is followed by one that starts from there.
 */
export class PoolKeeper {
  readonly #store: MachineStore;
  readonly #plan: PoolPlan;
  readonly #work: PoolWork;
  readonly #tell: (event: PoolEvent) => void;
  readonly #deadlines: CreateDeadlines;
  readonly #backOff = new BackOff();
  /** Work under way, by name of the machine. */
  readonly #creating = new Map<string, Promise<void>>();
  readonly #removing = new Map<string, Promise<void>>();
  readonly #removalBackOffs = new Map<string, BackOff>();
  /** When a ready machine's Docker is asked next, and how often in a row it did not answer. */
  readonly #health = new Map<string, { dueMs: number; failures: number }>();
  /** What the last look saw; undefined before the first. */
  #known: Map<string, PoolMember['state']> | undefined;
  #isFull = false;

  constructor(
    store: MachineStore,
    plan: PoolPlan,
    work: PoolWork,
    tell: (event: PoolEvent) => void,
    deadlines = DEADLINES,
  ) {
    this.#store = store;
    this.#plan = plan;
    this.#work = work;
    this.#tell = tell;
    this.#deadlines = deadlines;
  }

  /** Keeps the pool until the signal is aborted and what was being created is undone. Ready machines stay. */
  async run(signal: AbortSignal): Promise<void> {
    // Every create and every question listens, so there may be many; each leaves again.
    setMaxListeners(0, signal);
    const trouble = new BackOff();
    while (!signal.aborted) {
      let pauseMs = LOOK_EVERY_MS;
      try {
        await this.#look(signal);
        trouble.succeed();
      } catch (error) {
        // The store cannot be read or written just now.
        pauseMs = trouble.fail(performance.now());
        this.#tell({ event: 'trouble', error, retrySeconds: pauseMs / 1000 });
      }
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
    await Promise.all([...this.#creating.values(), ...this.#removing.values()]);
  }

  async #look(signal: AbortSignal): Promise<void> {
    // Both of the same moment: what was being created then may be ready, and handed out, some lines further on.
    const members = listMembers(this.#store, this.#plan.pool);
    const underWay = new Set(this.#creating.keys());
    this.#tellChanges(members);
    const fixedMiB = this.#costOf(members.filter(({ name, state }) => state === 'taken' || underWay.has(name)));
    const { size, memoryLimitMiB, origin } = this.#plan;
    const most = Math.min(size, Math.floor((memoryLimitMiB - fixedMiB) / origin.costMiB));
    const good: string[] = [];
    for (const member of members) {
      const { name, state } = member;
      if (state === 'ready') {
        const fault = good.length < most ? await this.#faultOf(member) : 'there are more than there should be';
        if (fault === undefined) good.push(name);
        else this.#retire(name, fault);
      } else if (state !== 'taken' && !underWay.has(name)) this.#remove(name);
    }
    this.#askDue(good, signal);
    this.#createMissing(good.length + underWay.size, members, signal);
  }

  /** Why a ready machine cannot stay. */
  async #faultOf({ name, origin }: PoolMember): Promise<string | undefined> {
    if (origin?.key !== this.#plan.origin.key) return 'it was made with other options';
    if (!(await this.#work.isRunning(name))) return 'it does not run';
    return (this.#health.get(name)?.failures ?? 0) < FAILURES ? undefined : 'its Docker does not answer';
  }

  #costOf(members: readonly PoolMember[]): number {
    return members.reduce((sum, { origin }) => sum + (origin?.costMiB ?? this.#plan.origin.costMiB), 0);
  }

  #retire(name: string, reason: string): void {
    if (!moveMark(this.#store.folderOf(name), 'retired')) return;
    this.#known?.set(name, 'retired');
    this.#tell({ event: 'retired', machine: name, reason });
    this.#remove(name);
  }

  #askDue(names: readonly string[], signal: AbortSignal): void {
    for (const name of this.#health.keys()) if (!names.includes(name)) this.#health.delete(name);
    for (const name of names) {
      const health = this.#health.get(name) ?? { dueMs: 0, failures: 0 };
      this.#health.set(name, health);
      if (performance.now() < health.dueMs) continue;
      health.dueMs = Number.POSITIVE_INFINITY;
      void this.#work.answers(name, signal).then((isGood) => {
        health.failures = isGood ? 0 : health.failures + 1;
        health.dueMs = performance.now() + (isGood ? ASK_EVERY_MS : ASK_AGAIN_MS);
      });
    }
  }

  /** @param count ready ones, and those that will be */
  #createMissing(count: number, members: readonly PoolMember[], signal: AbortSignal): void {
    const { pool, size, parallel, memoryLimitMiB, origin } = this.#plan;
    // Machines that are being created or removed are among the members, as unfinished ones.
    let usedMiB = this.#costOf(members);
    for (let missing = size - count; missing > 0 && !signal.aborted; missing--) {
      const isFull = usedMiB + origin.costMiB > memoryLimitMiB;
      if (isFull && !this.#isFull) this.#tell({ event: 'full', memoryMb: usedMiB, memoryLimitMb: memoryLimitMiB });
      this.#isFull = isFull;
      // After a failure one attempt at a time shows whether it is mended.
      const most = this.#backOff.isFailing ? 1 : parallel;
      if (isFull || this.#creating.size >= most || !this.#backOff.isOver(performance.now())) return;
      const name = newMemberName(this.#store, pool);
      usedMiB += origin.costMiB;
      const creation = this.#create(name, signal).finally(() => this.#creating.delete(name));
      this.#creating.set(name, creation);
    }
    this.#isFull = false;
  }

  async #create(name: string, signal: AbortSignal): Promise<void> {
    const folder = this.#store.folderOf(name);
    const beganMs = performance.now();
    try {
      layUnfinished(this.#store, this.#plan.pool, name);
      this.#tell({ event: 'creating', machine: name });
      await this.#createInTime(name, signal);
      layMark(folder, this.#plan.origin);
      dropUnfinished(this.#store, this.#plan.pool, name);
      this.#backOff.succeed();
      const seconds = Math.round((performance.now() - beganMs) / 100) / 10;
      this.#tell({ event: 'ready', machine: name, seconds });
    } catch (error) {
      // What there is of it keeps its mark, by which the next look finds and removes it.
      if (madeNothing(error) || !this.#store.has(name)) dropUnfinished(this.#store, this.#plan.pool, name);
      if (!signal.aborted) {
        const retrySeconds = this.#backOff.fail(performance.now()) / 1000;
        this.#tell({ event: 'failed', machine: name, doing: 'create', error, retrySeconds });
      }
    }
  }

  async #createInTime(name: string, signal: AbortSignal): Promise<void> {
    const deadline = openDeadline(this.#deadlines.createMs, signal);
    let timer: NodeJS.Timeout | undefined;
    const neverUndone = new Promise<never>((_resolve, reject) => {
      deadline.signal.addEventListener('abort', () => {
        timer = setTimeout(() => reject(deadline.signal.reason), this.#deadlines.undoMs);
      });
    });
    try {
      await Promise.race([this.#work.create(name, deadline.signal), neverUndone]);
    } finally {
      clearTimeout(timer);
      deadline.clear();
    }
  }

  /** Begins to remove a machine, unless that is under way or has just failed. */
  #remove(name: string): void {
    const backOff = this.#removalBackOffs.get(name) ?? new BackOff();
    if (this.#removing.has(name) || !backOff.isOver(performance.now())) return;
    const removal = removeMember(this.#store, this.#plan.pool, name, this.#work.remove)
      .then(
        (wasThere) => {
          this.#removalBackOffs.delete(name);
          if (wasThere) this.#tell({ event: 'removed', machine: name });
        },
        (error: unknown) => {
          const retrySeconds = backOff.fail(performance.now()) / 1000;
          this.#removalBackOffs.set(name, backOff);
          this.#tell({ event: 'failed', machine: name, doing: 'remove', error, retrySeconds });
        },
      )
      .finally(() => this.#removing.delete(name));
    this.#removing.set(name, removal);
  }

  /** What others did since the last look, and at first what an earlier keeper has left. */
  #tellChanges(members: readonly PoolMember[]): void {
    const states = new Map(members.map(({ name, state }) => [name, state]));
    for (const [name, state] of states) {
      if (this.#known === undefined) {
        if (state === 'ready') this.#tell({ event: 'adopted', machine: name });
        if (state === 'ready' || state === 'taken') dropUnfinished(this.#store, this.#plan.pool, name);
      } else if (state === 'taken' && this.#known.get(name) !== 'taken') this.#tell({ event: 'taken', machine: name });
    }
    for (const [name, state] of this.#known ?? []) {
      const isOthers = state === 'taken' || state === 'ready';
      if (isOthers && !states.has(name)) this.#tell({ event: 'gone', machine: name });
    }
    this.#known = states;
  }
}
