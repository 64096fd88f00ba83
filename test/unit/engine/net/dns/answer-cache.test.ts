import type { Answer } from '../../../../../engine/net/dns/answer';
import { AnswerCache } from '../../../../../engine/net/dns/answer-cache';

const answer = (lifetimeS: number, bytes = 100): Answer => ({
  message: Buffer.alloc(bytes),
  rcode: 0,
  truncated: false,
  lifetimeS,
  ttlOffsets: [],
});

it('forgets the entry that was not used for longest', () => {
  const cache = new AnswerCache(() => 0);
  for (let index = 0; index < 1024; index++) cache.set(`k${index}`, answer(60));
  expect(cache.get('k0')).toBeDefined();
  cache.set('new', answer(60));
  expect(cache.size).toBe(1024);
  expect(cache.get('k0')).toBeDefined();
  expect(cache.get('k1')).toBeUndefined();
});

it('keeps four megabytes at most', () => {
  const cache = new AnswerCache(() => 0);
  for (let index = 0; index < 1000; index++) cache.set(`k${index}`, answer(60, 60_000));
  expect(cache.size).toBe(Math.floor((4 * 1024 * 1024) / 60_000));
  cache.set('k999', answer(60, 100));
  expect(cache.get('k999')?.answer.message.length).toBe(100);
});

it('keeps nothing longer than it holds', () => {
  let nowMs = 0;
  const cache = new AnswerCache(() => nowMs);
  cache.set('never', answer(0));
  cache.set('minute', answer(60));
  nowMs = 59_999;
  expect(cache.get('minute')).toMatchObject({ ageS: 59 });
  nowMs = 60_000;
  expect(cache.get('minute')).toBeUndefined();
  expect(cache.size).toBe(0);
});
