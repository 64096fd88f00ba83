import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { allowBind } from '../../../../../engine/net/control/allow-bind';
import { createPortTree, type PortTreeOptions } from '../../../../../engine/net/ninep/port-tree';
import { type NinePConnection, serveNineP } from '../../../../../engine/net/ninep/serve-nine-p';
import { countDescriptors } from '../../../../support/descriptors';
import { temporaryFolder } from '../../../../support/temporary-folder';
import { type Echo, echo, isFree, startEcho } from '../control/control-fixture';
import { LoopbackForwarder } from '../control/loopback-forwarder';
import { NinePClient } from './nine-p-client';

let forwarder: LoopbackForwarder;
let guest: Echo;
let server: Server | undefined;
const served: NinePConnection[] = [];
beforeEach(async () => {
  forwarder = new LoopbackForwarder();
  guest = await startEcho();
});
afterEach(async () => {
  for (const connection of served.splice(0)) {
    connection.close();
    await connection.closed;
  }
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  await forwarder.closeAll();
  await guest.close();
});

async function start(options: Partial<PortTreeOptions> = {}): Promise<NinePClient> {
  const tree = createPortTree({ forwarder, ...options });
  server = createServer((socket) => served.push(serveNineP(socket, tree))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return await another();
}

async function another(): Promise<NinePClient> {
  const client = new NinePClient(connect((server?.address() as AddressInfo | undefined)?.port ?? 0, '127.0.0.1'));
  return await client.mount();
}

/** mkdir, open and write, with the fids `fid` (ctl) and `fid + 1`; gives the answer. */
async function request(client: NinePClient, spec: string, fid = 1, name = spec): Promise<string> {
  await client.walk(0, fid + 1);
  await client.create(fid + 1, name);
  await client.clunk(fid + 1);
  await client.walk(0, fid, name, 'ctl');
  await client.open(fid);
  expect(await client.write(fid, spec)).toBe(spec.length);
  return (await client.read(fid)).toString();
}

const spec = (port = 0) => `tcp:127.0.0.1:${port}:tcp:127.0.0.1:${guest.port}`;
const portOf = (answer: string) => Number(/^OK (?:tcp|udp):[^:]+:(\d+):/.exec(answer)?.[1]);

async function names(client: NinePClient, fid = 900): Promise<string[]> {
  await client.walk(0, fid);
  await client.open(fid, 0);
  const entries = await client.list(fid);
  await client.clunk(fid);
  return entries.map(({ name }) => name);
}

test('a request becomes a forward, a file of the root, and ends with its ctl', async () => {
  const client = await start();
  expect(await names(client)).toEqual(['README']);
  const answer = await request(client, spec());
  const port = portOf(answer);
  expect(answer).toBe(`OK ${spec(port)}\n`);
  expect(await echo({ port }, 'hello')).toBe('hello');

  expect(await names(client)).toEqual(['README', spec()]);
  await client.walk(0, 5, spec());
  await client.open(5, 0);
  expect((await client.read(5)).toString()).toBe(`${spec(port)}\n`);
  expect((await client.stat(5)).length).toBe(spec(port).length + 1);

  await client.clunk(1);
  expect(await isFree(port)).toBe(true);
  expect(await names(client)).toEqual(['README']);
  expect((await client.read(5)).toString()).toBe('');
});

test('the README says how', async () => {
  const client = await start();
  await client.walk(0, 1, 'README');
  await client.open(1, 0);
  expect((await client.read(1)).toString()).toContain('tcp:EXTIP:EXTPORT:tcp:INTIP:INTPORT');
  await expect(client.remove(1)).rejects.toThrow('permission denied');
});

test('before a request ctl says that there is none, after it there is no second', async () => {
  const client = await start();
  await client.walk(0, 2);
  const qid = await client.create(2, 'mine');
  expect(qid.slice(0, 2)).toBe('80');
  expect(await client.walk(0, 1, 'mine', 'ctl')).toEqual([qid, expect.stringMatching(/^00/)]);
  expect(await client.open(1)).toMatchObject({ ioUnit: 32_768 });
  expect((await client.read(1)).toString()).toBe('ERROR no request received. Please read the README.\n');
  await client.write(1, `${spec()}\n`);
  await expect(client.write(1, spec())).rejects.toThrow('permission denied');
  expect(portOf((await client.read(1)).toString())).toBeGreaterThan(0);
  expect((await client.read(1, 3, 4)).toString()).toBe('tcp:');
});

test.each(['clunk', 'remove'] as const)('%s of the ctl frees the port before it is answered', async (how) => {
  const client = await start();
  const port = portOf(await request(client, spec()));
  await client[how](1);
  expect(await isFree(port)).toBe(true);
  expect(portOf(await request(client, spec(port)))).toBe(port);
});

test('a lost connection frees all its ports, and its directories', async () => {
  const client = await start();
  const ports = [];
  for (const fid of [10, 20, 30]) ports.push(portOf(await request(client, spec(), fid, `forward${fid}`)));
  await client.walk(0, 2);
  await client.create(2, 'unused');
  const other = await another();
  expect(await names(other)).toEqual(['README', 'forward10', 'forward20', 'forward30']);
  await other.walk(0, 1, 'unused');
  client.stream.destroy();
  await served[0]?.closed;
  for (const port of ports) expect(await isFree(port)).toBe(true);
  expect(await names(other)).toEqual(['README']);
  await expect(other.walk(0, 3, 'unused')).rejects.toThrow('file not found');
});

test('a connection lost while the host still opens frees the port as well', async () => {
  let asked = (): void => {};
  let admit = (): void => {};
  const waiting = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const held = new Promise<void>((resolve) => {
    admit = resolve;
  });
  const client = await start({
    forwarder: {
      open: async (wanted) => {
        asked();
        await held;
        return forwarder.open(wanted);
      },
      list: () => forwarder.list(),
    },
  });
  void request(client, spec()).catch(() => {});
  await waiting;
  client.stream.destroy();
  admit();
  await served[0]?.closed;
  expect(forwarder.list()).toEqual([]);
});

test('others can neither end a forward nor make it again', async () => {
  const client = await start();
  const port = portOf(await request(client, spec(), 1, 'mine'));
  const other = await another();
  await other.walk(0, 1, 'mine');
  await expect(other.remove(1)).rejects.toThrow('permission denied');
  await other.walk(0, 1);
  await expect(other.create(1, 'mine')).rejects.toThrow('file already exists');
  await expect(other.walk(0, 2, 'mine', 'ctl').then((qids) => qids.length)).resolves.toBe(1);
  expect(await echo({ port }, 'x')).toBe('x');
});

test('a ctl that others hold open does not keep the forward, nor end it', async () => {
  const client = await start();
  await client.walk(0, 5);
  await client.create(5, 'mine');
  const other = await another();
  await other.walk(0, 1, 'mine', 'ctl');
  await other.open(1);
  await client.walk(0, 1, 'mine', 'ctl');
  await client.open(1);
  await client.write(1, spec());
  const answer = (await client.read(1)).toString();
  expect((await other.read(1)).toString()).toBe(answer);
  await expect(other.write(1, spec())).rejects.toThrow('permission denied');
  await other.clunk(1);
  expect(await echo({ port: portOf(answer) }, 'x')).toBe('x');
});

test('refusals are told in the words clients look for, and can be removed', async () => {
  const client = await start();
  const port = portOf(await request(client, spec(), 1, 'first'));
  expect(await request(client, spec(port), 10, 'second')).toBe(
    `ERROR Bind for 127.0.0.1:${port} failed: port is already allocated\n`,
  );
  expect(await names(client)).toEqual(['README', 'first']);
  // As VPNKit's clients do after an error: by a walk of their own.
  await client.walk(0, 12, 'second', 'ctl');
  await client.remove(12);
  await expect(client.walk(0, 12, 'second')).rejects.toThrow('file not found');
  await client.clunk(10);

  const away = `tcp:192.0.2.1:80:tcp:127.0.0.1:${guest.port}`;
  expect(await request(client, away, 20)).toBe(
    'ERROR listen tcp 192.0.2.1:80: bind: cannot assign requested address\n',
  );
  expect(await request(client, 'what?', 30)).toMatch(/^ERROR failed to parse "what\?": a request reads .*\n$/);
  await client.clunk(30);
  expect(await request(client, 'x'.repeat(600), 30, 'long')).toBe('ERROR the request is too long\n');
});

test('forwards UDP, IPv6 and unix sockets', async () => {
  const client = await start();
  expect(await request(client, `udp:127.0.0.1:0:udp:127.0.0.1:${guest.port}`, 10)).toMatch(
    /^OK udp:127\.0\.0\.1:[1-9]/,
  );
  const folder = temporaryFolder();
  const path = join(folder, 'x.sock');
  const unix = `unix:${Buffer.from(path).toString('base64')}:tcp:127.0.0.1:${guest.port}`;
  expect(await request(client, unix, 20, 'unix')).toBe(`OK ${unix}\n`);
  expect(await echo({ path }, 'hello')).toBe('hello');
  await client.clunk(20);
  const six = await request(client, `tcp:::1:0:tcp:127.0.0.1:${guest.port}`, 30);
  expect(six).toMatch(/^(OK tcp:\[::1\]:[1-9]|ERROR listen tcp ::1)/); // Where there is IPv6.
});

test('only allowed addresses are bound', async () => {
  const client = await start({ allowBind: allowBind(['127.0.0.2']), allowPaths: false });
  expect(await request(client, spec(), 10)).toContain('ERROR cannot bind 127.0.0.1: only 127.0.0.2 is allowed');
  const unix = `unix:${Buffer.from('/tmp/x').toString('base64')}:tcp:127.0.0.1:1`;
  expect(await request(client, unix, 20, 'unix')).toContain('are not forwarded from here');
});

test.each(['', '.', '..', 'README', 'a/b', 'a\0b', 'x'.repeat(256)])(
  'a directory can not be called "%s"',
  async (name) => {
    const client = await start();
    await client.walk(0, 1);
    await expect(client.create(1, name)).rejects.toThrow(/illegal name|file already exists/);
  },
);

test('files can not be made, and directories in directories neither', async () => {
  const client = await start();
  await client.walk(0, 1);
  await expect(client.create(1, 'file', 0o644)).rejects.toThrow('permission denied');
  await client.create(1, 'mine');
  await client.walk(0, 2, 'mine');
  await expect(client.create(2, 'inner')).rejects.toThrow('permission denied');
  await client.remove(2);
  await expect(client.walk(0, 2, 'mine')).rejects.toThrow('file not found');
});

test('there is an end to directories', async () => {
  const client = await start();
  for (let index = 0; index < 1024; index++) {
    await client.walk(0, 1);
    await client.create(1, `d${index}`);
    await client.clunk(1);
  }
  await client.walk(0, 1);
  await expect(client.create(1, 'one more')).rejects.toThrow('too many forwards');
});

test('qids stay what they are and are nobody else’s', async () => {
  const client = await start();
  await client.walk(0, 1);
  const directory = await client.create(1, 'mine');
  const [again, ctl] = await client.walk(0, 2, 'mine', 'ctl');
  expect(again).toBe(directory);
  await client.open(2);
  await client.write(2, spec());
  const [active] = await client.walk(0, 3, 'mine');
  await client.clunk(2);
  await client.walk(0, 4);
  const next = await client.create(4, 'mine');
  expect(new Set([directory, ctl, active, next]).size).toBe(4);
});

test('hundreds of forwards leave nothing behind', async () => {
  const client = await start();
  const before = countDescriptors();
  for (let round = 0; round < 5; round++) {
    const fids = Array.from({ length: 40 }, (_, index) => 10 + 2 * index);
    await Promise.all(fids.map((fid) => request(client, spec(), fid, `f${fid}`)));
    expect(forwarder.list()).toHaveLength(40);
    await Promise.all(fids.map((fid) => client.clunk(fid)));
    expect(forwarder.list()).toEqual([]);
  }
  expect(countDescriptors()).toBeLessThanOrEqual(before + 1);
});
