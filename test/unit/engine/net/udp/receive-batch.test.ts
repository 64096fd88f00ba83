import fc from 'fast-check';
import { ReceiveBatch } from '../../../../../engine/net/udp/receive-batch';
import { SendBatch } from '../../../../../engine/net/udp/send-batch';
import { allocatePinned } from '../../../../../native/pinned-buffer';
import {
  AF_INET,
  AF_INET6,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOL_SOCKET,
  sockets,
  writeSocketAddress,
} from '../../../../../native/sockets';
import { pattern } from '../fixtures/test-network';

const LOOPBACK = new Map([
  [AF_INET, Uint8Array.of(127, 0, 0, 1)],
  [AF_INET6, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)],
]);
const descriptors: number[] = [];
afterEach(() => {
  for (const fd of descriptors.splice(0)) sockets.close(fd);
});

function bound(family: number): number {
  const fd = sockets.socket(family, SOCK_DGRAM);
  descriptors.push(fd);
  sockets.setOption(fd, SOL_SOCKET, SO_RCVBUF, 8 * 1024 * 1024);
  sockets.bind(fd, { address: LOOPBACK.get(family)!, port: 0 });
  return fd;
}

const output = allocatePinned(65_536);
pattern(65_536).copy(output.bytes);

/** Sends so many bytes; they are the pattern from `length` on, so that two lengths never look alike. */
function send(from: number, to: number, length: number): void {
  sockets.sendTo(from, output.address + (length % 97), length, sockets.localAddress(to));
}

const expected = (length: number): Buffer => output.bytes.subarray(length % 97, (length % 97) + length);

interface Got {
  readonly port: number;
  readonly bytes: Buffer;
}

function drain(batch: ReceiveBatch, fd: number): { readonly got: Got[]; readonly runs: number } {
  const got: Got[] = [];
  let runs = 0;
  let more = true;
  while (more) {
    more = batch.receive(fd, ({ port }, { bytes }, start, end, datagramBytes) => {
      runs++;
      let at = start;
      do {
        const next = Math.min(at + datagramBytes, end);
        got.push({ port, bytes: Buffer.from(bytes.subarray(at, next)) });
        at += datagramBytes;
      } while (at < end);
    });
  }
  return { got, runs };
}

// Lengths that come in runs, among them the limits of what is expected and of what there is.
const lengths = fc
  .array(
    fc.record({
      length: fc.oneof(fc.nat(2000), fc.constantFrom(0, 1, 1471, 1472, 1473, 9000, 65_000)),
      times: fc.integer({ min: 1, max: 12 }),
    }),
    { maxLength: 12 },
  )
  .map((runs) => runs.flatMap(({ length, times }) => Array<number>(length > 2000 ? 1 : times).fill(length)));

it('hands on what came, from whom it came, whatever the lengths', () => {
  const batch = new ReceiveBatch();
  const families = [AF_INET, AF_INET6].map((family) => ({
    receiver: bound(family),
    senders: [bound(family), bound(family)],
  }));
  fc.assert(
    fc.property(lengths, fc.infiniteStream(fc.nat(3)), fc.nat(1), (all, whose, which) => {
      const { receiver, senders } = families[which]!;
      const sent = all.map((length) => {
        const sender = senders[(whose.next().value as number) === 0 ? 1 : 0]!;
        send(sender, receiver, length);
        return { port: sockets.localAddress(sender).port, bytes: expected(length) };
      });
      const { got } = drain(batch, receiver);
      expect(got.map(({ port, bytes }) => [port, bytes.length])).toEqual(
        sent.map(({ port, bytes }) => [port, bytes.length]),
      );
      expect(got.every(({ bytes }, index) => bytes.equals(sent[index]!.bytes))).toBe(true);
    }),
    { numRuns: 150 },
  );
});

it.each([1472, 900])('hands on datagrams of one length together, once it has seen %d', (length) => {
  const batch = new ReceiveBatch();
  const [receiver, sender] = [bound(AF_INET), bound(AF_INET)];
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 30; index++) send(sender, receiver, length);
    send(sender, receiver, length - 1);
    const { got, runs } = drain(batch, receiver);
    expect(got).toHaveLength(31);
    if (round === 1 || length === 1472) expect(runs).toBe(1);
    // The last two of a round tell what to expect.
    send(sender, receiver, length);
    send(sender, receiver, length);
    drain(batch, receiver);
  }
});

it.each([AF_INET, AF_INET6])('hands on what came in one piece as it came, family %d', (family) => {
  const [incoming, outgoing] = [new ReceiveBatch(), new SendBatch()];
  const [receiver, sender] = [bound(family), bound(family)];
  ReceiveBatch.prepare(receiver);
  const peerAddress = allocatePinned(32);
  const peerLength = writeSocketAddress(peerAddress.bytes, 0, sockets.localAddress(receiver));
  const route = { fd: sender, peerAddress, peerLength, cutsDatagrams: true };
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(1, 100, 400, 1400, 1472, 9000), fc.integer({ min: 1, max: 30 }), fc.nat(99)), {
        minLength: 1,
        maxLength: 4,
      }),
      (runs) => {
        const all = runs.flatMap(([bytes, times, last]) => [
          ...Array<number>(times).fill(bytes),
          Math.min(last, bytes),
        ]);
        for (const length of all) outgoing.add(route, output, length % 97, (length % 97) + length);
        outgoing.flush();
        const { got } = drain(incoming, receiver);
        expect(got.map(({ bytes }) => bytes.length)).toEqual(all);
        expect(got.every(({ bytes }, index) => bytes.equals(expected(all[index]!)))).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
  expect(route.cutsDatagrams).toBe(true);
  for (let index = 0; index < 40; index++) outgoing.add(route, output, 0, 1400);
  outgoing.flush();
  expect(drain(incoming, receiver)).toMatchObject({ runs: 1, got: { length: 40 } });
});

it('says that there may be more, and when there is none', () => {
  const batch = new ReceiveBatch();
  const [receiver, sender] = [bound(AF_INET), bound(AF_INET)];
  expect(batch.receive(receiver, () => undefined)).toBe(false);
  for (let index = 0; index < 50; index++) send(sender, receiver, 10);
  expect(batch.receive(receiver, () => undefined)).toBe(true);
  expect(batch.receive(receiver, () => undefined)).toBe(false);
});
