import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GobValue, gob } from '../../../../driver/gob';
import { EMPTY, NOTHING, RpcClient, type RpcLimits, type RpcServerOptions } from '../../../../driver/rpc';
import { DEFAULT_RPC_LIMITS } from '../../../../driver/rpc/limits';
import { CONNECTED, HEAD, hex, startServer, type TestServer } from './raw-client';

/** A promise somebody else settles. */
function gate<T = void>() {
  let open: (value: T) => void = () => {};
  const passed = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

let server: TestServer;
afterEach(() => server.stop());

type Method = (argument: GobValue, caller: AbortSignal) => GobValue | Promise<GobValue>;

async function serve(
  methods: Readonly<Record<string, Method>>,
  options: Partial<RpcServerOptions> = {},
): Promise<RpcClient> {
  const service = Object.fromEntries(
    Object.entries(methods).map(([name, handle]) => [name, { argument: gob.int, reply: gob.int, handle }]),
  );
  server = await startServer({ services: { S: service }, ...options });
  return RpcClient.connect(server.address);
}

const call = (client: RpcClient, method: string, argument: GobValue = 0) =>
  client.call(method, argument, gob.int, gob.int);

const limits = (changed: Partial<RpcLimits>) => ({ limits: { ...DEFAULT_RPC_LIMITS, ...changed } });

describe('calls', () => {
  test('of a connection run at the same time and are answered when they are done', async () => {
    const slow = gate<number>();
    const client = await serve({ Slow: () => slow.passed, Fast: (n) => (n as number) * 2 });
    const order: string[] = [];
    const first = call(client, 'S.Slow').then((reply) => order.push(`slow ${reply}`));
    const second = call(client, 'S.Fast', 21).then((reply) => order.push(`fast ${reply}`));
    await second;
    slow.open(7);
    await first;
    expect(order).toEqual(['fast 42', 'slow 7']);
    await client.close();
  });

  test.each([
    ['S.Foo', "rpc: can't find method S.Foo"],
    ['T.Foo', "rpc: can't find service T.Foo"],
    ['T.U.Foo', "rpc: can't find service T.U.Foo"],
    ['Foo', 'rpc: service/method request ill-formed: Foo'],
    ['', 'rpc: service/method request ill-formed: '],
    ['S.', "rpc: can't find method S."],
    ['.', "rpc: can't find service ."],
    ['S.constructor', "rpc: can't find method S.constructor"],
    ['__proto__.toString', "rpc: can't find service __proto__.toString"],
  ])('of %j fail in the words of Go', async (method, text) => {
    const client = await serve({ One: () => 1 });
    await expect(call(client, method)).rejects.toMatchObject({ code: 'RPC_SERVER', message: text });
    expect(await call(client, 'S.One')).toBe(1);
    await client.close();
  });

  test('with an argument of another type fail, and the connection goes on', async () => {
    const client = await serve({ One: () => 1 });
    const wrong = client.call('S.One', 'text', gob.string, gob.int);
    await expect(wrong).rejects.toThrow('gob: decoding into local type int, received remote type string');
    expect(await call(client, 'S.One')).toBe(1);
    await client.close();
  });

  test.each([
    ['an error', () => Promise.reject(new Error('two\nlines')), 'two\nlines'],
    ['an error without words', () => Promise.reject(new RangeError('')), 'RangeError'],
    ['no error at all', () => Promise.reject(''), 'unknown error'],
    [
      'an exception',
      () => {
        throw new Error('thrown');
      },
      'thrown',
    ],
    ['a reply of another type', () => 'text', 'gob: cannot encode string as int'],
  ])('whose method gives %s fail with a text', async (_, handle, text) => {
    const client = await serve({ Bad: handle, One: () => 1 });
    await expect(call(client, 'S.Bad')).rejects.toThrow(new Error(text));
    expect(await call(client, 'S.One')).toBe(1);
    await client.close();
  });

  test('are told to whoever counts them, also the unknown ones', async () => {
    const seen: string[] = [];
    const client = await serve({ One: () => 1 }, { onCall: (method) => seen.push(method) });
    await call(client, 'S.One');
    await call(client, 'S.Two').catch(() => {});
    expect(seen).toEqual(['S.One', 'S.Two']);
    await client.close();
  });

  test('hear when nobody will read their reply any more', async () => {
    const heard: string[] = [];
    const gone = gate();
    const client = await serve({
      Slow: async (_, caller) => {
        caller.addEventListener('abort', () => gone.open());
        heard.push(`begun ${caller.aborted}`);
        await gone.passed;
        heard.push(`gone ${caller.aborted}`);
        return 0;
      },
    });
    const lost = expect(call(client, 'S.Slow')).rejects.toThrow();
    while (heard.length === 0) await sleep(5);
    await client.close();
    await lost;
    await gone.passed;
    expect(heard).toEqual(['begun false', 'gone true']);
  });

  test('beyond the limit wait until one is done', async () => {
    let running = 0;
    let most = 0;
    const client = await serve(
      {
        Work: async (n) => {
          running += 1;
          most = Math.max(most, running);
          await sleep(1);
          running -= 1;
          return n;
        },
      },
      limits({ callsInFlight: 3 }),
    );
    const numbers = Array.from({ length: 50 }, (_, index) => index);
    expect(await Promise.all(numbers.map((n) => call(client, 'S.Work', n)))).toEqual(numbers);
    expect(most).toBe(3);
    await client.close();
  });

  test('of a client that reads no answers are not read either', async () => {
    let calls = 0;
    const text = 'x'.repeat(100_000);
    server = await startServer({
      services: {
        S: {
          Text: {
            argument: EMPTY,
            reply: gob.string,
            handle: () => {
              calls += 1;
              return text;
            },
          },
        },
      },
      ...limits({ unreadReplyBytes: 200_000 }),
    });
    const client = await RpcClient.connect(server.address);
    const raw = await server.connect();
    raw.socket.pause();
    raw.send(HEAD, hex('2f ff81 03 01 01 07 52657175657374 01 ff82 00 01 02'));
    raw.send(hex('01 0d 536572766963654d6574686f64 01 0c 00 01 03 536571 01 06 00 00 00'));
    raw.send(hex('0b ff82 01 06 532e54657874 00  0a ff83 03 01 02 ff84 00 00 00  03 ff84 00'));
    for (let round = 0; round < 400; round++) raw.send(hex('0b ff82 01 06 532e54657874 00  03 ff84 00'));
    await sleep(200);
    const before = calls;
    expect(before).toBeLessThan(300); // the kernel itself takes several MB
    expect(await client.call('S.Text', NOTHING, EMPTY, gob.string)).toBe(text);
    raw.socket.removeAllListeners('data').resume();
    while (calls < 402) await sleep(5);
    await client.close();
  });
});

describe('connections', () => {
  test.each([
    ['GET /_goRPC_ HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.0 405 /],
    ['CONNECT / HTTP/1.0\n\n', /^HTTP\/1\.0 404 /],
    ['\u0016\u0003\u0001\n\n', /^HTTP\/1\.0 400 /],
  ])('that begin with %j are answered and closed', async (head, answer) => {
    const client = await serve({ One: () => 1 });
    const raw = await server.connect();
    raw.send(head, 'more');
    await raw.closed;
    expect(raw.received.toString()).toMatch(answer);
    await client.close();
  });

  test('whose head has no end are closed', async () => {
    const client = await serve({ One: () => 1 });
    const raw = await server.connect();
    raw.send('x'.repeat(100_000));
    await raw.closed;
    expect(raw.received).toHaveLength(0);
    await client.close();
  });

  test('that are slow with their head are closed, those that idle after it are not', async () => {
    server = await startServer({ services: { S: {} }, ...limits({ headMs: 100 }) });
    const idle = await server.connect();
    idle.send(HEAD);
    const slow = await server.connect();
    const dripping = setInterval(() => slow.send('x'), 10);
    await slow.closed;
    clearInterval(dripping);
    await sleep(50);
    expect(idle.socket.destroyed).toBe(false);
    expect(idle.received).toEqual(CONNECTED);
  });

  test('with garbage in the stream are closed, alone', async () => {
    const faults: string[] = [];
    const client = await serve({ One: () => 1 }, { onFault: (text) => faults.push(text) });
    const raw = await server.connect();
    raw.send(HEAD, Buffer.alloc(64, 0xf0));
    await raw.closed;
    expect(raw.received).toEqual(CONNECTED);
    expect(faults).toEqual([expect.stringContaining('closed a connection: gob: ')]);
    expect(await call(client, 'S.One')).toBe(1);
    await client.close();
  });

  test('with an oversized message are closed before it has arrived', async () => {
    const client = await serve({ One: () => 1 });
    const raw = await server.connect();
    raw.send(HEAD, hex('fb 7fffffffff'));
    await raw.closed;
    expect(await call(client, 'S.One')).toBe(1);
    await client.close();
  });

  test('beyond the limit are closed at once', async () => {
    const client = await serve({ One: () => 1 }, limits({ connections: 3 }));
    const second = await server.connect();
    const third = await server.connect();
    const fourth = await server.connect();
    await fourth.closed;
    expect([second.socket.destroyed, third.socket.destroyed]).toEqual([false, false]);
    second.socket.destroy();
    await sleep(20);
    const fifth = await server.connect();
    fifth.send(HEAD);
    expect(await fifth.receive(CONNECTED.length)).toEqual(CONNECTED);
    await client.close();
  });

  test('are read only when they are admitted', async () => {
    const decision = gate<boolean>();
    server = await startServer({ services: { S: {} }, admit: () => decision.passed });
    const raw = await server.connect();
    raw.send(HEAD);
    await sleep(50);
    expect(raw.received).toHaveLength(0);
    decision.open(true);
    expect(await raw.receive(CONNECTED.length)).toEqual(CONNECTED);
  });

  test.each([
    ['refused', async () => false],
    ['refused when nobody can tell', () => Promise.reject(new Error('EMFILE'))],
  ])('are %s without a byte', async (_, admit) => {
    server = await startServer({ services: { S: {} }, admit });
    const raw = await server.connect();
    raw.send(HEAD);
    await raw.closed;
    expect(raw.received).toHaveLength(0);
  });

  test('a thousand of them with noise leave the server serving', async () => {
    const client = await serve({ One: () => 1 }, limits({ connections: 2000 }));
    const noise = async (index: number) => {
      const raw = await server.connect();
      const bytes = randomBytes(1 + ((index * 37) % 500));
      raw.send(index % 2 === 0 ? Buffer.concat([HEAD, bytes]) : bytes);
      await sleep(index % 5);
      raw.socket.resetAndDestroy();
    };
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => noise(round * 50 + index)));
      expect(await call(client, 'S.One')).toBe(1);
    }
    await client.close();
  });

  test('end when the server closes, after their answers', async () => {
    const client = await serve({
      Last: () => {
        setImmediate(() => void server.rpc.close());
        return 5;
      },
    });
    expect(await call(client, 'S.Last')).toBe(5);
    await client.closed;
  });

  test('that do not end by themselves are cut', async () => {
    const client = await serve({ One: () => 1 });
    const raw = await server.connect();
    raw.send(HEAD);
    await raw.receive(CONNECTED.length);
    raw.socket.pause();
    const half = await server.connect();
    half.socket.allowHalfOpen = true;
    half.send(HEAD);
    await half.receive(CONNECTED.length);
    await server.rpc.close(50);
    await client.close();
  });
});
