import fc from 'fast-check';
import type { IpPacket } from '../../../../../engine/net/gateway/ip-packet';
import { Reassembly } from '../../../../../engine/net/gateway/reassembly';
import { Reactor } from '../../../../../engine/net/reactor/reactor';
import { ipv4 } from '../../../../../engine/net/wire/ip-address';
import { allocatePinned, type PinnedBuffer } from '../../../../../native/pinned-buffer';
import { ipPacket, naiveChecksum } from '../fixtures/packets';
import { pattern } from '../fixtures/test-network';

const SOURCE = 0xc0a8_4103 | 0;
const DESTINATION = 0xc0a8_4101 | 0;
let reactor: Reactor;
let reassembly: Reassembly;
let whole: Buffer[];
let memories: Set<PinnedBuffer>;
const input = allocatePinned(66_000);

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  reactor = new Reactor();
  whole = [];
  memories = new Set();
  reassembly = new Reassembly(reactor, (_fragment, buffer, start, end) => {
    memories.add(buffer);
    whole.push(Buffer.from(buffer.bytes.subarray(start, end)));
  });
});
afterEach(() => {
  reassembly.close();
  reactor.close();
  jest.useRealTimers();
});

interface Piece {
  readonly from: number;
  readonly to: number;
  readonly more: boolean;
}

function give(payload: Uint8Array, { from, to, more }: Piece, identification = 1, source = SOURCE): void {
  const body = payload.subarray(from, to);
  const fragment = (from / 8) | (more ? 0x2000 : 0);
  const packet = ipPacket({
    source: '192.168.65.3',
    destination: '192.168.65.1',
    protocol: 17,
    body,
    fragment,
    identification,
  });
  input.bytes.set(packet, 5);
  const described: IpPacket = {
    neighbour: { mac: 1, link: undefined as never, present: true },
    source: ipv4(source),
    destination: ipv4(DESTINATION),
    protocol: 17,
    hopLimit: 64,
    buffer: input,
    headerStart: 5,
    start: 25,
    end: 25 + body.length,
    verified: false,
    dontFragment: false,
  };
  reassembly.receive(described, identification, fragment);
}

function cut(bytes: number, cuts: readonly number[]): Piece[] {
  const at = [...new Set([0, ...cuts.map((one) => 8 * (one % Math.ceil(bytes / 8))), bytes])].sort((a, b) => a - b);
  return at.slice(1).map((to, index) => ({ from: at[index]!, to, more: to !== bytes }));
}

it('puts packets together whatever the order, with copies in between', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 9, max: 5000 }),
      fc.array(fc.nat(600), { minLength: 1, maxLength: 10 }),
      fc.infiniteStream(fc.nat(1000)),
      (bytes, cuts, choices) => {
        whole.length = 0;
        const payload = pattern(bytes, bytes);
        const pieces = cut(bytes, cuts);
        fc.pre(pieces.length > 1);
        const order = pieces.map((piece) => [choices.next().value as number, piece] as const).sort(([a], [b]) => a - b);
        for (const [index, [, piece]] of order.entries()) {
          give(payload, piece);
          if (index < order.length - 1 && (choices.next().value as number) % 2 === 0) give(payload, piece);
        }
        expect(whole).toHaveLength(1);
        const [packet] = whole;
        expect(packet!.subarray(20).equals(payload)).toBe(true);
        expect(naiveChecksum(packet!.subarray(0, 20))).toBe(0);
        expect([packet!.readUInt16BE(2), packet!.readUInt16BE(6), packet![9]]).toEqual([bytes + 20, 0, 17]);
      },
    ),
    { numRuns: 200 },
  );
});

it('spoils packets whose fragments overlap with other bytes (RFC 5722)', () => {
  const payload = pattern(64);
  const other = pattern(64, 99);
  give(payload, { from: 0, to: 32, more: true });
  give(other, { from: 24, to: 48, more: true });
  give(payload, { from: 32, to: 64, more: false });
  expect(whole).toEqual([]);
});

it('never hands out what was there before', () => {
  const secret = Buffer.alloc(800, 'secret!!');
  give(secret, { from: 0, to: 400, more: true }, 1);
  give(secret, { from: 400, to: 800, more: false }, 1);
  expect(whole).toHaveLength(1);
  // As many pieces as the end says there are, but one of them lies behind the end.
  const payload = pattern(800);
  give(payload, { from: 400, to: 408, more: true }, 2);
  give(payload, { from: 8, to: 16, more: false }, 2);
  give(payload, { from: 0, to: 8, more: true }, 2);
  expect(whole.slice(1).every((packet) => !packet.includes('secret'))).toBe(true);
  // An end, then more behind it, and two ends.
  give(payload, { from: 8, to: 16, more: false }, 3);
  give(payload, { from: 16, to: 24, more: true }, 3);
  give(payload, { from: 8, to: 16, more: false }, 4);
  give(payload, { from: 16, to: 24, more: false }, 4);
  give(payload, { from: 0, to: 8, more: true }, 4);
  expect(whole).toHaveLength(1);
});

it('takes no fragment that is empty, no whole number of eights, or beyond the longest packet', () => {
  const payload = pattern(65_536);
  give(payload, { from: 0, to: 0, more: true });
  give(payload, { from: 0, to: 15, more: true });
  give(payload, { from: 65_496, to: 65_520, more: false });
  give(payload, { from: 65_528, to: 65_530, more: false });
  expect(memories.size).toBe(0);
  // The longest there can be.
  for (let from = 0; from < 65_515; from += 8000)
    give(payload, { from, to: Math.min(from + 8000, 65_515), more: from + 8000 < 65_515 }, 7);
  expect(whole.map(({ length }) => length)).toEqual([65_535]);
});

it('keeps packets of different senders and numbers apart', () => {
  const [one, two, three] = [pattern(32, 1), pattern(32, 2), pattern(32, 3)];
  const halves: Piece[] = [
    { from: 0, to: 16, more: true },
    { from: 16, to: 32, more: false },
  ];
  for (const half of halves) {
    give(one, half, 1);
    give(two, half, 2);
    give(three, half, 1, SOURCE + 1);
  }
  expect(whole.map((packet) => packet.subarray(20).toString('hex'))).toEqual(
    [one, two, three].map((payload) => payload.toString('hex')),
  );
});

it('keeps sixteen packets in pieces, and gives up the oldest for the next', () => {
  const payload = pattern(32);
  for (let number = 0; number < 17; number++) give(payload, { from: 0, to: 16, more: true }, number);
  for (let number = 1; number < 17; number++) give(payload, { from: 16, to: 32, more: false }, number);
  expect(whole).toHaveLength(16);
  give(payload, { from: 16, to: 32, more: false }, 0);
  expect(whole).toHaveLength(16);
});

it('uses the memory of packets that are done again', () => {
  const payload = pattern(32);
  for (let number = 0; number < 100; number++) {
    give(payload, { from: 0, to: 16, more: true }, number);
    give(payload, { from: 16, to: 32, more: false }, number);
  }
  expect([whole.length, memories.size]).toEqual([100, 1]);
});

it('gives up a packet after five seconds, and only that', () => {
  const payload = pattern(32);
  give(payload, { from: 0, to: 16, more: true }, 1);
  jest.advanceTimersByTime(3000);
  give(payload, { from: 0, to: 16, more: true }, 2);
  jest.advanceTimersByTime(2001);
  give(payload, { from: 16, to: 32, more: false }, 1);
  give(payload, { from: 16, to: 32, more: false }, 2);
  expect(whole).toHaveLength(1);
  jest.advanceTimersByTime(60_000);
  give(payload, { from: 0, to: 16, more: true }, 1);
  expect(whole).toHaveLength(1);
});
