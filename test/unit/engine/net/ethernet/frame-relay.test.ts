import fc from 'fast-check';
import { FrameRelay } from '../../../../../engine/net/ethernet/frame-relay';
import { HEADROOM, type OutgoingFrame } from '../../../../../engine/net/link/link';
import { QEMU_FRAMING, VPNKIT_FRAMING } from '../../../../../engine/net/link/stream-link';
import { Reactor } from '../../../../../engine/net/reactor/reactor';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import { sockets } from '../../../../../native/sockets';
import { countDescriptors } from '../../../../support/descriptors';
import { until } from '../../../../support/until';
import { frameBytes, type Wire, wireOf } from './network-fixture';

let before: number;
let reactor: Reactor;
let relay: FrameRelay;
let near: Wire;
let farEnds: number;
const wires: Wire[] = [];

function plugNear(): Wire {
  const [ours, theirs] = sockets.pair();
  relay.plugNear(ours, QEMU_FRAMING);
  const wire = wireOf(theirs, QEMU_FRAMING);
  wires.push(wire);
  return wire;
}

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
  farEnds = 0;
  relay = new FrameRelay(reactor, () => void farEnds++);
  near = plugNear();
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
  expect(near.isOver).toBe(false);
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

test('a machine that is out of step is unplugged, and the next one is carried again', async () => {
  const far = plugFar();
  near.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  await near.readToEnd();
  far.send(frame(64, 1));
  await until('that to go nowhere', () => !far.isWaiting);
  const again = plugNear();
  again.send(frame(64, 2));
  expect(await far.receive()).toEqual(frame(64, 2));
  far.send(frame(64, 3));
  expect(await again.receiveUntil((each) => each.equals(frame(64, 3)))).toEqual(frame(64, 3));
  expect(farEnds).toBe(0);
});

describe('a second sender to the machine', () => {
  const outgoing = (payload: Buffer): OutgoingFrame => {
    const header = allocatePinned(HEADROOM + 14);
    header.bytes.fill(0xee, HEADROOM);
    const body = allocatePinned(Math.max(1, payload.length));
    payload.copy(body.bytes);
    return {
      header,
      headerBytes: 14,
      payload: body,
      payloadStart: 0,
      payloadBytes: payload.length,
      checksumStart: -1,
      checksumOffset: 0,
      segmentBytes: 0,
    };
  };

  test('is given what it takes; the rest goes to the network', async () => {
    const far = plugFar();
    const taken: Buffer[] = [];
    relay.openPort('test', (buffer, start, end) => {
      const isMine = buffer.bytes[start] === 0x37;
      if (isMine) taken.push(Buffer.from(buffer.bytes.subarray(start, end)));
      return isMine;
    });
    near.send(frame(100, 7));
    near.send(frame(100, 8));
    expect(await far.receive()).toEqual(frame(100, 8));
    expect(taken).toEqual([frame(100, 7)]);
  });

  test("its frames and the network's come whole", async () => {
    const far = plugFar();
    const port = relay.openPort('test', () => false);
    const count = 300;
    for (let index = 0; index < count; index++) {
      far.send(frame(1000, index));
      reactor.enter(() => port.send(outgoing(Buffer.alloc(500, 0x2a))));
    }
    let [ofNetwork, ofPort] = [0, 0];
    while (ofNetwork < count || ofPort < count) {
      const got = await near.receive();
      if (got.length === 1000) expect(got.equals(frame(1000, ofNetwork++))).toBe(true);
      else {
        expect(got.subarray(14).equals(Buffer.alloc(500, 0x2a))).toBe(true);
        ofPort++;
      }
    }
  });

  test('is told when a slow machine has room again, and that it is not there', async () => {
    const port = relay.openPort('test', () => false);
    let drains = 0;
    port.onDrain(() => void drains++);
    near.pause();
    const send = (): boolean => reactor.enter(() => port.send(outgoing(Buffer.alloc(9000))));
    await until('the room to end', () => {
      for (let index = 0; index < 100; index++) if (!send()) return true;
      return false;
    });
    expect(port.full).toBe(true);
    near.resume();
    await until('the room to be back', () => drains > 0 && !port.full);
    expect(send()).toBe(true);
    await near.close();
    await until('the loss to be seen', () => !send());
  });
});
