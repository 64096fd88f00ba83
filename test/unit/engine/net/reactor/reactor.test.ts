import { Reactor, type Watch } from '../../../../../engine/net/reactor/reactor';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import { EAGAIN, EPOLLHUP, EPOLLIN, EPOLLOUT, sockets } from '../../../../../native/sockets';
import { eventually } from '../fixtures/test-network';

const memory = allocatePinned(4096);
const opened: { close(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

function newReactor(): Reactor {
  const reactor = new Reactor();
  opened.push(reactor);
  return reactor;
}

function newPair(): readonly [number, number] {
  const pair = sockets.pair();
  for (const fd of pair) opened.push({ close: () => sockets.close(fd) });
  return pair;
}

const send = (fd: number, bytes = 1): number => sockets.send(fd, memory.address, bytes);
const receive = (fd: number, bytes = 4096): number => sockets.receive(fd, memory.address, bytes);

it('tells what happens on a descriptor, once for each edge', async () => {
  const reactor = newReactor();
  const [ours, theirs] = newPair();
  const seen: number[] = [];
  reactor.watch(ours, (events) => void seen.push(events));
  await eventually(() => seen.length === 1);
  expect(seen[0]! & (EPOLLIN | EPOLLOUT)).toBe(EPOLLOUT);
  send(theirs);
  await eventually(() => seen.length === 2);
  expect(seen[1]! & EPOLLIN).toBe(EPOLLIN);
  send(theirs);
  await eventually(() => seen.length === 3);
  sockets.endWriting(theirs);
  sockets.close(theirs);
  await eventually(() => (seen.at(-1)! & EPOLLHUP) !== 0);
});

it('runs a handler again that asks for it, and others in between', async () => {
  const reactor = newReactor();
  const [ours, theirs] = newPair();
  const [other, otherTheirs] = newPair();
  const log: string[] = [];
  send(theirs, 10);
  const watch = reactor.watch(ours, () => {
    if (receive(ours, 1) === -EAGAIN) return;
    log.push('a');
    if (log.length === 3) send(otherTheirs);
    watch.again();
    watch.again();
  });
  reactor.watch(other, () => {
    if (receive(other) > 0) log.push('b');
  });
  await eventually(() => log.length === 11);
  expect(log.join('')).toMatch(/^a{3,5}ba+$/);
});

it('forgets what is closed, even by another handler of the same turn', async () => {
  const reactor = newReactor();
  const pairs = Array.from({ length: 10 }, newPair);
  const runs: number[] = [];
  const watches: Watch[] = [];
  await new Promise<void>((resolve) => {
    for (const [index, [ours]] of pairs.entries()) {
      watches.push(
        reactor.watch(ours, () => {
          runs.push(index);
          for (const [which, watch] of watches.entries()) if (which !== index) watch.close();
          resolve();
        }),
      );
    }
  });
  for (const [, theirs] of pairs) send(theirs);
  await eventually(() => runs.length === 2);
  expect(new Set(runs).size).toBe(1);
});

it('does not mix up descriptors whose number is used again within a turn', async () => {
  const reactor = newReactor();
  const log: string[] = [];
  const first = sockets.pair();
  const second = sockets.pair();
  opened.push({ close: () => [first[1], second[1]].forEach(sockets.close) });
  const watches = new Map<number, Watch>();
  let reused: number | undefined;
  const replace = (mine: number, other: number): void => {
    if (reused !== undefined) return;
    // The other one, which has an event in this turn, too, goes; its number comes back at once.
    watches.get(other)!.close();
    sockets.close(other);
    reused = sockets.duplicate(mine);
    log.push(reused === other ? 'same number' : 'other number');
    const [fresh] = sockets.pair();
    opened.push({ close: () => sockets.close(fresh) });
    reactor.watch(reused, () => void log.push('new'));
    opened.push({ close: () => sockets.close(reused!) });
  };
  watches.set(
    first[0],
    reactor.watch(first[0], () => replace(first[0], second[0])),
  );
  watches.set(
    second[0],
    reactor.watch(second[0], () => replace(second[0], first[0])),
  );
  await eventually(() => log.length >= 2);
  expect(log).toEqual(['same number', 'new']);
});

it('stops at once when it is closed inside of a handler', async () => {
  const reactor = new Reactor();
  const pairs = Array.from({ length: 5 }, newPair);
  let runs = 0;
  const timer = reactor.timer(() => void runs++);
  const watches = pairs.map(([ours]) =>
    reactor.watch(ours, () => {
      runs++;
      timer.set(reactor.nowMs);
      reactor.close();
    }),
  );
  await eventually(() => runs > 0);
  for (const watch of watches) {
    watch.again();
    watch.close();
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(runs).toBe(1);
  reactor.close();
});

it('keeps time: timers fire in order, not early, and can be set by timers', async () => {
  const reactor = newReactor();
  const start = performance.now();
  const fired: [string, number][] = [];
  const note = (name: string): void => void fired.push([name, performance.now() - start]);
  const again = reactor.timer(() => note('again'));
  reactor.timer(() => note('late')).set(start + 60);
  reactor
    .timer(() => {
      note('early');
      again.set(start + 30);
    })
    .set(start + 10);
  const never = reactor.timer(() => note('never'));
  never.set(start + 20);
  never.clear();
  await eventually(() => fired.length === 3);
  expect(fired.map(([name]) => name)).toEqual(['early', 'again', 'late']);
  for (const [index, dueMs] of [10, 30, 60].entries()) expect(fired[index]![1]).toBeGreaterThanOrEqual(dueMs);
});

it('flushes at the end of every turn, also of those that begin outside', async () => {
  const reactor = newReactor();
  const log: string[] = [];
  const end = reactor.atTurnEnd(() => void log.push('flush'));
  const result = reactor.enter(() => {
    const now = reactor.nowMs;
    log.push('enter');
    reactor.enter(() => void log.push('inner'));
    expect(reactor.nowMs).toBe(now);
    return 7;
  });
  expect([result, log]).toEqual([7, ['enter', 'inner', 'flush']]);
  expect(() =>
    reactor.enter(() => {
      throw new Error('thrown');
    }),
  ).toThrow('thrown');
  expect(log).toHaveLength(4);
  end();
  reactor.enter(() => undefined);
  expect(log).toHaveLength(4);
});

it('runs a timer that was set within enter, and one that an enter sets earlier', async () => {
  const reactor = newReactor();
  const fired: string[] = [];
  reactor.timer(() => void fired.push('far')).set(reactor.nowMs + 60_000);
  const near = reactor.timer(() => void fired.push('near'));
  reactor.enter(() => near.set(reactor.nowMs + 5));
  await eventually(() => fired.length === 1);
  expect(fired).toEqual(['near']);
});

it('does nothing while nothing happens', async () => {
  const reactor = newReactor();
  let turns = 0;
  reactor.atTurnEnd(() => void turns++);
  const [ours, theirs] = newPair();
  reactor.watch(ours, () => void receive(ours));
  reactor.timer(() => undefined).set(reactor.nowMs + 60_000);
  send(theirs);
  await eventually(() => turns > 0);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const before = turns;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(turns).toBe(before);
});

it('gives the rest of the program its turn while a handler is never done', async () => {
  const reactor = newReactor();
  const [ours] = newPair();
  let runs = 0;
  const watch = reactor.watch(ours, () => {
    runs++;
    watch.again();
  });
  await eventually(() => runs > 0);
  const before = runs;
  await new Promise((resolve) => setTimeout(resolve, 1));
  expect(runs).toBeGreaterThan(before);
  watch.close();
});
