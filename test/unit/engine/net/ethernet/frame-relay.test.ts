import fc from 'fast-check';
import { FrameRelay } from '../../../../../engine/net/ethernet/frame-relay';
import { QEMU_FRAMING, VPNKIT_FRAMING } from '../../../../../engine/net/link/stream-link';
import { Reactor } from '../../../../../engine/net/reactor/reactor';
import { sockets } from '../../../../../native/sockets';
import { countDescriptors } from '../../../../support/descriptors';
import { until } from '../../../../support/until';
import { frameBytes, type Wire, wireOf } from './network-fixture';

let before: number;
let reactor: Reactor;
let relay: FrameRelay;
let near: Wire;
let nearEnds: number;
let farEnds: number;
const wires: Wire[] = [];

function plugFar(): Wire {
  const [ours, theirs] = sockets.pair();
  relay.plugFar(ours, VPNKIT_FRAMING);
  const wire = wireOf(theirs, VPNKIT_FRAMING);
  wires.push(wire);
  return wire;
}

beforeEach(() => {
  before = countDescriptors();
  reactor = new Reactor();
  nearEnds = 0;
  farEnds = 0;
  const [ours, theirs] = sockets.pair();
  relay = new FrameRelay(reactor, ours, QEMU_FRAMING, {
    nearEnded: () => void nearEnds++,
    farEnded: () => void farEnds++,
  });
  near = wireOf(theirs, QEMU_FRAMING);
  wires.push(near);
});

afterEach(async () => {
  relay.close();
  for (const wire of wires.splice(0)) await wire.close();
  reactor.close();
  expect(countDescriptors()).toBeLessThanOrEqual(before);
});

const frame = (length: number, seed: number): Buffer => Buffer.alloc(length, `${seed}.`);

test('carries frames of any length in any pieces, both ways', async () => {
  const far = plugFar();
  const frames = fc.array(fc.integer({ min: 14, max: 65_535 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(frames, fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1 }), async (lengths, cuts) => {
      const sent = lengths.map(frame);
      for (const [from, to, framing] of [
        [near, far, QEMU_FRAMING],
        [far, near, VPNKIT_FRAMING],
      ] as const) {
        let rest = Buffer.concat(sent.map((each) => frameBytes(each, framing)));
        for (let index = 0; rest.length > 0; index++) {
          const cut = cuts[index % cuts.length] ?? 1;
          from.write(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        for (const each of sent) expect((await to.receive()).equals(each)).toBe(true);
      }
    }),
    { numRuns: 25 },
  );
});

test('who reads slowly loses nothing', async () => {
  const far = plugFar();
  const count = 2000;
  far.pause();
  for (let index = 0; index < count; index++) near.send(frame(9000, index));
  // More than all buffers hold: some of it waits at the sender.
  await until('the sender to wait', () => near.isWaiting);
  await new Promise((resolve) => setTimeout(resolve, 50));
  far.resume();
  for (let index = 0; index < count; index++) {
    expect((await far.receive()).equals(frame(9000, index))).toBe(true);
  }
});

test('drops what comes while the cable is out, and carries again with the next', async () => {
  const first = plugFar();
  near.send(frame(60, 1));
  expect(await first.receive()).toEqual(frame(60, 1));
  await first.close();
  await until('the loss to be seen', () => farEnds === 1);
  for (let index = 0; index < 1000; index++) near.send(frame(1514, index));
  await until('all to be taken', () => !near.isWaiting);
  // Of this one a half comes before and a half after.
  const bytes = frameBytes(frame(100, 2), QEMU_FRAMING);
  near.write(bytes.subarray(0, 50));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const second = plugFar();
  near.write(bytes.subarray(50));
  near.send(frame(60, 3));
  expect(await second.receiveUntil((each) => each.length === 100)).toEqual(frame(100, 2));
  expect(await second.receive()).toEqual(frame(60, 3));
  expect(nearEnds).toBe(0);
});

test('a frame that broke off with the far side is not passed on', async () => {
  const first = plugFar();
  first.write(frameBytes(frame(1000, 1), VPNKIT_FRAMING).subarray(0, 600));
  await first.close();
  await until('the loss to be seen', () => farEnds === 1);
  const second = plugFar();
  second.send(frame(64, 2));
  expect(await near.receive()).toEqual(frame(64, 2));
});

test('drops what is no frame, and what the other side has no length for', async () => {
  const far = plugFar();
  near.send(Buffer.alloc(0));
  near.send(frame(13, 1));
  near.send(frame(65_536, 2));
  near.send(frame(65_535, 3));
  expect(await far.receive()).toEqual(frame(65_535, 3));
});

test('ends with the near side, also when that is out of step', async () => {
  const far = plugFar();
  near.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  await until('the end', () => nearEnds === 1);
  await far.readToEnd();
  expect(farEnds).toBe(0);
});
