import { type AskGuest, correctClock } from '../../../../driver/lifecycle/guest-clock';

/** A guest whose clock is behind, which takes its time to answer and to start `date`. */
class Guest {
  nowMs = 1_800_000_000_000;
  readonly settings: number[] = [];

  constructor(
    private behindMs: number,
    private readonly oneWayMs: number,
    private readonly dateTakesMs: readonly number[],
  ) {}

  get offMs(): number {
    return this.behindMs;
  }

  readonly ask: AskGuest = async (line) => {
    this.nowMs += this.oneWayMs;
    const answer = this.#carryOut(line);
    this.nowMs += this.oneWayMs;
    return answer;
  };

  #carryOut(line: string): string {
    const setTo = /^date -s @([\d.]+)/.exec(line)?.[1];
    if (setTo === undefined) return ((this.nowMs - this.behindMs) / 1000).toFixed(6);
    this.nowMs += this.dateTakesMs[this.settings.length] ?? 20;
    this.behindMs = this.nowMs - Number(setTo) * 1000;
    this.settings.push(this.behindMs);
    return '0';
  }
}

test.each([
  ['an hour behind', 3_600_000, 10, [40, 42, 39]],
  ['ahead', -7_000, 3, [15, 15]],
  ['far away', 86_400_000, 80, [120, 118, 121]],
])('a clock that is %s is right afterwards', async (_what, behindMs, oneWayMs, dateTakesMs) => {
  const guest = new Guest(behindMs, oneWayMs, dateTakesMs);
  const said = await correctClock(guest.ask, () => guest.nowMs);
  expect(Math.abs(guest.offMs)).toBeLessThanOrEqual(5);
  expect(said).toBeCloseTo(guest.offMs, 0);
  expect(guest.settings.length).toBeGreaterThan(0);
});

test('a clock that is right is left alone', async () => {
  const guest = new Guest(2, 5, []);
  await correctClock(guest.ask, () => guest.nowMs);
  expect(guest.settings).toEqual([]);
});

test('corrections end, also where `date` takes a different time each time', async () => {
  const guest = new Guest(60_000, 10, [50, 200, 10, 150, 30, 70]);
  await correctClock(guest.ask, () => guest.nowMs);
  expect(guest.settings.length).toBeLessThanOrEqual(4);
});

test.each([
  ['does not know the time', async () => 'sh: date: not found'],
  ['refuses it', async (line: string) => (line.startsWith('date') ? '1' : '0')],
])('a guest that %s is told of', async (_what, ask: AskGuest) => {
  await expect(correctClock(ask)).rejects.toThrow(/what time it is|status 1/);
});
