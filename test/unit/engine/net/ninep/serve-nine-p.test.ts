import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { type NinePConnection, serveNineP } from '../../../../../engine/net/ninep/serve-nine-p';
import { type NinePDirectory, type NinePFile, textFile } from '../../../../../engine/net/ninep/tree';
import { encode, NinePClient, text, u16, u32, u64 } from './nine-p-client';

// A tree with what the port tree has not: depth, large files, writes that take their time.
const LARGE = Buffer.alloc(200_000, 'abcdefg');
let written: string[];
let finish: () => void;
let held: Promise<void>;
let closed: number;
const large: NinePFile = {
  ...textFile('large', 3, ''),
  lengthBytes: () => LARGE.length,
  open: () => ({ read: () => LARGE }),
};
const slow: NinePFile = {
  ...textFile('slow', 4, ''),
  permissions: 0o666,
  open: () => ({
    read: () => Buffer.alloc(0),
    write: async (data) => {
      await held;
      written.push(data.toString());
    },
    close: async () => {
      closed++;
    },
  }),
};
const folder = (name: string, qidPath: number, children: NinePDirectory['children']): NinePDirectory => ({
  kind: 'directory',
  name,
  qidPath,
  permissions: 0o755,
  children,
  child: (wanted) => children().find((it) => it.name === wanted),
});
const many = Array.from({ length: 100 }, (_, index) => textFile(`file${index}`, 100 + index, 'x'));
const tree = folder('/', 0, () => [folder('many', 1, () => many), folder('deep', 2, () => [tree]), large, slow]);

let server: Server;
let served: NinePConnection[];
let accepted: Socket[];
const sockets: Socket[] = [];
beforeEach(async () => {
  written = [];
  closed = 0;
  served = [];
  held = new Promise((resolve) => {
    finish = resolve;
  });
  accepted = [];
  server = createServer((socket) => {
    accepted.push(socket);
    served.push(serveNineP(socket, tree));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  finish();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const connection of served) connection.close();
  await Promise.all(served.map((connection) => connection.closed));
  await new Promise((resolve) => server.close(resolve));
});

async function dial(): Promise<NinePClient> {
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  return new NinePClient(socket);
}
const mount = async (msize?: number) => (await dial()).mount(msize);

describe('version', () => {
  test.each([
    [8192, '9P2000', 8192, '9P2000'],
    [1_000_000, '9P2000', 65_560, '9P2000'],
    [8192, '9P2000.u', 8192, '9P2000'],
    [8192, '9P2000.L', 8192, '9P2000'],
    [8192, '9P1', 8192, 'unknown'],
    [8192, '', 8192, 'unknown'],
  ])('%i %s becomes %i %s', async (msize, version, agreedMsize, agreed) => {
    expect(await (await dial()).version(msize, version)).toEqual({ msize: agreedMsize, version: agreed });
  });

  test('a tiny msize is refused, and nothing goes on without a version', async () => {
    const client = await dial();
    await expect(client.version(100)).rejects.toThrow('msize must be at least 512');
    await expect(client.attach()).rejects.toThrow('the version is not agreed on');
    await client.version(8192, '9P1');
    await expect(client.attach()).rejects.toThrow('the version is not agreed on');
    await client.mount();
  });

  test('begins anew: all fids are gone and closed', async () => {
    const client = await mount();
    await client.walk(0, 1, 'slow');
    await client.open(1);
    await client.version();
    expect(closed).toBe(1);
    await expect(client.clunk(0)).rejects.toThrow('fid not found');
  });
});

describe('fids', () => {
  test('authentication is not asked for', async () => {
    const client = await dial();
    await client.version();
    await expect(client.ask(102, u32(9), text('me'), text(''))).rejects.toThrow('authentication is not needed');
    await expect(client.attach(0, 9)).rejects.toThrow('authentication is not needed');
  });

  test('have one use at a time', async () => {
    const client = await mount();
    await expect(client.attach(0)).rejects.toThrow('fid is in use');
    await expect(client.attach(0xffffffff)).rejects.toThrow('fid is in use');
    await client.walk(0, 1);
    await expect(client.walk(0, 1)).rejects.toThrow('fid is in use');
    await client.clunk(1);
    await expect(client.clunk(1)).rejects.toThrow('fid not found');
    await client.walk(0, 1, 'large');
    await client.open(1, 0);
    await expect(client.open(1, 0)).rejects.toThrow('fid is open');
    await expect(client.walk(1, 2)).rejects.toThrow('fid is open');
  });

  test('walk up, down and part of the way', async () => {
    const client = await mount();
    expect(await client.walk(0, 1, 'many', 'file7')).toEqual([
      '80000000000100000000000000',
      '00000000006b00000000000000',
    ]);
    expect(await client.walk(0, 2, 'many', '..', '..', 'large')).toHaveLength(4);
    expect((await client.stat(2)).name).toBe('large');
    expect(await client.walk(0, 3, 'many', 'nothing')).toHaveLength(1);
    await expect(client.stat(3)).rejects.toThrow('fid not found');
    await expect(client.walk(0, 3, 'nothing')).rejects.toThrow('file not found');
    await expect(client.walk(2, 3, 'x')).rejects.toThrow('file not found');
    await client.walk(0, 0, 'many');
    expect((await client.stat(0)).name).toBe('many');
  });

  test('are limited in number and depth', async () => {
    const client = await mount();
    await Promise.all(Array.from({ length: 4095 }, (_, index) => client.walk(0, index + 1)));
    await expect(client.walk(0, 5000)).rejects.toThrow('too many fids');
    await client.clunk(1);
    const down = Array.from({ length: 16 }, (_, index) => (index % 2 === 0 ? 'deep' : '/'));
    expect(await client.walk(0, 1, ...down)).toHaveLength(16);
    expect(await client.walk(1, 1, ...down)).toHaveLength(15);
  });
});

describe('reading and writing', () => {
  test('a file comes in pieces of at most the message size', async () => {
    const client = await mount(4096);
    await client.walk(0, 1, 'large');
    expect(await client.open(1, 0)).toMatchObject({ ioUnit: 4096 - 24 });
    const pieces: Buffer[] = [];
    for (let offset = 0; ; ) {
      const piece = await client.read(1, offset, 1_000_000);
      if (piece.length === 0) break;
      pieces.push(piece);
      offset += piece.length;
    }
    expect(pieces[0]).toHaveLength(4096 - 11);
    expect(Buffer.concat(pieces).equals(LARGE)).toBe(true);
    expect(await client.read(1, 2 ** 53)).toHaveLength(0);
  });

  test.each([512, 8192])('a directory comes in whole entries, %i bytes at a time', async (count) => {
    const client = await mount();
    await client.walk(0, 1, 'many');
    expect(await client.open(1, 0)).toMatchObject({ ioUnit: 512 });
    const names = many.map(({ name }) => name);
    expect((await client.list(1, count)).map(({ name }) => name)).toEqual(names);
    expect((await client.list(1, count)).map(({ name }) => name)).toEqual(names);
    await expect(client.read(1, 5)).rejects.toThrow('read in order');
    await expect(client.read(1, 0, 10)).rejects.toThrow('too small');
  });

  test('only what is open, and as it was opened', async () => {
    const client = await mount();
    await client.walk(0, 1, 'slow');
    await expect(client.read(1)).rejects.toThrow('fid is not open');
    await expect(client.write(1, 'x')).rejects.toThrow('permission denied');
    await client.open(1, 1);
    await expect(client.read(1)).rejects.toThrow('permission denied');
    await client.walk(0, 2, 'large');
    await expect(client.open(2, 2)).rejects.toThrow('permission denied');
    await expect(client.open(2, 0x40)).rejects.toThrow('permission denied');
    await client.open(2, 0);
    await expect(client.write(2, 'x')).rejects.toThrow('permission denied');
    await client.walk(0, 3, 'many');
    await expect(client.open(3, 1)).rejects.toThrow('permission denied');
    await expect(client.create(3, 'x')).rejects.toThrow('permission denied');
    await expect(client.remove(3)).rejects.toThrow('permission denied');
    await expect(client.clunk(3)).rejects.toThrow('fid not found'); // Removing ends a fid in any case.
    await expect(client.ask(126, u32(2), text(''))).rejects.toThrow('permission denied');
  });

  test('the state of a file', async () => {
    const client = await mount();
    expect(await client.stat(0)).toEqual({ name: '/', mode: 0x800001ed, length: 0, qid: '80000000000000000000000000' });
    await client.walk(0, 1, 'large');
    expect(await client.stat(1)).toMatchObject({ name: 'large', mode: 0o444, length: LARGE.length });
  });
});

describe('requests under way', () => {
  test('do not hold others up; a flush waits for them', async () => {
    const client = await mount();
    await client.walk(0, 1, 'slow');
    await client.open(1);
    const order: string[] = [];
    const write = client
      .call(118, Buffer.concat([u32(1), u64(0), u32(1), Buffer.from('x')]), 500)
      .then(() => order.push('write'));
    const flush = client.ask(108, u16(500)).then(() => order.push('flush'));
    await client.stat(0);
    expect(order).toEqual([]);
    finish();
    await Promise.all([write, flush]);
    expect(order).toEqual(['write', 'flush']);
    await client.ask(108, u16(499)); // Nothing to wait for.
  });

  test('more than 64 wait outside', async () => {
    const client = await mount();
    for (let fid = 1; fid <= 100; fid++) await client.walk(0, fid, 'slow').then(() => client.open(fid));
    const writes = Array.from({ length: 100 }, (_, index) => client.write(index + 1, `${index}`));
    const after = client.stat(0);
    const early = await Promise.race([
      after.then(() => 'stat'),
      new Promise((resolve) => setTimeout(resolve, 100, 'held')),
    ]);
    expect(early).toBe('held');
    finish();
    await Promise.all([...writes, after]);
    expect(written).toHaveLength(100);
  });

  test('a tag that is in use ends the connection', async () => {
    const client = await mount();
    await client.walk(0, 1, 'slow');
    await client.open(1);
    const write = encode(118, 500, Buffer.concat([u32(1), u64(0), u32(0)]));
    client.stream.write(Buffer.concat([write, write]));
    await client.closed;
    finish();
    await served[0]?.closed;
    expect(written).toHaveLength(1);
  });
});

test('a connection that is lost closes its files, even those still written to', async () => {
  const client = await mount();
  for (const fid of [1, 2]) await client.walk(0, fid, 'slow').then(() => client.open(fid));
  void client.write(1, 'late').catch(() => {});
  await client.stat(0);
  client.stream.destroy();
  finish();
  await served[0]?.closed;
  expect(closed).toBe(2);
  expect(written).toEqual(['late']);
});

test('a client that does not read its replies is not read from either', async () => {
  const client = await mount();
  await client.walk(0, 1, 'large');
  await client.open(1, 0);
  client.stream.pause();
  const ask = encode(116, 0, Buffer.concat([u32(1), u64(0), u32(65_536)]));
  // 23 bytes ask for 64 KiB each: without a brake this would be gigabytes of replies.
  for (let round = 0; round < 100; round++) {
    client.stream.write(Buffer.concat(Array.from({ length: 1000 }, () => ask)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(accepted[0]?.writableLength).toBeLessThan(1_000_000);
  client.stream.destroy();
  await served[0]?.closed;
});

describe('whatever comes', () => {
  const message = fc.oneof(
    fc
      .tuple(fc.integer({ min: 100, max: 127 }), fc.nat(3), fc.uint8Array({ maxLength: 40 }))
      .map(([type, tag, body]) => encode(type, tag, Buffer.from(body))),
    fc.uint8Array({ maxLength: 40 }).map((it) => Buffer.from(it)),
  );

  test('the server lives and lets go', async () => {
    const before = closed;
    finish();
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(message), async (mounted, messages) => {
        const client = await dial();
        if (mounted) {
          await client.mount();
          await client.walk(0, 1, 'slow');
          await client.open(1);
        }
        client.stream.end(Buffer.concat(messages));
        client.stream.resume();
        await client.closed;
      }),
      { numRuns: 200 },
    );
    await Promise.all(served.map((connection) => connection.closed));
    expect(closed).toBeGreaterThan(before);
    await mount();
  });

  test.each([0, 6, 70_000, 0xffffffff])('a message of %i bytes ends the connection', async (size) => {
    const client = await mount();
    client.stream.write(Buffer.concat([u32(size), Buffer.alloc(3)]));
    await client.closed;
  });

  test('an unknown or a broken message is answered with an error', async () => {
    const client = await mount();
    await expect(client.ask(99)).rejects.toThrow('unknown message type');
    await expect(client.ask(110, u32(0))).rejects.toThrow('malformed message');
    await client.stat(0);
  });
});
