import { VirtioRng } from '../../../../../../engine/vmm/virtio/rng/virtio-rng';
import { Virtqueue } from '../../../../../../engine/vmm/virtio/virtqueue';
import { DriverRing, fakeMemory } from '../driver-ring';

/** A clock and timers by hand. */
class FakeReactor {
  nowMs = 1000;
  dueMs: number | undefined;
  #action: (() => void) | undefined;

  timer(action: () => void) {
    this.#action = action;
    const isPending = () => this.dueMs !== undefined;
    return {
      set: (dueMs: number) => {
        this.dueMs = dueMs;
      },
      clear: () => {
        this.dueMs = undefined;
      },
      get pending() {
        return isPending();
      },
    };
  }

  /** Until the timer. */
  pass(): void {
    this.nowMs = this.dueMs!;
    this.dueMs = undefined;
    this.#action!();
  }
}

function newRng() {
  const reactor = new FakeReactor();
  const rng = new VirtioRng(reactor);
  const driver = new DriverRing(fakeMemory(0x100_0000), { size: 64, bytes: 0xf0_0000 });
  const queue = new Virtqueue(driver.memory, driver.layout, () => undefined, {
    fail: (fault) => {
      throw fault;
    },
    again: () => rng.notified(),
  });
  rng.activate([queue]);
  return { reactor, rng, driver };
}

it('fills requests with random bytes', () => {
  const { rng, driver } = newRng();
  driver.add([], [100, 4000]);
  driver.add([], [64]);
  driver.add([Uint8Array.of(1)], []);
  rng.notified();
  const [large, small, none] = driver.collect();
  expect([large!.written, small!.written, none!.written]).toEqual([4100, 64, 0]);
  expect(new Set(large!.bytes).size).toBeGreaterThan(200);
  expect(large!.bytes.subarray(0, 64)).not.toEqual(small!.bytes);
});

it('fills 64 KiB of a request at most', () => {
  const { rng, driver } = newRng();
  driver.add([], [0x2_0000]);
  rng.notified();
  const { written, bytes } = driver.collect()[0]!;
  expect(written).toBe(0x1_0000);
  expect(bytes.subarray(0x1_0000).every((byte) => byte === 0xee)).toBe(true);
});

it('gives a MiB a second, and sleeps in between', () => {
  const { rng, reactor, driver } = newRng();
  let bytes = 0;
  for (let request = 0; request < 60; request++) driver.add([], [0x1_0000]);
  rng.notified();
  const begin = reactor.nowMs;
  for (;;) {
    for (const { written } of driver.collect()) bytes += written;
    if (driver.underWay === 0) break;
    // Kicks meanwhile change nothing.
    rng.notified();
    reactor.pass();
  }
  expect(bytes).toBe(60 * 0x1_0000);
  const seconds = (reactor.nowMs - begin) / 1000;
  expect((bytes - 0x1_0000) / seconds / 0x10_0000).toBeGreaterThan(0.9);
  expect((bytes - 0x1_0000) / seconds / 0x10_0000).toBeLessThanOrEqual(1);
});

it('gives nothing after it lost its queue', () => {
  const { rng, reactor, driver } = newRng();
  for (let request = 0; request < 3; request++) driver.add([], [0x1_0000]);
  rng.notified();
  expect(reactor.dueMs).toBeDefined();
  rng.deactivate();
  expect(reactor.dueMs).toBeUndefined();
  rng.notified();
  expect(driver.collect()).toHaveLength(1);
});
