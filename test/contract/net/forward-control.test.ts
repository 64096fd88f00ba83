// Our control interfaces against the clients that others wrote for them, and our answers beside VPNKit's own.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { ControlServer } from '../../../engine/net/control/control-server';
import type { DnsZone } from '../../../engine/net/control/dns-zone';
import { type ControlListener, listenControl } from '../../../engine/net/control/listen-control';
import { createPortTree } from '../../../engine/net/ninep/port-tree';
import { type NinePConnection, serveNineP } from '../../../engine/net/ninep/serve-nine-p';
import { countDescriptors } from '../../support/descriptors';
import { buildPeer, describeWith } from '../../support/peers';
import { temporaryFolder } from '../../support/temporary-folder';
import { ask, type Echo, echo, isFree, startEcho } from '../../unit/engine/net/control/control-fixture';
import { LoopbackForwarder } from '../../unit/engine/net/control/loopback-forwarder';

jest.setTimeout(60_000);

const peer = buildPeer('vpnkit-client');

interface Answer {
  readonly error?: string;
  readonly result?: unknown;
}

/** A client that is told one command after the other. */
class Client {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;
  readonly #lines: Interface;

  constructor(kind: 'http' | 'gvproxy' | '9p' | 'serve', socket: string) {
    this.#child = spawn(peer.available ? peer.path : '', [kind, socket]);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface(this.#child.stdout);
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  async tell(what: string, fields: object = {}): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify({ do: what, ...fields })}\n`);
    return await this.answer();
  }

  async answer(): Promise<Answer> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('the client has ended');
    return JSON.parse(value) as Answer;
  }

  async stop(signal?: 'SIGKILL'): Promise<void> {
    const ended = once(this.#child, 'close');
    if (signal) this.#child.kill(signal);
    else this.#child.stdin.end();
    await ended;
    this.#lines.close();
  }
}

describeWith('forwards', [peer.available ? undefined : peer.reason], () => {
  let folder: string;
  let socket: string;
  let forwarder: LoopbackForwarder;
  let guest: Echo;
  let server: ControlServer;
  let listener: ControlListener;
  let portListener: ControlListener;
  const served: NinePConnection[] = [];
  const zones: DnsZone[] = [];
  const clients: Client[] = [];

  beforeEach(async () => {
    folder = temporaryFolder();
    socket = path.join(folder, 'control.sock');
    forwarder = new LoopbackForwarder();
    guest = await startEcho();
    server = new ControlServer({
      forwarder,
      leases: () => ({ '192.168.65.3': '02:50:00:00:00:01' }),
      dns: { list: () => zones, add: (zone) => zones.push(zone) },
    });
    listener = await listenControl(socket, (stream) => server.accept(stream));
    const tree = createPortTree({ forwarder });
    portListener = await listenControl(path.join(folder, 'port.sock'), (stream) =>
      served.push(serveNineP(stream, tree)),
    );
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.stop()));
    server.close();
    await Promise.all([listener.close(), portListener.close()]);
    await Promise.all(served.splice(0).map(({ closed }) => closed));
    await forwarder.closeAll();
    await guest.close();
  });

  const connect = (kind: 'http' | 'gvproxy' | '9p'): Client => {
    const client = new Client(kind, kind === '9p' ? path.join(folder, 'port.sock') : socket);
    clients.push(client);
    return client;
  };

  describe("VPNKit's HTTP client", () => {
    const port = (more: object = {}) => ({
      proto: 'tcp',
      out_ip: '127.0.0.1',
      in_ip: '127.0.0.1',
      in_port: guest.port,
      ...more,
    });
    const list = async (client: Client) => (await client.tell('list')).result as { out_port: number }[] | undefined;

    test('exposes a port that carries bytes and is listed with its real number', async () => {
      const client = connect('http');
      expect(await list(client)).toBeNull();
      expect(await client.tell('expose', { port: port() })).toEqual({});
      const [listed] = (await list(client)) ?? [];
      expect(listed).toEqual(port({ out_port: expect.any(Number) }));
      expect(await echo({ port: listed?.out_port ?? 0 }, 'hello')).toBe('hello');
      expect((await client.tell('dump')).result).toBe(
        `tcp forward from 127.0.0.1:${listed?.out_port} to 127.0.0.1:${guest.port}\n`,
      );
    });

    test('exposes and unexposes twice as once; the port is free again', async () => {
      const client = connect('http');
      await client.tell('expose', { port: port({ annotation: 'mine' }) });
      const [listed] = (await list(client)) ?? [];
      expect(await client.tell('expose', { port: listed })).toEqual({});
      expect(await list(client)).toEqual([listed]);
      expect(await client.tell('unexpose', { port: listed })).toEqual({});
      expect(await isFree(listed?.out_port ?? 0)).toBe(true);
      expect(await client.tell('unexpose', { port: listed })).toEqual({});
      expect(await list(client)).toBeNull();
    });

    test('is told why a port can not be had', async () => {
      const client = connect('http');
      await client.tell('expose', { port: port() });
      const [listed] = (await list(client)) ?? [];
      expect(await client.tell('expose', { port: { ...listed, in_port: 1 } })).toEqual({
        error: `Bind for 127.0.0.1:${listed?.out_port} failed: port is already allocated`,
      });
      expect(await client.tell('expose', { port: port({ out_ip: '192.0.2.1', out_port: 80 }) })).toEqual({
        error: 'listen tcp 192.0.2.1:80: bind: cannot assign requested address',
      });
      const inside = { proto: 'unix', out_path: path.join(folder, 'x.sock'), in_path: '/run/docker.sock' };
      expect(await client.tell('expose', { port: inside })).toEqual({
        error: expect.stringContaining('that takes an agent in the guest'),
      });
      expect(await client.tell('unexpose', { port: inside })).toEqual({});
    });

    test('forwards UDP and unix sockets', async () => {
      const client = connect('http');
      const pipe = { proto: 'unix', out_path: path.join(folder, 'x.sock'), in_ip: '127.0.0.1', in_port: guest.port };
      expect(await client.tell('expose', { port: port({ proto: 'udp' }) })).toEqual({});
      expect(await client.tell('expose', { port: pipe })).toEqual({});
      expect(await list(client)).toEqual([port({ proto: 'udp', out_port: expect.any(Number) }), pipe]);
      expect(await echo({ path: pipe.out_path }, 'hello')).toBe('hello');
      expect(await client.tell('unexpose', { port: pipe })).toEqual({});
      expect(forwarder.list()).toHaveLength(1);
    });

    test('that dies leaves forwards that the next one can close', async () => {
      const first = new Client('http', socket);
      await first.tell('expose', { port: port() });
      await first.stop('SIGKILL');
      const client = connect('http');
      const [listed] = (await list(client)) ?? [];
      expect(await client.tell('unexpose', { port: listed })).toEqual({});
      expect(await isFree(listed?.out_port ?? 0)).toBe(true);
    });

    test('a hundred times leaves nothing behind', async () => {
      const client = connect('http');
      await list(client);
      const before = countDescriptors();
      for (let round = 0; round < 100; round++) {
        await client.tell('expose', { port: port() });
        const [listed] = (await list(client)) ?? [];
        await client.tell('unexpose', { port: listed });
      }
      expect(forwarder.list()).toEqual([]);
      expect(countDescriptors()).toBeLessThanOrEqual(before);
    });
  });

  describe("VPNKit's own server", () => {
    test('gives the same answers', async () => {
      const theirs = path.join(folder, 'theirs.sock');
      const vpnkit = new Client('serve', theirs);
      clients.push(vpnkit);
      await vpnkit.answer();
      const free = await startEcho();
      await free.close();
      const port = { proto: 'tcp', out_ip: '127.0.0.1', out_port: free.port, in_ip: '192.168.65.3', in_port: 80 };
      const script: readonly (readonly [string, string, unknown?])[] = [
        ['GET', 'list'],
        ['PUT', 'expose/port', port],
        ['PUT', 'expose/port', port],
        ['GET', 'list'],
        ['POST', 'unexpose/port', port],
        ['DELETE', 'unexpose/port', port],
        ['GET', 'list'],
        ['POST', 'expose/port', { ...port, OUT_PORT: undefined, annotation: 'mine', unknown: 1 }],
        ['GET', 'list'],
        ['DELETE', 'unexpose/port', { ...port, annotation: 'mine' }],
        ['GET', 'list'],
        ['PUT', 'expose/port', { ...port, out_ip: '192.0.2.1' }],
        ['PUT', 'expose/port', { proto: 'sctp' }],
        ['PUT', 'expose/port', {}],
        ['PUT', 'expose/pipe', { proto: 'tcp' }],
        ['DELETE', 'unexpose/port', { proto: 'unix' }],
        ['DELETE', 'unexpose/pipe', { proto: 'udp' }],
        ['DELETE', 'unexpose/pipe', { proto: 'unix', out_path: path.join(folder, 'x'), in_path: '/x' }],
        ['GET', 'expose/port'],
        ['PUT', 'list'],
        ['GET', 'nothing'],
      ];
      const run = async (at: string) => {
        const answers = [];
        // One after the other, and never both at a time: they want the same port.
        for (const [method, what, body] of script) {
          const { status, type, text } = await ask(at, method, `/forwards/${what}`, body);
          answers.push([method, what, status, type, text]);
        }
        return answers;
      };
      expect(await run(socket)).toEqual(await run(theirs));
    });
  });

  describe("gvisor-tap-vsock's client", () => {
    test('exposes, lists and takes back', async () => {
      const client = connect('gvproxy');
      const free = await startEcho();
      await free.close();
      const forward = { local: `127.0.0.1:${free.port}`, remote: `127.0.0.1:${guest.port}`, protocol: 'tcp' };
      expect(await client.tell('expose', { forward })).toEqual({});
      expect(await client.tell('list')).toEqual({ result: [forward] });
      expect(await echo({ port: free.port }, 'hello')).toBe('hello');
      expect(await client.tell('expose', { forward })).toEqual({ error: 'proxy already running' });
      expect(await client.tell('unexpose', { forward })).toEqual({});
      expect(await isFree(free.port)).toBe(true);
      expect(await client.tell('unexpose', { forward })).toEqual({ error: 'proxy not found' });
      expect(await client.tell('list')).toEqual({ result: [] });
    });

    test('reads leases and zones, and adds one', async () => {
      const client = connect('gvproxy');
      expect(await client.tell('leases')).toEqual({ result: { '192.168.65.3': '02:50:00:00:00:01' } });
      const zone = {
        Name: 'test.internal.',
        Records: [
          { Name: 'a', IP: '10.0.0.1' },
          { Name: '', IP: '10.0.0.2', Regexp: '^b.*' },
        ],
        DefaultIP: '10.0.0.3',
      };
      expect(await client.tell('add', { zone })).toEqual({});
      expect(await client.tell('zones')).toEqual({ result: [zone] });
    });
  });

  describe('a 9P client', () => {
    const spec = (port = 0) => `tcp:127.0.0.1:${port}:tcp:127.0.0.1:${guest.port}`;
    const make = async (client: Client, name: string, text: string): Promise<string> => {
      const ctl = { path: `${name}/ctl` };
      expect(await client.tell('mkdir', { path: name })).toEqual({});
      expect(await client.tell('open', ctl)).toEqual({});
      expect(await client.tell('write', { ...ctl, text })).toEqual({ result: text.length });
      return String((await client.tell('read', ctl)).result);
    };
    const portOf = (answer: string) => Number(/^OK tcp:127\.0\.0\.1:(\d+):/.exec(answer)?.[1]);

    test('makes a forward that carries bytes until its ctl is closed', async () => {
      const client = connect('9p');
      const answer = await make(client, spec(), spec());
      const port = portOf(answer);
      expect(answer).toBe(`OK ${spec(port)}\n`);
      expect(await echo({ port }, 'hello')).toBe('hello');
      expect(await client.tell('ls', { path: '' })).toEqual({ result: ['README', spec()] });
      expect(await client.tell('cat', { path: spec() })).toEqual({ result: `${spec(port)}\n` });
      expect(await client.tell('write', { path: `${spec()}/ctl`, text: spec() })).toMatchObject({
        error: 'permission denied',
      });
      expect(await client.tell('remove', { path: spec() })).toEqual({ error: 'permission denied' });
      expect(await client.tell('clunk', { path: `${spec()}/ctl` })).toEqual({});
      expect(await isFree(port)).toBe(true);
      expect(await client.tell('ls', { path: '' })).toEqual({ result: ['README'] });
    });

    test('reads what is there', async () => {
      const client = connect('9p');
      expect(await client.tell('cat', { path: 'README' })).toEqual({ result: expect.stringContaining('ERROR REASON') });
      expect(await client.tell('stat', { path: 'README' })).toMatchObject({ result: { Name: 'README', Mode: 0o444 } });
      expect(await client.tell('cat', { path: 'nothing' })).toEqual({ error: expect.stringContaining('not found') });
      await client.tell('mkdir', { path: 'mine' });
      expect(await client.tell('ls', { path: 'mine' })).toEqual({ result: ['ctl'] });
      expect(await client.tell('cat', { path: 'mine/ctl' })).toEqual({
        result: 'ERROR no request received. Please read the README.\n',
      });
    });

    test('is told why a port can not be had, and cleans up', async () => {
      const client = connect('9p');
      const port = portOf(await make(client, 'first', spec()));
      expect(await make(client, 'second', spec(port))).toBe(
        `ERROR Bind for 127.0.0.1:${port} failed: port is already allocated\n`,
      );
      expect(await client.tell('remove', { path: 'second/ctl' })).toEqual({});
      expect(await make(client, 'third', spec())).toMatch(/^OK /);
      expect(forwarder.list()).toHaveLength(2);
    });

    test.each(['drop', 'die'])('%s: a lost connection frees its ports', async (how) => {
      const client = new Client('9p', path.join(folder, 'port.sock'));
      const ports = [];
      for (const name of ['a', 'b', 'c']) ports.push(portOf(await make(client, name, spec())));
      expect(forwarder.list()).toHaveLength(3);
      if (how === 'drop') await client.tell('drop');
      await client.stop('SIGKILL');
      await Promise.all(served.map(({ closed }) => closed));
      expect(forwarder.list()).toEqual([]);
      for (const port of ports) expect(await isFree(port)).toBe(true);
    });

    test('a hundred times leaves nothing behind', async () => {
      const client = connect('9p');
      await client.tell('ls', { path: '' });
      const before = countDescriptors();
      for (let round = 0; round < 100; round++) {
        expect(await make(client, 'mine', spec())).toMatch(/^OK /);
        await client.tell('clunk', { path: 'mine/ctl' });
      }
      expect(forwarder.list()).toEqual([]);
      expect(countDescriptors()).toBeLessThanOrEqual(before);
    });
  });
});
