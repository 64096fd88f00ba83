import fc from 'fast-check';
import { nextAlarm, readCalendar, toMilliseconds } from '../../../../../engine/vmm/platform/calendar';
import { CmosRtc } from '../../../../../engine/vmm/platform/cmos';
import { FakeLines, perform, randomAccesses } from './fakes';

const GIB = 2 ** 30;

function build(iso: string, options: { local?: boolean; low?: number; high?: number } = {}) {
  const time = { now: Date.parse(iso) };
  const lines = new FakeLines();
  const calls = { alarmChanged: 0 };
  const rtc = new CmosRtc(new SharedArrayBuffer(CmosRtc.STATE_BYTES), {
    lines,
    clock: () => time.now,
    local: options.local ?? false,
    lowMemoryBytes: options.low ?? GIB,
    highMemoryBytes: options.high ?? 0,
    alarmChanged: () => calls.alarmChanged++,
  });
  rtc.reset();
  const get = (index: number): number => {
    rtc.write(0, 1, index);
    return rtc.read(1, 1);
  };
  const set = (index: number, value: number): void => {
    rtc.write(0, 1, index);
    rtc.write(1, 1, value);
  };
  return { rtc, time, lines, calls, get, set };
}

const bcd = (value: number): number => (value >> 4) * 10 + (value & 15);

/** As Linux's mc146818_get_time reads. */
function readTime(get: (index: number) => number): string {
  for (;;) {
    if ((get(0x0a) & 0x80) !== 0) throw new Error('an update is in progress');
    const second = get(0);
    const fields = [0x32, 9, 8, 7, 4, 2].map(get).map(bcd);
    if ((get(0x0a) & 0x80) !== 0 || get(0) !== second) continue;
    return [...fields, bcd(second)].map((field) => String(field).padStart(2, '0')).join(' ');
  }
}

it("shows the host's time in BCD, 24 hours", () => {
  const { get } = build('2026-11-22T23:05:59.123Z');
  expect(get(0x0b) & 0x86).toBe(0x02);
  expect(readTime(get)).toBe('20 26 11 22 23 05 59');
  expect(get(6)).toBe(1);
  expect(get(0x0d)).toBe(0x80);
});

it('goes on with the host, and says "update in progress" in the last millisecond of a second only', () => {
  const { get, time } = build('2026-12-31T23:59:59.000Z');
  const inProgress: number[] = [];
  for (let millisecond = 0; millisecond < 2000; millisecond++) {
    if ((get(0x0a) & 0x80) !== 0) inProgress.push(millisecond);
    time.now++;
  }
  expect(inProgress).toEqual([999, 1999]);
  expect(readTime(get)).toBe('20 27 01 01 00 00 01');
});

it('keeps local time where the board says so', () => {
  const { get } = build('2026-07-01T12:00:00Z', { local: true });
  const offset = new Date('2026-07-01T12:00:00Z').getTimezoneOffset();
  const local = new Date(Date.parse('2026-07-01T12:00:00Z') - offset * 60_000);
  expect(readTime(get)).toBe(`20 26 07 ${local.toISOString().slice(8, 19).replaceAll(/[T:]/g, ' ')}`);
});

it('is set by a guest, in any of its four formats, and then runs on from there', () => {
  for (const mode of [0x02, 0x00, 0x06, 0x04]) {
    const { get, set, time } = build('2026-11-22T23:05:59Z');
    const binary = (mode & 4) !== 0;
    const code = (value: number): number => (binary ? value : Math.floor(value / 10) * 16 + (value % 10));
    set(0x0b, 0x80 | mode);
    set(0x0a, 0x70);
    const before = [0, 2].map(get);
    time.now += 5000;
    expect([0, 2].map(get)).toEqual(before);
    const hour = (mode & 2) !== 0 ? code(21) : code(9) | 0x80;
    for (const [index, value] of [
      [9, code(31)],
      [8, code(2)],
      [7, code(28)],
      [4, hour],
      [2, code(58)],
      [0, code(7)],
      [0x32, code(20)],
    ] as const) {
      set(index, value);
    }
    set(0x0b, mode);
    set(0x0a, 0x26);
    expect(get(4)).toBe(hour);
    set(0x0b, 0x02);
    time.now += 3 * 3_600_000;
    expect(readTime(get)).toBe('20 31 03 01 00 58 07');
  }
});

it('changes one field of a running clock', () => {
  const { get, set } = build('2026-11-22T23:05:59Z');
  set(2, 0x30);
  expect(readTime(get)).toBe('20 26 11 22 23 30 59');
});

it('tells how much memory there is, as a BIOS does', () => {
  const small = build('2026-01-01T00:00:00Z', { low: 512 * 2 ** 20 });
  const word = (get: (index: number) => number, index: number) => get(index) | (get(index + 1) << 8);
  expect(word(small.get, 0x15)).toBe(640);
  expect(word(small.get, 0x17)).toBe(0xffff);
  expect(word(small.get, 0x34)).toBe((512 - 16) * 16);
  const large = build('2026-01-01T00:00:00Z', { low: 3 * GIB, high: 5 * GIB });
  expect(word(large.get, 0x34)).toBe((3072 - 16) * 16);
  expect(word(large.get, 0x5b) | (large.get(0x5d) << 16)).toBe(5 * 1024 * 16);
});

it('keeps what is written to its memory, and no more than 128 bytes of it', () => {
  const { get, set } = build('2026-01-01T00:00:00Z');
  set(0x40, 0x5a);
  expect(get(0x40)).toBe(0x5a);
  expect(get(0xc0)).toBe(0x5a);
});

it('interrupts once a second when asked to, until register C is read', () => {
  const { rtc, get, set, time, lines, calls } = build('2026-01-01T00:00:00.250Z');
  get(0x0c);
  set(0x0b, 0x12);
  expect(calls.alarmChanged).toBe(1);
  expect(rtc.tick()).toBe(750);
  expect(lines.isOn(8)).toBe(false);
  time.now += 750;
  expect(rtc.tick()).toBe(1000);
  expect(lines.isOn(8)).toBe(true);
  expect(get(0x0c) & 0xb0).toBe(0x90);
  expect(lines.isOn(8)).toBe(false);
  expect(get(0x0c)).toBe(0);
  set(0x0b, 0x02);
  expect(rtc.tick()).toBeUndefined();
});

it('interrupts at the rate that register A says, whether the time is being set or not', () => {
  const { rtc, get, set, time, lines, calls } = build('2026-01-01T00:00:00.000Z');
  // 64 Hz: every 15.625 ms.
  set(0x0a, 0x2a);
  set(0x0b, 0xc2);
  expect(calls.alarmChanged).toBe(1);
  expect(rtc.tick()).toBe(15.625);
  time.now += 15;
  expect(rtc.tick()).toBeCloseTo(0.625);
  expect(lines.isOn(8)).toBe(false);
  time.now += 1;
  rtc.tick();
  expect(lines.isOn(8)).toBe(true);
  expect(get(0x0c)).toBe(0xc0);
  expect(lines.isOn(8)).toBe(false);
  // A faster rate is told, and its flag is there without the interrupt, too.
  set(0x0a, 0x21);
  expect(calls.alarmChanged).toBe(2);
  set(0x0b, 0x02);
  time.now += 4;
  expect(get(0x0c)).toBe(0x40);
});

it('knows every rate of the periodic interrupt', () => {
  const { rtc, set } = build('2026-01-01T00:00:00Z');
  set(0x0b, 0x42);
  const hertz = [256, 128, ...Array.from({ length: 13 }, (_, index) => 8192 >> index)];
  for (const [index, rate] of hertz.entries()) {
    set(0x0a, 0x20 | (index + 1));
    expect(rtc.tick()).toBe(1000 / rate);
  }
  // Rate 0 is none.
  set(0x0a, 0x20);
  expect(rtc.tick()).toBeUndefined();
});

it('wakes by an alarm', () => {
  const { rtc, get, set, time, lines } = build('2026-01-01T23:59:30.500Z');
  set(5, 0x00);
  set(3, 0x01);
  set(1, 0x05);
  set(0x0b, 0x22);
  expect(rtc.tick()).toBe(94_500);
  time.now += 94_499;
  rtc.tick();
  expect(lines.isOn(8)).toBe(false);
  time.now += 1;
  rtc.tick();
  expect(lines.isOn(8)).toBe(true);
  expect(get(0x0c) & 0xa0).toBe(0xa0);
  expect(rtc.tick()).toBe(86_400_000);
  // "Any" in all three parts: every second.
  for (const index of [1, 3, 5]) set(index, 0xff);
  expect(rtc.tick()).toBe(1000);
  // An alarm that no clock shows never comes.
  set(5, 0x31);
  expect(rtc.tick()).toBeUndefined();
});

it('finds the same next alarm as looking at every second', () => {
  const maybe = (most: number) => fc.option(fc.nat(most), { nil: undefined });
  fc.assert(
    fc.property(
      fc.integer({ min: -(10 ** 10), max: 10 ** 13 }),
      maybe(23),
      maybe(59),
      maybe(59),
      (after, hour, minute, second) => {
        const found = nextAlarm(after, hour, minute, second) ?? Number.NaN;
        const shown = readCalendar(found);
        expect(found).toBeGreaterThan(after);
        expect(found % 1000 === 0).toBe(true);
        expect([hour ?? shown.hour, minute ?? shown.minute, second ?? shown.second]).toEqual([
          shown.hour,
          shown.minute,
          shown.second,
        ]);
        // Not a period later than it must be.
        const period =
          hour !== undefined ? 86_400_000 : minute !== undefined ? 3_600_000 : second !== undefined ? 60_000 : 1000;
        expect(found - after).toBeLessThanOrEqual(period);
      },
    ),
  );
});

it('reads calendars both ways', () => {
  fc.assert(
    fc.property(fc.integer({ min: -60_000_000_000, max: 200_000_000_000 }), (seconds) => {
      expect(toMilliseconds(readCalendar(seconds * 1000))).toBe(seconds * 1000);
    }),
  );
});

it('stands whatever a guest does to it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1 }), (seed) => {
      const { rtc, time, lines, get } = build('2026-11-22T23:05:59Z');
      let step = 0;
      for (const access of randomAccesses(seed, 2500, 2)) {
        perform(rtc, access);
        time.now += step++ % 300;
        if (step % 100 !== 0) continue;
        const due = rtc.tick();
        if (due !== undefined) {
          expect(due).toBeGreaterThan(0);
          expect(due).toBeLessThanOrEqual(86_400_000);
        }
        expect((get(0x0c) & 0x80) !== 0 || !lines.isOn(8)).toBe(true);
      }
    }),
    { numRuns: 40 },
  );
});
