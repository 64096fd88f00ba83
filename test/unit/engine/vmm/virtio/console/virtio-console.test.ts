import fc from 'fast-check';
import { VirtioConsole } from '../../../../../../engine/vmm/virtio/console/virtio-console';
import { Virtqueue } from '../../../../../../engine/vmm/virtio/virtqueue';
import { DriverRing, fakeMemory } from '../driver-ring';

function newConsole({ eventIndex = false } = {}) {
  const seen = { output: '', wanted: 0, interrupts: 0, again: 0 };
  const device = new VirtioConsole();
  device.connect({
    write: (bytes) => {
      seen.output += Buffer.from(bytes).toString('latin1');
    },
    inputWanted: () => void seen.wanted++,
  });
  const memory = fakeMemory(0x80_0000);
  const [receive, transmit] = [0x1000, 0x40_0000].map(
    (base) => new DriverRing(memory, { base, bytes: 0x30_0000, size: 64, eventIndex }),
  ) as [DriverRing, DriverRing];
  const queues = [receive, transmit].map(
    ({ layout }) =>
      new Virtqueue(memory, layout, () => void seen.interrupts++, {
        fail: (fault) => {
          throw fault;
        },
        again: () => void seen.again++,
      }),
  );
  const type = (text: string) => device.type(Buffer.from(text, 'latin1'));
  return { seen, device, receive, transmit, type, start: () => device.activate(queues) };
}

it('passes output on', () => {
  const { seen, device, transmit, start } = newConsole();
  start();
  transmit.add([Buffer.from('hello '), Buffer.from('wor')], []);
  transmit.add([Buffer.from('ld')], []);
  device.notified(1);
  expect(seen.output).toBe('hello world');
  expect(transmit.collect()).toHaveLength(2);
});

it('does not let much output keep others waiting', () => {
  const { seen, device, transmit, start } = newConsole();
  start();
  for (let chain = 0; chain < 64; chain++) transmit.add([Buffer.from('x')], []);
  device.notified(1);
  expect(seen.again).toBe(1);
  expect(seen.output).toHaveLength(64);
});

it('takes a MiB at once for the fault of the driver', () => {
  const { device, transmit, start } = newConsole();
  start();
  transmit.add([new Uint8Array(0x10_0001)], []);
  expect(() => device.notified(1)).toThrow(/1048577 bytes at once/);
});

describe.each([false, true])('input (EVENT_IDX %s)', (eventIndex) => {
  it('waits for a driver, and for buffers', () => {
    const { seen, device, receive, type, start } = newConsole({ eventIndex });
    expect(type('a')).toBe(0);
    start();
    device.notified(0);
    expect(seen.wanted).toBe(1);
    receive.add([], [4]);
    expect(type('abcdef')).toBe(4);
    expect(seen.interrupts).toBe(1);
    receive.add([], [4]);
    expect(receive.needsKick()).toBe(true);
    device.notified(0);
    expect(seen.wanted).toBe(2);
    expect(type('ef')).toBe(2);
    expect(receive.collect().map(({ written, bytes }) => Buffer.from(bytes.subarray(0, written)).toString())).toEqual([
      'abcd',
      'ef',
    ]);
    device.notified(0);
    expect(seen.wanted).toBe(2);
  });

  it('arrives whole and in order, whatever the buffers', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('type' as const), text: fc.string({ maxLength: 20, unit: 'binary-ascii' }) }),
      fc.record({ kind: fc.constant('buffers' as const), lengths: fc.array(fc.nat({ max: 6 }), { maxLength: 4 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { device, receive, type, start, seen } = newConsole({ eventIndex });
        start();
        let waiting = '';
        let sent = '';
        let got = '';
        const typeAll = () => {
          waiting = waiting.slice(type(waiting));
        };
        for (const one of steps) {
          if (one.kind === 'type') {
            sent += one.text;
            waiting += one.text;
            if (waiting === one.text) typeAll();
          } else {
            for (const length of one.lengths) if (receive.underWay < 32) receive.add([], [length, 1]);
            const before = seen.wanted;
            if (receive.needsKick()) device.notified(0);
            if (seen.wanted > before) typeAll();
          }
          for (const { written, bytes } of receive.collect()) {
            got += Buffer.from(bytes.subarray(0, written)).toString('latin1');
          }
        }
        expect(got + waiting).toBe(sent);
        expect(receive.underWay === 0 || waiting === '').toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
