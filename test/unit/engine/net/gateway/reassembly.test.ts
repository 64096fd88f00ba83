import fc from 'fast-check';
import type { IpPacket } from '../../../../../engine/net/gateway/ip-packet';
import { Reassembly } from '../../../../../engine/net/gateway/reassembly';
import { Reactor } from '../../../../../engine/net/reactor/reactor';
import { parseAddress } from '../../../../../engine/net/wire/ip-address';
import { allocatePinned, type PinnedBuffer } from '../../../../../native/pinned-buffer';
import { ipPacket } from '../fixtures/packets';
import { pattern } from '../fixtures/test-network';

const FAMILIES = {
  IPv4: {
    source: '192.168.65.3',
    other: '192.168.65.4',
    destination: '192.168.65.1',
    headerBytes: 20,
    longest: 65_515,
  },
  IPv6: { source: 'fd00::3', other: 'fd00::4', destination: 'fd00::1', headerBytes: 40, longest: 65_535 },
} as const;
type Family = (typeof FAMILIES)[keyof typeof FAMILIES];
const HOP_LIMIT = 33;
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

/** Hands a fragment in as the gateway does. */
function give(
  { source, other, destination, headerBytes }: Family,
  payload: Uint8Array,
  { from, to, more }: Piece,
  { identification = 1, stranger = false, protocol = 17 } = {},
): void {
  const v4 = headerBytes === 20;
  const body = payload.subarray(from, to);
  const sender = stranger ? other : source;
  const packet = ipPacket({
    source: sender,
    destination,
    protocol,
    body,
    fragment: v4 ? (from / 8) | (more ? 0x2000 : 0) : from | (more ? 1 : 0),
    identification,
    hopLimit: HOP_LIMIT,
  });
  input.bytes.set(packet, 5);
  const start = 5 + packet.length - body.length;
  const described: IpPacket = {
    neighbour: { mac: 1, link: undefined as never, present: true },
    source: parseAddress(sender)!,
    destination: parseAddress(destination)!,
    protocol,
    hopLimit: HOP_LIMIT,
    buffer: input,
    headerStart: 5,
    start,
    end: start + body.length,
    verified: false,
    dontFragment: false,
  };
  reassembly.receive(described, { identification, offset: from, last: !more });
}

function cut(bytes: number, cuts: readonly number[]): Piece[] {
  const at = [...new Set([0, ...cuts.map((one) => 8 * (one % Math.ceil(bytes / 8))), bytes])].sort((a, b) => a - b);
  return at.slice(1).map((to, index) => ({ from: at[index]!, to, more: to !== bytes }));
}

describe.each(Object.entries(FAMILIES))('%s', (_name, family) => {
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
          const order = pieces
            .map((piece) => [choices.next().value as number, piece] as const)
            .sort(([a], [b]) => a - b);
          for (const [index, [, piece]] of order.entries()) {
            give(family, payload, piece);
            if (index < order.length - 1 && (choices.next().value as number) % 2 === 0) give(family, payload, piece);
          }
          expect(whole).toHaveLength(1);
          const [packet] = whole;
          const { source, destination } = family;
          const sent = ipPacket({
            source,
            destination,
            protocol: 17,
            body: payload,
            hopLimit: HOP_LIMIT,
            identification: 1,
          });
          expect(packet!.equals(sent)).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('spoils packets whose fragments overlap with other bytes (RFC 5722)', () => {
    const payload = pattern(64);
    const other = pattern(64, 99);
    give(family, payload, { from: 0, to: 32, more: true });
    give(family, other, { from: 24, to: 48, more: true });
    give(family, payload, { from: 32, to: 64, more: false });
    expect(whole).toEqual([]);
    // Not even when all of it comes again, for as long as its pieces may be under way.
    give(family, payload, { from: 0, to: 32, more: true });
    give(family, payload, { from: 32, to: 64, more: false });
    expect(whole).toEqual([]);
    jest.advanceTimersByTime(5001);
    give(family, payload, { from: 0, to: 32, more: true });
    give(family, payload, { from: 32, to: 64, more: false });
    expect(whole).toHaveLength(1);
  });

  it('never hands out what was there before', () => {
    const secret = Buffer.alloc(800, 'secret!!');
    give(family, secret, { from: 0, to: 400, more: true }, { identification: 1 });
    give(family, secret, { from: 400, to: 800, more: false }, { identification: 1 });
    expect(whole).toHaveLength(1);
    // As many pieces as the end says there are, but one of them lies behind the end.
    const payload = pattern(800);
    give(family, payload, { from: 400, to: 408, more: true }, { identification: 2 });
    give(family, payload, { from: 8, to: 16, more: false }, { identification: 2 });
    give(family, payload, { from: 0, to: 8, more: true }, { identification: 2 });
    expect(whole.slice(1).every((packet) => !packet.includes('secret'))).toBe(true);
    // An end, then more behind it, and two ends.
    give(family, payload, { from: 8, to: 16, more: false }, { identification: 3 });
    give(family, payload, { from: 16, to: 24, more: true }, { identification: 3 });
    give(family, payload, { from: 8, to: 16, more: false }, { identification: 4 });
    give(family, payload, { from: 16, to: 24, more: false }, { identification: 4 });
    give(family, payload, { from: 0, to: 8, more: true }, { identification: 4 });
    expect(whole).toHaveLength(1);
  });

  it('takes no fragment that is empty, no whole number of eights, or beyond the longest packet', () => {
    const { longest, headerBytes } = family;
    const payload = pattern(65_536);
    give(family, payload, { from: 0, to: 0, more: true });
    give(family, payload, { from: 0, to: 15, more: true });
    give(family, payload, { from: 65_512, to: longest + 1, more: false });
    give(family, payload, { from: 65_528, to: 65_536, more: true });
    expect(memories.size).toBe(0);
    // The longest there can be.
    for (let from = 0; from < longest; from += 8000) {
      const to = Math.min(from + 8000, longest);
      give(family, payload, { from, to, more: to < longest }, { identification: 7 });
    }
    expect(whole.map(({ length }) => length)).toEqual([headerBytes + longest]);
  });

  it('keeps packets of different senders and numbers apart', () => {
    const [one, two, three] = [pattern(32, 1), pattern(32, 2), pattern(32, 3)];
    const halves: Piece[] = [
      { from: 0, to: 16, more: true },
      { from: 16, to: 32, more: false },
    ];
    for (const half of halves) {
      give(family, one, half);
      give(family, two, half, { identification: 2 });
      give(family, three, half, { stranger: true });
    }
    expect(whole.map((packet) => packet.subarray(family.headerBytes).toString('hex'))).toEqual(
      [one, two, three].map((payload) => payload.toString('hex')),
    );
  });

  it('keeps sixteen packets in pieces, and gives up the oldest for the next', () => {
    const payload = pattern(32);
    for (let number = 0; number < 17; number++)
      give(family, payload, { from: 0, to: 16, more: true }, { identification: number });
    for (let number = 1; number < 17; number++)
      give(family, payload, { from: 16, to: 32, more: false }, { identification: number });
    expect(whole).toHaveLength(16);
    give(family, payload, { from: 16, to: 32, more: false }, { identification: 0 });
    expect(whole).toHaveLength(16);
  });

  it('uses the memory of packets that are done again', () => {
    const payload = pattern(32);
    for (let number = 0; number < 100; number++) {
      give(family, payload, { from: 0, to: 16, more: true }, { identification: number });
      give(family, payload, { from: 16, to: 32, more: false }, { identification: number });
    }
    expect([whole.length, memories.size]).toEqual([100, 1]);
  });

  it('gives up a packet after five seconds, and only that', () => {
    const payload = pattern(32);
    give(family, payload, { from: 0, to: 16, more: true }, { identification: 1 });
    jest.advanceTimersByTime(3000);
    give(family, payload, { from: 0, to: 16, more: true }, { identification: 2 });
    jest.advanceTimersByTime(2001);
    give(family, payload, { from: 16, to: 32, more: false }, { identification: 1 });
    give(family, payload, { from: 16, to: 32, more: false }, { identification: 2 });
    expect(whole).toHaveLength(1);
    jest.advanceTimersByTime(60_000);
    give(family, payload, { from: 0, to: 16, more: true }, { identification: 1 });
    expect(whole).toHaveLength(1);
  });
});

it('takes the protocol of IPv6 from the first fragment, and keeps protocols of IPv4 apart', () => {
  const payload = pattern(32);
  for (const family of Object.values(FAMILIES)) {
    give(family, payload, { from: 16, to: 32, more: false }, { protocol: 6 });
    give(family, payload, { from: 0, to: 16, more: true }, { protocol: 17 });
  }
  expect(whole.map((packet) => [packet.length, packet[6]])).toEqual([[72, 17]]);
});
