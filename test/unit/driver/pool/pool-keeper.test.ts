import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DriverError } from '../../../../driver/errors';
import { CreateRefused } from '../../../../driver/host/create-host';
import type { PoolEvent } from '../../../../driver/pool/pool-event';
import { type CreateDeadlines, PoolKeeper, type PoolPlan } from '../../../../driver/pool/pool-keeper';
import { layMark, moveMark, readMark } from '../../../../driver/pool/pool-mark';
import { layUnfinished, listMembers } from '../../../../driver/pool/pool-members';
import { holdPool, poolFolder } from '../../../../driver/pool/pool-record';
import { emptyPool } from '../../../../driver/pool/remove-member';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';
import { FakeMachines, storeAt } from './fake-machines';

const ORIGIN = { key: 'options', costMiB: 1000 };
const PLAN: PoolPlan = { pool: 'ci', size: 2, parallel: 4, memoryLimitMiB: 3500, origin: ORIGIN };

/** A keeper at work, and what it told. */
function keep(machines: FakeMachines, change: Partial<PoolPlan> = {}, deadlines?: CreateDeadlines) {
  const { store } = machines;
  mkdirSync(poolFolder(store.path, 'ci'), { recursive: true });
  const told: PoolEvent[] = [];
  const ending = new AbortController();
  const tell = (event: PoolEvent): void => void told.push(event);
  const done = new PoolKeeper(store, { ...PLAN, ...change }, machines, tell, deadlines).run(ending.signal);
  const keeper = {
    told,
    stop: async () => {
      ending.abort(new DriverError('HK_CLIENT_GONE', 'interrupted'));
      await done;
    },
    events: (event: PoolEvent['event']) => told.filter((one) => one.event === event),
    has: async (event: PoolEvent['event'], count = 1) =>
      await until(
        `${count} times ${event}`,
        () => keeper.events(event).length >= count,
        20_000,
        () => told,
      ),
  };
  keepers.push(keeper);
  return keeper;
}

const keepers: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const keeper of keepers.splice(0)) await keeper.stop();
});

const machinesOf = (): FakeMachines => new FakeMachines(storeAt(temporaryFolder()));
const inState = (machines: FakeMachines, state: string): readonly string[] =>
  listMembers(machines.store, 'ci')
    .filter((member) => member.state === state)
    .map(({ name }) => name);
const settles = (ms = 1200): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('what is kept ready', () => {
  test('as many as asked for, named after the pool, and no more', async () => {
    const machines = machinesOf();
    const keeper = keep(machines);
    await keeper.has('ready', 2);
    await settles();
    expect(machines.store.list()).toEqual([
      expect.stringMatching(/^ci-[0-9a-f]{6}$/),
      expect.stringMatching(/^ci-[0-9a-f]{6}$/),
    ]);
    expect(inState(machines, 'ready')).toHaveLength(2);
    expect(keeper.told.map(({ event }) => event).sort()).toEqual(['creating', 'creating', 'ready', 'ready']);
    expect(readdirSync(poolFolder(machines.store.path, 'ci'))).toEqual([]);
  });

  test('what is taken is made up for, until the limit; what is removed makes room', async () => {
    const machines = machinesOf();
    const keeper = keep(machines);
    await keeper.has('ready', 2);
    const [first = '', second = ''] = inState(machines, 'ready');
    moveMark(machines.store.folderOf(first), 'taken');
    await keeper.has('ready', 3);
    moveMark(machines.store.folderOf(second), 'taken');
    await keeper.has('full');
    await settles();
    expect([inState(machines, 'taken').length, inState(machines, 'ready').length]).toEqual([2, 1]);
    expect(keeper.events('full')).toEqual([{ event: 'full', memoryMb: 3000, memoryLimitMb: 3500 }]);
    await machines.remove(first);
    await keeper.has('ready', 4);
    expect(keeper.events('gone')).toEqual([{ event: 'gone', machine: first }]);
    expect(machines.mostMachines).toBe(3);
  });

  test('at most so many are made at the same time', async () => {
    const machines = machinesOf();
    machines.onCreate = async () => await settles(50);
    const keeper = keep(machines, { size: 7, parallel: 3, memoryLimitMiB: 100_000 });
    await keeper.has('ready', 7);
    expect(machines.mostUnderWay).toBe(3);
    expect(machines.mostMachines).toBe(7);
  });

  test('the limit also holds while several are made and removed at once', async () => {
    const machines = machinesOf();
    machines.onCreate = async () => await settles(30);
    machines.onRemove = async () => await settles(700);
    const keeper = keep(machines, { size: 5, memoryLimitMiB: 3999 });
    await keeper.has('ready', 3);
    for (const name of inState(machines, 'ready')) machines.off.add(name);
    await keeper.has('ready', 6);
    expect(machines.mostMachines).toBe(3);
  });
});

describe('what is not as it should be', () => {
  test.each([
    { what: 'off', reason: 'it does not run' },
    { what: 'silent', reason: 'its Docker does not answer' },
  ] as const)('a machine that is $what is replaced', async ({ what, reason }) => {
    const machines = machinesOf();
    const keeper = keep(machines);
    await keeper.has('ready', 2);
    const [bad = ''] = inState(machines, 'ready');
    machines[what].add(bad);
    // Machines that are taken over are asked at once.
    await keeper.stop();
    const next = keep(machines);
    await next.has('ready');
    await until('it is gone', () => !machines.store.has(bad));
    expect(next.events('retired')).toEqual([{ event: 'retired', machine: bad, reason }]);
    expect(inState(machines, 'ready')).toHaveLength(2);
  });

  test('one that was taken is left alone, whatever becomes of it', async () => {
    const machines = machinesOf();
    const keeper = keep(machines);
    await keeper.has('ready', 2);
    const [mine = ''] = inState(machines, 'ready');
    moveMark(machines.store.folderOf(mine), 'taken');
    machines.off.add(mine);
    await keeper.has('ready', 3);
    await settles();
    expect(machines.store.has(mine)).toBe(true);
    expect(keeper.events('retired')).toEqual([]);
  });

  test('a create that fails is cleared away and tried again, later each time, one at a time', async () => {
    const machines = machinesOf();
    machines.onCreate = async (name) => {
      machines.put(name);
      throw new DriverError('HK_SSH_UNREACHABLE', 'it does not answer');
    };
    const keeper = keep(machines, { size: 1 });
    await keeper.has('failed', 2);
    expect(keeper.events('failed')).toMatchObject([{ retrySeconds: 1 }, { retrySeconds: 2 }]);
    machines.onCreate = undefined;
    await keeper.has('ready');
    await until('the failed ones are gone', () => machines.store.list().length === 1);
    expect(readdirSync(poolFolder(machines.store.path, 'ci'))).toEqual([]);
  });

  test('a create that hangs is ended, at last without its help, and its memory returned', async () => {
    const machines = machinesOf();
    machines.onCreate = async (name) => {
      machines.put(name);
      await new Promise(() => undefined);
    };
    const only = { size: 1, memoryLimitMiB: 1000 };
    const keeper = keep(machines, only, { createMs: 300, undoMs: 300 });
    await keeper.has('failed');
    expect(keeper.events('failed')).toMatchObject([{ doing: 'create', error: { message: 'no answer within 0.3 s' } }]);
    machines.onCreate = undefined;
    await keeper.has('ready');
    expect([machines.mostMachines, machines.store.list().length]).toEqual([1, 1]);
    expect(readdirSync(poolFolder(machines.store.path, 'ci'))).toEqual([]);
  });

  test('of a create that was refused nothing is removed: the name may be another machine', async () => {
    const machines = machinesOf();
    let name = '';
    machines.onCreate = async (refused) => {
      name = refused;
      machines.put(name);
      throw new CreateRefused(new DriverError('HK_MACHINE_EXISTS', 'it already exists'));
    };
    const keeper = keep(machines, { size: 1 });
    await keeper.has('failed');
    machines.onCreate = undefined;
    await keeper.has('ready');
    expect(machines.store.has(name)).toBe(true);
  });

  test('a store that cannot be read for a while is looked at again', async () => {
    const machines = machinesOf();
    const keeper = keep(machines, { size: 1 });
    await keeper.has('ready');
    const folder = path.join(machines.store.path, 'machines');
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, '');
    await keeper.has('trouble');
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
    machines.off.add(inState(machines, 'ready')[0] ?? '');
    await keeper.has('ready', 2);
  });

  test('a removal that fails is tried again, and counts meanwhile', async () => {
    const machines = machinesOf();
    let failures = 1;
    machines.onRemove = async () => {
      if (failures-- > 0) throw new Error('the process does not go');
    };
    const keeper = keep(machines, { size: 1, memoryLimitMiB: 1000 });
    await keeper.has('ready');
    machines.off.add(inState(machines, 'ready')[0] ?? '');
    await keeper.has('failed');
    expect(keeper.events('failed')).toMatchObject([{ doing: 'remove', retrySeconds: 1 }]);
    await keeper.has('ready', 2);
    expect(machines.mostMachines).toBe(1);
  });
});

describe('one keeper after the other', () => {
  test('ready machines are taken over; of what was left in the middle nothing stays', async () => {
    const machines = machinesOf();
    mkdirSync(poolFolder(machines.store.path, 'ci'), { recursive: true });
    for (const name of ['ci-aaaaaa', 'ci-bbbbbb', 'ci-cccccc', 'ci-dddddd', 'ci-eeeeee']) machines.put(name);
    const folderOf = (name: string): string => machines.store.folderOf(name);
    layMark(folderOf('ci-aaaaaa'), ORIGIN);
    // Killed between the mark and dropping what it had laid down, then handed out.
    layUnfinished(machines.store, 'ci', 'ci-bbbbbb');
    layMark(folderOf('ci-bbbbbb'), ORIGIN);
    moveMark(folderOf('ci-bbbbbb'), 'taken');
    layUnfinished(machines.store, 'ci', 'ci-cccccc');
    layMark(folderOf('ci-dddddd'), ORIGIN);
    moveMark(folderOf('ci-dddddd'), 'retired');
    layUnfinished(machines.store, 'ci', 'ci-ffffff');
    const keeper = keep(machines);
    await keeper.has('ready');
    await keeper.has('removed', 2);
    expect(keeper.events('adopted')).toEqual([{ event: 'adopted', machine: 'ci-aaaaaa' }]);
    const [made] = keeper.events('ready') as { machine: string }[];
    // ci-eeeeee is somebody's machine: it was never marked.
    expect([...machines.store.list()].sort()).toEqual(
      ['ci-aaaaaa', 'ci-bbbbbb', 'ci-eeeeee', made?.machine ?? ''].sort(),
    );
    expect(readdirSync(poolFolder(machines.store.path, 'ci'))).toEqual([]);
  });

  test('machines of other options are replaced, surplus ones removed', async () => {
    const machines = machinesOf();
    const first = keep(machines);
    await first.has('ready', 2);
    const before = inState(machines, 'ready');
    await first.stop();
    const second = keep(machines, { origin: { key: 'others', costMiB: 1500 }, size: 1 });
    await second.has('removed', 2);
    await second.has('ready');
    expect(second.events('retired').map((event) => 'reason' in event && event.reason)).toEqual(
      before.map(() => 'it was made with other options'),
    );
    await second.stop();
    const third = keep(machines, { origin: { key: 'others', costMiB: 1500 }, size: 2 });
    await third.has('ready');
    await third.stop();
    const fourth = keep(machines, { origin: { key: 'others', costMiB: 1500 }, size: 1 });
    await fourth.has('retired');
    await until('one is left', () => machines.store.list().length === 1);
    await fourth.stop();
    moveMark(machines.store.folderOf(machines.store.list()[0] ?? ''), 'taken');
    const fifth = keep(machines, { origin: { key: 'others', costMiB: 1500 }, memoryLimitMiB: 4500 });
    await fifth.has('ready', 2);
    await fifth.stop();
    // A lower limit holds from the start.
    const sixth = keep(machines, { origin: { key: 'others', costMiB: 1500 }, memoryLimitMiB: 3000 });
    await sixth.has('removed');
    await settles();
    expect([inState(machines, 'taken').length, inState(machines, 'ready').length]).toEqual([1, 1]);
    expect(fourth.events('retired')).toMatchObject([{ reason: 'there are more than there should be' }]);
  });
});

describe('the end', () => {
  test('what is being created is undone, what is ready stays until the pool is emptied, what is taken stays', async () => {
    const machines = machinesOf();
    const keeper = keep(machines);
    await keeper.has('ready', 2);
    const [mine = ''] = inState(machines, 'ready');
    machines.onCreate = async (_name, signal) =>
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    moveMark(machines.store.folderOf(mine), 'taken');
    await keeper.has('creating', 3);
    await keeper.stop();
    expect(machines.store.list()).toHaveLength(2);
    expect(keeper.events('failed')).toEqual([]);
    const removed: string[] = [];
    await emptyPool(machines.store, 'ci', machines.remove, (name) => removed.push(name));
    expect(machines.store.list()).toEqual([mine]);
    expect(removed).toHaveLength(1);
    expect(readdirSync(poolFolder(machines.store.path, 'ci'))).toEqual([]);
    expect(readMark(machines.store.folderOf(mine))).toMatchObject({ state: 'taken', origin: ORIGIN });
  });

  test('a machine that cannot be removed keeps no other', async () => {
    const machines = machinesOf();
    const keeper = keep(machines);
    await keeper.has('ready', 2);
    await keeper.stop();
    const [stuck = '', other = ''] = inState(machines, 'ready');
    machines.onRemove = async (name) => {
      if (name === stuck) throw new Error('it does not go');
    };
    await expect(emptyPool(machines.store, 'ci', machines.remove, () => undefined)).rejects.toThrow('it does not go');
    expect([machines.store.has(stuck), machines.store.has(other)]).toEqual([true, false]);
    expect(listMembers(machines.store, 'ci')).toMatchObject([{ name: stuck, state: 'retired' }]);
  });

  test('a pool is held by one, and its folder goes with it', async () => {
    const { store } = machinesOf();
    const held = await holdPool(store.path, 'ci', 'test');
    await expect(holdPool(store.path, 'ci', 'test')).rejects.toMatchObject({
      code: 'HK_POOL_BUSY',
      message: expect.stringContaining(`process ${process.pid} keeps it`),
    });
    await held.release(true);
    expect(existsSync(poolFolder(store.path, 'ci'))).toBe(false);
    await (await holdPool(store.path, 'ci', 'test')).release(true);
  });
});
