import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { decode } from 'dns-packet';
import { AnswerCache } from '../../../../../engine/net/dns/answer-cache';
import { FrameReader, frame } from '../../../../../engine/net/dns/frame-reader';
import { Responder } from '../../../../../engine/net/dns/responder';
import { StreamConnections } from '../../../../../engine/net/dns/stream-connections';
import { Upstream } from '../../../../../engine/net/dns/upstream';
import { address, askByStream, FLOW, onEnd, openStream, question, startDns, startUpstream } from './dns-fixture';

const NAMES = new Map([['host.internal', ['192.168.65.2']]]);

it('answers many questions of one connection at once, as their answers come', async () => {
  const upstream = await startUpstream((query) =>
    query.questions?.[0]?.name === 'slow.example' ? undefined : address(query, '10.0.0.1'),
  );
  const { dns } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}\ntimeout 2000`, names: NAMES });
  const names = ['slow.example', ...Array.from({ length: 300 }, (_, index) => `n${index}.example`), 'host.internal'];
  const replies = await askByStream(
    dns,
    names.map((name, id) => ({ name, id })),
  );
  expect(replies.map(({ id }) => id).sort((a = 0, b = 0) => a - b)).toEqual(names.map((_, id) => id));
  expect(replies.at(-1)).toMatchObject({ id: 0, rcode: 'SERVFAIL' });
});

it('takes a question in single bytes', async () => {
  const { dns } = startDns({ names: NAMES });
  const client = await openStream(dns);
  client.setNoDelay();
  for (const byte of frame(question({ name: 'host.internal' }))) client.write(Buffer.of(byte));
  const [chunk] = (await once(client, 'data')) as [Buffer];
  expect(decode(chunk.subarray(2)).answers).toHaveLength(1);
});

it('answers a message that is too long with FORMERR, and the next as ever', async () => {
  const { dns } = startDns({ names: NAMES });
  const client = await openStream(dns);
  const long = Buffer.concat([question({ name: 'host.internal', id: 1 }), Buffer.alloc(60_000)]);
  client.end(Buffer.concat([frame(long), frame(question({ name: 'host.internal', id: 2 }))]));
  const reader = new FrameReader(65_535);
  for await (const chunk of client as AsyncIterable<Buffer>) reader.push(chunk);
  expect(decode(reader.next() ?? Buffer.alloc(0))).toMatchObject({ id: 1, rcode: 'FORMERR' });
  expect(decode(reader.next() ?? Buffer.alloc(0))).toMatchObject({ id: 2, rcode: 'NOERROR' });
});

describe('connections', () => {
  it('that ask nothing are closed, also when bytes drip in', async () => {
    const { server, connections } = startConnections(50);
    const silent = await server.open();
    const dripping = await server.open();
    const drip = setInterval(() => dripping.write(Buffer.of(0)), 20);
    onEnd(() => clearInterval(drip));
    await Promise.all([closed(silent), closed(dripping)]);
    connections.close();
  });

  it('are 128 at most: the oldest that asks nothing goes', async () => {
    const { server, connections } = startConnections(60_000);
    const clients: Socket[] = [];
    for (let index = 0; index < 128; index++) clients.push(await server.open());
    const firstClosed = closed(clients[0] as Socket);
    const next = await server.open();
    await firstClosed;
    expect(clients.slice(1).some(({ destroyed }) => destroyed)).toBe(false);
    next.write(frame(Buffer.alloc(12)));
    await once(next, 'data');
    connections.close();
    await closed(next);
  });

  it('that send and never read do not fill the memory', async () => {
    const { server, connections } = startConnections(60_000);
    const client = await server.open();
    client.pause();
    // What gets FORMERR costs nothing to answer, so only the reader's pace holds the sender up.
    const flood = Buffer.concat(Array.from({ length: 1000 }, () => frame(Buffer.alloc(12))));
    let sent = 0;
    while (sent < 64 * 1024 * 1024 && client.write(flood)) sent += flood.length;
    for (let round = 0; round < 200 && client.writableNeedDrain; round++) {
      const drained = await Promise.race([
        once(client, 'drain').then(() => true),
        new Promise<false>((resolve) => setTimeout(resolve, 200, false)),
      ]);
      if (!drained) break;
      while (client.write(flood)) sent += flood.length;
    }
    expect(client.writableNeedDrain).toBe(true);
    const [guestSide] = server.accepted;
    expect(guestSide?.writableLength).toBeLessThan(1024 * 1024);
    connections.close();
  });

  it('are closed with the server', async () => {
    const { dns } = startDns({ names: NAMES });
    const client = await openStream(dns);
    client.write(frame(question({ name: 'host.internal' })));
    await once(client, 'data');
    await dns.close();
    await closed(client);
    const late = await openStream(dns);
    await closed(late);
  });
});

async function closed(client: Socket): Promise<void> {
  client.resume();
  if (!client.closed) await new Promise((resolve) => client.once('close', resolve));
}

function startConnections(idleMs: number) {
  const options = { now: () => performance.now(), log: () => undefined };
  const responder = new Responder({
    local: [],
    cache: new AnswerCache(options.now),
    upstream: new Upstream(options),
    maxDatagramBytes: 4096,
  });
  const connections = new StreamConnections(responder, { idleMs });
  onEnd(() => connections.close());
  const accepted: Socket[] = [];
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    connections.service(socket, FLOW);
  });
  const open = (): Promise<Socket> => openStream({ stream: connections.service }, listener);
  return { connections, server: { open, accepted } };
}
