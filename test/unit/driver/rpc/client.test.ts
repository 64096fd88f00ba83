import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { GobDecoder, gob } from '../../../../driver/gob';
import { EMPTY, NOTHING, RpcClient } from '../../../../driver/rpc';
import { HEAD, hex, startServer } from './raw-client';

/** A server of bytes: does what it is told with each connection. */
async function listen(handle: (socket: Socket) => void): Promise<{ server: Server; address: string }> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    handle(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const welcome = 'HTTP/1.0 200 Connected to Go RPC\n\n';
const getVersion = (client: RpcClient) => client.call('S.GetVersion', NOTHING, EMPTY, gob.int);

describe('connecting', () => {
  test.each([
    ['the wrong status', 'HTTP/1.1 200 OK\r\n\r\n', /unexpected HTTP response: 200 OK/],
    ['something else than HTTP', 'SSH-2.0-x\n\n', /unexpected HTTP response: SSH-2\.0-x/],
    ['an endless head', 'x'.repeat(100_000), /unexpected HTTP response: endless head/],
  ])('fails on %s', async (_, head, text) => {
    const { server, address } = await listen((socket) => socket.write(head));
    await expect(RpcClient.connect(address)).rejects.toMatchObject({
      code: 'RPC_REFUSED',
      message: expect.stringMatching(text),
    });
    server.close();
  });

  test('fails when the server hangs up, says nothing, or is not there', async () => {
    const hangsUp = await listen((socket) => socket.end());
    await expect(RpcClient.connect(hangsUp.address)).rejects.toThrow('unexpected EOF');
    hangsUp.server.close();
    const silent = await listen(() => {});
    await expect(RpcClient.connect(silent.address, { connectTimeoutMs: 50 })).rejects.toThrow('no answer within 50 ms');
    silent.server.close();
    await expect(RpcClient.connect(hangsUp.address)).rejects.toMatchObject({
      code: 'RPC_REFUSED',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test.each(['', '127.0.0.1', ':80', '127.0.0.1:', '127.0.0.1:0', '127.0.0.1:65536', 'hello'])(
    'fails on the address %j',
    async (address) => {
      await expect(RpcClient.connect(address)).rejects.toThrow(/not HOST:PORT$/);
    },
  );

  test.each(['HTTP/1.1 200 Connected to Go RPC\r\nX: y\r\n\r\n', welcome])(
    'takes the head %j, in pieces too, with bytes after it',
    async (head) => {
      // Definition of Response, Response{Seq 0}, int 22.
      const answer =
        hex(`3a ff85 03 01 01 08 526573706f6e7365 01 ff86 00 01 03 01 0d 536572766963654d6574686f64 01 0c 00
        01 03 536571 01 06 00 01 05 4572726f72 01 0c 00 00 00   03 ff86 00   03 04002c`);
      const { server, address } = await listen((socket) => {
        socket.setNoDelay(true);
        socket.once('data', (bytes: Buffer) => {
          expect(bytes.toString()).toBe(HEAD.toString());
          socket.write(head.slice(0, 10));
          setTimeout(() => socket.write(head.slice(10)), 10);
          socket.once('data', () => socket.write(answer));
        });
      });
      const client = await RpcClient.connect(address);
      expect(await getVersion(client)).toBe(22);
      await client.close();
      server.close();
    },
  );
});

describe('calling', () => {
  test('sends what a Go client sends', async () => {
    const received: Buffer[] = [];
    const { server, address } = await listen((socket) => {
      socket.once('data', () => {
        socket.write(welcome);
        socket.on('data', (chunk: Buffer) => received.push(chunk));
      });
    });
    const client = await RpcClient.connect(address);
    getVersion(client).catch(() => {});
    client.call('S.SetConfigRaw', Buffer.from('{"a":1}'), gob.bytes, EMPTY).catch(() => {});
    while (Buffer.concat(received).length < 110) await new Promise((resolve) => setTimeout(resolve, 5));
    const decoder = new GobDecoder();
    decoder.push(Buffer.concat(received));
    const values = [];
    for (let item = decoder.next(); item !== undefined; item = decoder.next()) values.push(item.value);
    expect(values).toEqual([
      { ServiceMethod: 'S.GetVersion', Seq: 0 },
      {},
      { ServiceMethod: 'S.SetConfigRaw', Seq: 1 },
      Buffer.from('{"a":1}'),
    ]);
    await client.close();
    server.close();
  });

  test('a call whose argument cannot be sent leaves the connection usable', async () => {
    const server = await startServer({
      services: { S: { GetVersion: { argument: EMPTY, reply: gob.int, handle: () => 1 } } },
    });
    const client = await RpcClient.connect(server.address);
    await expect(client.call('S.GetVersion', 'text', gob.int, gob.int)).rejects.toThrow(
      'gob: cannot encode string as int',
    );
    expect(await getVersion(client)).toBe(1);
    await client.close();
    await server.stop();
  });

  test('fails when the answer is of another type, is late, or is not wanted', async () => {
    const server = await startServer({
      services: {
        S: {
          Text: { argument: EMPTY, reply: gob.string, handle: () => 'text' },
          Never: { argument: EMPTY, reply: gob.int, handle: () => new Promise(() => {}) },
          Late: {
            argument: EMPTY,
            reply: gob.int,
            handle: () => new Promise((resolve) => setTimeout(resolve, 40, 4)),
          },
        },
      },
    });
    const client = await RpcClient.connect(server.address);
    await expect(client.call('S.Text', NOTHING, EMPTY, gob.int)).rejects.toMatchObject({
      code: 'RPC_BODY',
      message: 'reading body gob: decoding into local type int, received remote type string',
    });
    const late = client.call('S.Late', NOTHING, EMPTY, gob.int, { deadlineMs: 20 });
    await expect(late).rejects.toMatchObject({ code: 'RPC_DEADLINE', message: 'S.Late did not answer within 20 ms' });
    expect(await client.call('S.Text', NOTHING, EMPTY, gob.string, { deadlineMs: 1000 })).toBe('text');
    expect(await client.call('S.Text', NOTHING, EMPTY, EMPTY)).toEqual({});
    const never = client.call('S.Never', NOTHING, EMPTY, gob.int);
    const closing = client.close();
    await expect(never).rejects.toMatchObject({ code: 'RPC_SHUTDOWN', message: 'connection is shut down' });
    await closing;
    await expect(getVersion(client)).rejects.toMatchObject({ code: 'RPC_SHUTDOWN' });
    await server.stop();
  });

  test('fails like Go when the server dies', async () => {
    const { server, address } = await listen((socket) => {
      socket.once('data', () => {
        socket.write(welcome);
        socket.once('data', () => socket.destroy());
      });
    });
    const client = await RpcClient.connect(address);
    await expect(getVersion(client)).rejects.toMatchObject({ code: 'RPC_LOST', message: 'unexpected EOF' });
    await expect(getVersion(client)).rejects.toMatchObject({
      code: 'RPC_SHUTDOWN',
      message: 'connection is shut down',
    });
    await client.closed;
    server.close();
  });

  test('a server that talks nonsense is a server lost', async () => {
    const { server, address } = await listen((socket) => {
      socket.once('data', () => {
        socket.write(welcome);
        socket.once('data', () => socket.write(Buffer.alloc(100, 0xf0)));
      });
    });
    const client = await RpcClient.connect(address);
    await expect(getVersion(client)).rejects.toMatchObject({ code: 'RPC_LOST' });
    server.close();
  });
});
