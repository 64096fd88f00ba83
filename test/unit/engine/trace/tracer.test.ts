import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { ChromeTrace } from '../../../../engine/trace/chrome-trace';
import { PROBE } from '../../../../engine/trace/probes';
import { allocateTraceRing, TraceReader, TraceWriter } from '../../../../engine/trace/trace-ring';
import { Tracer } from '../../../../engine/trace/tracer';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'hk-trace-'));
  file = path.join(folder, 'trace.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** As viewers read it, which takes a missing end for granted. */
function readTrace(): readonly Record<string, unknown>[] {
  return JSON.parse(`${readFileSync(file, 'utf8').trimEnd().replace(/,$/, '')}]`);
}

test('records of a thread reach the channel, the counters and the file', () => {
  const heard: unknown[] = [];
  const listen = (message: unknown): void => void heard.push(message);
  subscribe('hyperkit:block-preadv', listen);
  const tracer = new Tracer(file);
  const writer = new TraceWriter(tracer.addThread('disks'));
  const before = Date.now();
  writer.record(PROBE['block-preadv'], 4096, 512);
  writer.record(PROBE['block-preadv-done'], 4096, 512);
  let exits = 1;
  tracer.addCounters('vcpu0 exits', () => ({ io: exits }));
  tracer.collect();
  tracer.collect();
  exits = 2;
  tracer.close();
  unsubscribe('hyperkit:block-preadv', listen);

  expect(heard).toEqual([{ atMs: expect.any(Number), offset: 4096, bytes: 512 }]);
  expect(Math.abs((heard[0] as { atMs: number }).atMs - before)).toBeLessThan(10_000);
  expect(tracer.counts()).toEqual({ 'block-preadv': 1, 'block-preadv-done': 1 });
  expect(readTrace()).toEqual([
    expect.objectContaining({ ph: 'M', args: { name: 'disks' }, tid: 1 }),
    expect.objectContaining({ name: 'block-preadv', ph: 'i', tid: 1, args: { offset: 4096, bytes: 512 } }),
    expect.objectContaining({ name: 'block-preadv-done', args: { offset: 4096, result: 512 } }),
    expect.objectContaining({ name: 'vcpu0 exits', ph: 'C', args: { io: 1 } }),
    expect.objectContaining({ name: 'vcpu0 exits', ph: 'C', args: { io: 2 } }),
    expect.objectContaining({ name: 'probes', ph: 'C' }),
  ]);
});

test('without a file and without listeners it only counts', () => {
  const tracer = new Tracer();
  const writer = new TraceWriter(tracer.addThread('cpu'));
  for (let index = 0; index < 3; index++) writer.record(PROBE['vmx-exit'], 0, 2);
  // What no probe has as its number is passed over.
  writer.record(99, 0);
  tracer.close();
  expect(tracer.counts()).toEqual({ 'vmx-exit': 3 });
});

test('nothing is traced unless it is asked for', () => {
  expect(Tracer.fromEnvironment({})).toBeUndefined();
  expect(Tracer.fromEnvironment({ HYPERKIT_TRACE: '' })).toBeUndefined();
});

test('the file ends where its room does, and stays readable', () => {
  const trace = new ChromeTrace(file, 1000);
  for (let index = 0; index < 1000; index++) {
    trace.write({ name: 'x', ph: 'i', ts: index, pid: 1, tid: 1, args: { index } });
  }
  trace.close();
  expect(statSync(file).size).toBeLessThanOrEqual(1000);
  expect(readTrace().length).toBeGreaterThan(5);
});

describe('the ring', () => {
  test('gives back what was written, in order, and counts what found no room', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9000), { maxLength: 6 }), (bursts) => {
        const ring = allocateTraceRing();
        const writer = new TraceWriter(ring);
        const reader = new TraceReader(ring);
        let next = 0;
        let lost = 0;
        for (const burst of bursts) {
          const expected: number[] = [];
          for (let index = 0; index < burst; index++, next++) {
            writer.record(PROBE['vmx-exit'], next);
            if (index < 8192) expected.push(next);
            else lost++;
          }
          const got: number[] = [];
          reader.drain(({ values }) => got.push(values[0]));
          expect(got).toEqual(expected);
          expect(reader.lost).toBe(lost);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('is the same in another thread', async () => {
    const ring = allocateTraceRing();
    const writes = `
      const words = new Int32Array(require('node:worker_threads').workerData, 0, 4);
      const records = new Float64Array(require('node:worker_threads').workerData, 16);
      records.set([performance.timeOrigin + performance.now(), 0, 7, 8, 9]);
      Atomics.store(words, 0, 1);`;
    await new Promise((resolve) => new Worker(writes, { eval: true, workerData: ring }).once('exit', resolve));
    const got: unknown[] = [];
    new TraceReader(ring).drain((record) => got.push(record));
    expect(got).toEqual([{ atMs: expect.any(Number), probe: 0, values: [7, 8, 9] }]);
  });
});
