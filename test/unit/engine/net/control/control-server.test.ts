import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { ControlServer } from '../../../../../engine/net/control/control-server';
import { countDescriptors } from '../../../../support/descriptors';
import { type ControlFixture, type Echo, readAll, startForEachTest } from './control-fixture';

let fixture: ControlFixture;
let guest: Echo;
startForEachTest((control, echoServer) => {
  fixture = control;
  guest = echoServer;
});

const dial = async ({ address, port }: { address: string; port: number }): Promise<Socket> => {
  const socket = connect({ host: address, port, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
};
const LIST = 'GET /forwards/list HTTP/1.1\r\nHost: x\r\n\r\n';

/** Sends pieces, each as a write of its own, and gives everything that comes until the end. */
async function converse(pieces: readonly (string | Buffer)[], { end = false } = {}): Promise<string> {
  const socket = await fixture.connect();
  const answer = readAll(socket).catch(() => 'reset');
  for (const piece of pieces) {
    await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
  }
  if (end) socket.end();
  return answer;
}

describe('HTTP', () => {
  test('arrives in pieces of any size, one request after the other', async () => {
    await fixture.start();
    const text = `${LIST}${LIST}GET /forwards/list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    for (const size of [1, 7, 60, 1000]) {
      const pieces = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? [];
      expect((await converse(pieces)).match(/null/g)).toHaveLength(3);
    }
  });

  test('is spoken on any duplex', async () => {
    const server = new ControlServer({ forwarder: fixture.forwarder });
    let answer = '';
    let feed: Duplex | undefined;
    const ended = new Promise<void>((resolve) => {
      feed = new Duplex({
        read: () => {},
        write: (chunk: Buffer, _encoding, done) => {
          answer += chunk.toString();
          done();
        },
        final: (done) => {
          resolve();
          done();
        },
      });
    });
    feed?.push('GET /forwards/list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    if (feed) server.accept(feed);
    await ended;
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]*null\n$/);
    server.close();
  });

  test('takes the absolute form of a target', async () => {
    await fixture.start();
    const answer = await converse(['GET http://unix/forwards/list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n']);
    expect(answer).toContain('null');
  });

  test('a body may have 64 KiB', async () => {
    await fixture.start();
    const padded = (bytes: number) =>
      JSON.stringify({ proto: 'sctp', x: '' }).replace('""', `"${'x'.repeat(bytes - 23)}"`);
    expect(padded(65_536)).toHaveLength(65_536);
    expect((await fixture.ask('PUT', '/forwards/expose/port', padded(65_536))).text).toContain('only be TCP');
    expect(await fixture.ask('PUT', '/forwards/expose/port', padded(65_537))).toMatchObject({ status: 413 });
  });

  test('no more than so many connections at a time', async () => {
    await fixture.start({ limits: { connections: 2 } });
    const first = await fixture.connect();
    const second = await fixture.connect();
    expect(await converse([])).toMatch(/^HTTP\/1.1 503 [\s\S]*2 connections are open/);
    first.destroy();
    second.end(LIST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    expect(await readAll(second)).toContain('null');
  });

  test.each([
    ['that says nothing', []],
    ['that does not end its first line', ['GET /forw']],
    ['that does not end its head', ['GET /forwards/list HTTP/1.1\r\n']],
    ['that does not end the head of a tunnel', ['GET /tunnel?ip=127.0.0.1&port=1 HTTP/1.1\r\n']],
    ['that falls silent', [LIST]],
  ])('a client %s is let go', async (_what, pieces) => {
    await fixture.start({ limits: { headMs: 50 }, dial });
    await converse(pieces);
  });

  test('a client that does not end its body is let go', async () => {
    await fixture.start({ limits: { requestMs: 50 } });
    await converse(['PUT /forwards/expose/port HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab']);
  });

  test('a request that takes too long ends with its connection', async () => {
    const { forwarder } = fixture;
    const never = { open: () => new Promise<never>(() => {}), list: () => forwarder.list() };
    await fixture.start({ limits: { requestMs: 50 }, forwarder: never });
    const port = { proto: 'tcp', in_ip: '127.0.0.1', in_port: 1 };
    await expect(fixture.ask('PUT', '/forwards/expose/port', port)).rejects.toThrow('socket hang up');
  });

  test('a client that pours out requests without end is let go', async () => {
    const { forwarder } = fixture;
    const never = { open: () => new Promise<never>(() => {}), list: () => forwarder.list() };
    await fixture.start({ forwarder: never });
    const body = JSON.stringify({ proto: 'tcp', in_ip: '127.0.0.1', in_port: 1 });
    const one = `PUT /forwards/expose/port HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    expect(await converse([one.repeat(50)])).not.toContain('200');
  });
});

describe('a tunnel', () => {
  const tunnel = (query: string) => `GET /tunnel?${query} HTTP/1.1\r\nHost: x\r\n\r\n`;

  test('is OK and the bytes of both sides, also of those that came early', async () => {
    await fixture.start({ dial });
    const socket = await fixture.connect();
    socket.end(`${tunnel(`ip=127.0.0.1&port=${guest.port}`)}early and late`);
    expect(await readAll(socket)).toBe('OKearly and late');
  });

  test('carries much', async () => {
    await fixture.start({ dial });
    const socket = await fixture.connect();
    const big = Buffer.alloc(2 ** 22, 'abc');
    const all = readAll(socket);
    socket.write(tunnel(`ip=127.0.0.1&port=${guest.port}`));
    socket.end(big);
    expect(await all).toBe(`OK${big.toString()}`);
  });

  test.each([
    ['', 'ip is mandatory'],
    ['ip=guest&port=1', 'ip: invalid IP address: guest'],
    ['ip=127.0.0.1', 'port: "" is no port'],
    ['ip=127.0.0.1&port=70000', 'port: "70000" is no port'],
  ])('"%s" is refused: %s', async (query, words) => {
    await fixture.start({ dial });
    expect(await converse([tunnel(query)])).toMatch(`HTTP/1.1 500 Internal Server Error\r\n`);
    expect(await converse([tunnel(query)])).toMatch(`\r\n\r\n${words}\n`);
  });

  test('to where nobody listens is refused', async () => {
    await guest.close();
    await fixture.start({ dial });
    expect(await converse([tunnel(`ip=127.0.0.1&port=${guest.port}`)])).toMatch(
      / 500 [\s\S]*cannot dial: .*ECONNREFUSED/,
    );
  });

  test('that the guest breaks is broken', async () => {
    const breaking = createServer((socket) => void socket.once('data', () => socket.resetAndDestroy()));
    breaking.listen(0, '127.0.0.1');
    await once(breaking, 'listening');
    await fixture.start({ dial: () => dial(breaking.address() as { address: string; port: number }) });
    const socket = await fixture.connect();
    socket.write(tunnel('ip=127.0.0.1&port=1'));
    await once(socket, 'data');
    socket.write('x');
    await once(socket, 'end');
    socket.destroy();
    breaking.close();
  });

  test('whose client goes while it is dialled leaves nothing', async () => {
    let dialled: ((socket: Duplex) => void) | undefined;
    let asked = (): void => {};
    const waiting = new Promise<void>((resolve) => {
      asked = resolve;
    });
    await fixture.start({
      limits: { requestMs: 50 },
      dial: () =>
        new Promise<Duplex>((resolve) => {
          dialled = resolve;
          asked();
        }),
    });
    const talk = converse([tunnel('ip=127.0.0.1&port=1')]);
    await waiting;
    await talk;
    const late = await dial({ address: '127.0.0.1', port: guest.port });
    dialled?.(late);
    await once(late, 'close');
  });

  test('is not there without a way into the network, nor after another request', async () => {
    await fixture.start();
    expect(await converse([tunnel('ip=127.0.0.1&port=1')])).toContain('501 Not Implemented');
    expect((await fixture.ask('GET', '/leases')).status).toBe(501);
    const close = 'GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    expect(await converse([LIST, close])).toMatch(/null\nHTTP\/1.1 400 [\s\S]*must be the first request/);
  });
});

describe('connect', () => {
  test('hands the stream over with what came after the request, and answers nothing', async () => {
    let got = '';
    await fixture.start({
      limits: { requestMs: 50 },
      connect: (stream) => {
        stream.on('data', (chunk: Buffer) => {
          got += chunk.toString();
          if (got === 'frames and more') stream.end('welcome');
        });
      },
    });
    const socket = await fixture.connect();
    socket.write('POST /connect HTTP/1.1\r\nHost: x\r\n\r\nframes');
    const answer = readAll(socket);
    setTimeout(() => socket.write(' and more'), 200); // Longer than a request may take.
    expect(await answer).toBe('welcome');
  });

  test('is refused where no machines are taken', async () => {
    await fixture.start();
    expect(await converse(['POST /connect HTTP/1.1\r\nHost: x\r\n\r\n'])).toContain('501 Not Implemented');
  });

  test('that fails ends its connection', async () => {
    await fixture.start({
      connect: () => {
        throw new Error('no');
      },
    });
    expect(await converse(['POST /connect HTTP/1.1\r\n\r\n'])).toBe('');
  });
});

describe('whatever comes', () => {
  const path = fc.constantFrom(
    '/forwards/expose/port',
    '/forwards/expose/pipe',
    '/forwards/unexpose/port',
    '/services/forwarder/expose',
    '/services/forwarder/unexpose',
    '/services/dns/add',
  );
  const name = fc.constantFrom(
    'proto',
    'out_ip',
    'out_port',
    'out_path',
    'in_ip',
    'in_port',
    'in_path',
    'local',
    'remote',
  );
  const value = fc.oneof(
    fc.constantFrom<unknown>('tcp', 'udp', 'unix', '192.0.2.1', '127.0.0.1:1', '192.0.2.1:80', '::', -1, 1e9),
    fc.jsonValue(),
  );
  const body = fc.oneof(
    fc.dictionary(fc.oneof(name, fc.string()), value).map((it) => JSON.stringify(it)),
    fc.json(),
    fc.string(),
  );

  test('bodies are answered, and the server lives', async () => {
    // Nothing real is opened: what a fuzzer makes up may be any address and path of this computer.
    const refusing = { open: () => Promise.reject(new Error('no')), list: () => [] };
    await fixture.start({ forwarder: refusing, dns: { list: () => [], add: () => {} } });
    const before = countDescriptors();
    await fc.assert(
      fc.asyncProperty(path, body, async (url, text) => {
        expect([200, 400, 500]).toContain((await fixture.ask('POST', url, text)).status);
      }),
      { numRuns: 300 },
    );
    expect((await fixture.ask('GET', '/forwards/list')).text).toBe('null\n');
    expect(countDescriptors()).toBeLessThanOrEqual(before + 2);
  });

  test('bytes are answered or hung up on, and the server lives', async () => {
    await fixture.start({ dial, connect: (stream) => void stream.destroy() });
    const bytes = fc.uint8Array({ maxLength: 300 }).map((it) => Buffer.from(it));
    const start = fc.constantFrom(
      '',
      LIST,
      'GET /tunnel?',
      'POST /connect HTTP/1.1\r\n',
      'PUT /x HTTP/1.1\r\nContent-Length: 9\r\n',
    );
    const pieces = fc
      .tuple(start, fc.array(bytes, { maxLength: 3 }))
      .map(([head, rest]) => [head, ...rest].filter((it) => it.length > 0));
    await fc.assert(
      fc.asyncProperty(pieces, async (them) => void (await converse(them, { end: true }))),
      { numRuns: 300 },
    );
    expect((await fixture.ask('GET', '/forwards/list')).text).toBe('null\n');
  });
});

test('closing ends every connection', async () => {
  const server = new ControlServer({ forwarder: fixture.forwarder });
  const accepting = createServer((socket) => server.accept(socket)).listen(0, '127.0.0.1');
  await once(accepting, 'listening');
  const client = connect((accepting.address() as { port: number }).port, '127.0.0.1');
  client.write(LIST);
  await once(client, 'data');
  server.close();
  await once(client, 'close');
  accepting.close();
});
