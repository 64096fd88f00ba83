import type { Socket } from 'node:net';
import fc from 'fast-check';
import type { Network } from '../../../../../engine/net/network';
import { FakeGuest, type FakeTcp, synOptions } from '../fixtures/fake-guest';
import { ACK, FIN, type Segment } from '../fixtures/packets';
import { closeAll, eventually, listenOnHost, openNetwork, pattern, readAll } from '../fixtures/test-network';

afterEach(closeAll);

async function open(): Promise<{ network: Network; tcp: FakeTcp; host: Socket }> {
  const network = openNetwork();
  const server = await listenOnHost();
  const tcp = new FakeGuest(network).tcp(4000, server.port);
  await tcp.open(synOptions(1460, 7));
  return { network, tcp, host: await server.connections.next() };
}

const hasPayload = ({ payload }: Segment): boolean => payload.length > 0;

it.each([
  [4, 20_000],
  [10, 60_000],
  [50, 300_000],
])('delivers everything to a guest that loses every %dth segment', async (every, bytes) => {
  const { network, tcp, host } = await open();
  let count = 0;
  tcp.loses = (segment) => hasPayload(segment) && ++count % every === 0;
  const sent = pattern(bytes);
  host.end(sent);
  expect((await tcp.receive(sent.length)).equals(sent)).toBe(true);
  tcp.sendFin();
  host.resume();
  await eventually(() => tcp.ended && network.tcp.statistics.memoryBytes === 0);
});

it('sends a lost segment again after three duplicate acknowledgments, long before its time is up', async () => {
  const { tcp, host } = await open();
  host.write(pattern(1460 * 8));
  const first = await tcp.segments.next(hasPayload);
  await tcp.segments.next(({ sequence, payload }) => sequence + payload.length - first.sequence === 1460 * 8);
  const duplicate = tcp.frame(ACK, { acknowledged: first.sequence });
  tcp.guest.link.inject(duplicate, duplicate);
  expect(tcp.segments.waiting).toEqual([]);
  tcp.guest.link.inject(duplicate);
  expect(tcp.segments.waiting).toHaveLength(1);
  const again = await tcp.segments.next();
  expect([again.sequence, again.payload]).toEqual([first.sequence, first.payload]);
});

it('does not take window updates and data for duplicates', async () => {
  const { tcp, host } = await open();
  host.write(pattern(1460 * 4));
  const first = await tcp.segments.next(hasPayload);
  await tcp.segments.next(({ sequence, payload }) => sequence + payload.length - first.sequence === 1460 * 4);
  const answers = (): Segment[] => tcp.segments.waiting.filter(hasPayload);
  for (const window of [1000, 1001, 1002, 1003]) tcp.send(ACK, { acknowledged: first.sequence, window });
  for (let count = 0; count < 4; count++) {
    tcp.send(ACK, { acknowledged: first.sequence, window: 1003, payload: Buffer.from('x') });
    tcp.next++;
  }
  expect(answers()).toEqual([]);
});

it('sends again after its time is up, and the guest may talk meanwhile', async () => {
  const { tcp, host } = await open();
  host.resume();
  host.write('lost');
  const lost = await tcp.segments.next(hasPayload);
  // Its segments acknowledge nothing new, so they don't put the retransmission off (RFC 6298 section 5.3).
  const chatter = setInterval(() => {
    tcp.send(ACK, { acknowledged: lost.sequence, payload: Buffer.from('.') });
    tcp.next++;
  }, 40);
  try {
    const again = await tcp.segments.next(hasPayload);
    expect([again.sequence, again.payload.toString()]).toEqual([lost.sequence, 'lost']);
  } finally {
    clearInterval(chatter);
  }
});

it('sends a lost FIN again', async () => {
  const { tcp, host } = await open();
  host.resume().end();
  const fin = await tcp.segments.next(({ flags }) => (flags & FIN) !== 0);
  const again = await tcp.segments.next(({ flags }) => (flags & FIN) !== 0);
  expect(again.sequence).toBe(fin.sequence);
});

it('takes what a link without a queue refused for lost', async () => {
  const { network, tcp, host } = await open();
  tcp.guest.link.accepts = false;
  host.write(pattern(5000));
  await new Promise((resolve) => setTimeout(resolve, 30));
  tcp.guest.link.accepts = true;
  expect(await tcp.receive(5000)).toEqual(pattern(5000));
  host.end(pattern(500_000, 2));
  expect((await tcp.receive(505_000)).subarray(5000).equals(pattern(500_000, 2))).toBe(true);
  await eventually(() => network.tcp.statistics.memoryBytes === 0);
});

it('survives any mixture of loss, copies and disorder from the guest', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 }),
      fc.infiniteStream(fc.nat(5)),
      async (lengths, choices) => {
        const { network, tcp, host } = await open();
        const whole = pattern(lengths.reduce((sum, length) => sum + length, 0));
        const heard = readAll(host);
        const start = tcp.next;
        const frames: Buffer[] = [];
        let at = 0;
        for (const length of lengths) {
          for (let part = 0; part < length; part += 1460) {
            const end = Math.min(length, part + 1460);
            frames.push(tcp.frame(ACK, { sequence: start + at + part, payload: whole.subarray(at + part, at + end) }));
          }
          at += length;
        }
        const fin = tcp.frame(ACK | FIN, { sequence: start + at });
        // A guest sends until all is acknowledged: three times with losses, copies and disorder, then as it should be.
        for (let round = 0; round < 3; round++) {
          const sent: Buffer[] = [];
          for (const frame of [...frames, fin]) {
            const choice = choices.next().value as number;
            if (choice === 0) continue;
            if (choice === 1) sent.unshift(frame);
            else sent.push(frame);
            if (choice === 2) sent.push(frame);
          }
          tcp.guest.link.inject(...sent);
        }
        tcp.guest.link.inject(...frames, fin);
        expect((await heard).equals(whole)).toBe(true);
        expect(network.tcp.statistics.memoryBytes).toBe(0);
        closeAll();
      },
    ),
    { numRuns: 40 },
  );
});

it('survives any mixture of loss, copies and disorder towards the guest', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 40_000 }), fc.infiniteStream(fc.nat(30)), async (bytes, choices) => {
      const { tcp, host } = await open();
      const take = tcp.take.bind(tcp);
      let held: Segment | undefined;
      tcp.take = (segment) => {
        const choice = choices.next().value as number;
        if (choice === 0) return;
        if (choice === 1 && held === undefined) {
          held = segment;
          return;
        }
        take(segment);
        if (choice === 2) take(segment);
        if (held !== undefined) take(held);
        held = undefined;
      };
      const whole = pattern(bytes, bytes);
      host.end(whole);
      expect((await tcp.receive(bytes)).equals(whole)).toBe(true);
      closeAll();
    }),
    { numRuns: 6 },
  );
}, 20_000);
