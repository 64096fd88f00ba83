// Ports of the host that lead to a guest which is Linux itself, opened by the clients that others wrote.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { whyNoNamespaces } from '../../support/namespace';
import { buildPeer, describeWith } from '../../support/peers';
import { echo, isFree, startEcho } from '../../unit/engine/net/control/control-fixture';
import { GATEWAY, GUEST, HOST, type VpnkitGuest, withVpnkitGuest } from './fixtures/vpnkit-guest';

jest.setTimeout(60_000);

const peer = buildPeer('vpnkit-client');
const noTap = existsSync('/dev/net/tun') ? undefined : 'there is no /dev/net/tun here';

/** Listens inside; 7000 and 7001 say back what they hear, 7002 says who called. */
const SERVER = `
const { createServer } = require('node:net');
const { createSocket } = require('node:dgram');
createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => undefined).pipe(socket)).listen(7000);
createServer((socket) => socket.end(socket.remoteAddress.replace('::ffff:', ''))).listen(7002);
const datagrams = createSocket({ type: 'udp4', recvBufferSize: 4194304 });
datagrams.on('message', (message, from) => datagrams.send(message, from.port, from.address));
datagrams.bind(7001, () => console.log('ready'));
`;

interface Answer {
  readonly error?: string;
  readonly result?: unknown;
}

class Client {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(kind: 'http' | 'gvproxy' | '9p', socket: string) {
    this.#child = spawn(peer.available ? peer.path : '', [kind, socket]);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  async tell(what: string, fields: object = {}): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify({ do: what, ...fields })}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the client has ended');
    return JSON.parse(value) as Answer;
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.stdin.end();
    await ended;
  }
}

async function datagram(port: number, payload: Buffer): Promise<Buffer> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1024 * 1024 });
  try {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.send(payload, port, '127.0.0.1');
    const [answer] = (await once(socket, 'message')) as [Buffer];
    return answer;
  } finally {
    socket.close();
  }
}

/** Sends so many bytes in writes of that size, and compares what comes back. */
async function transfer(port: number, bytes: number, writeBytes: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const [sent, heard] = [createHash('sha256'), createHash('sha256')];
  socket.on('data', (part: Buffer) => void heard.update(part));
  const ended = once(socket, 'end');
  const block = Buffer.alloc(writeBytes);
  for (let left = bytes; left > 0; left -= writeBytes) {
    block.writeUInt8(left % 251);
    const part = Buffer.from(block.subarray(0, Math.min(left, writeBytes)));
    sent.update(part);
    if (!socket.write(part)) await once(socket, 'drain');
  }
  socket.end();
  await ended;
  return sent.digest('hex') === heard.digest('hex');
}

const missing = [whyNoNamespaces(), noTap, peer.available ? undefined : peer.reason];

describeWith('forwards to a guest', missing, () => {
  let folder: string;
  let control: string;
  const clients: Client[] = [];
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'hk-guest-'));
    control = path.join(folder, 'control.sock');
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.stop()));
    rmSync(folder, { recursive: true });
  });

  const port9p = (): string => path.join(folder, '9p.sock');
  const withServer = (use: (guest: VpnkitGuest) => Promise<void>, ...words: readonly string[]): Promise<void> =>
    withVpnkitGuest(['--services', control, '--port', port9p(), ...words], async (guest) => {
      await guest.serve(process.execPath, '-e', SERVER);
      await use(guest);
    });
  const client = (kind: 'http' | 'gvproxy' | '9p'): Client => {
    const made = new Client(kind, kind === '9p' ? port9p() : control);
    clients.push(made);
    return made;
  };
  /** Asks for a forward over 9P; answers its port. */
  const open9p = async (from: Client, protocol: 'tcp' | 'udp', inside: number): Promise<number> => {
    const spec = `${protocol}:127.0.0.1:0:${protocol}:${GUEST}:${inside}`;
    await from.tell('mkdir', { path: spec });
    await from.tell('open', { path: `${spec}/ctl` });
    await from.tell('write', { path: `${spec}/ctl`, text: spec });
    const { result } = await from.tell('read', { path: `${spec}/ctl` });
    return Number(/^OK [a-z]+:127\.0\.0\.1:(\d+):/.exec(String(result))?.[1]);
  };

  test('over 9P: one and ten calls, datagrams of any size, writes of any size', async () => {
    await withServer(async () => {
      const from = client('9p');
      const tcp = await open9p(from, 'tcp', 7000);
      const udp = await open9p(from, 'udp', 7001);
      expect(await echo({ port: tcp }, 'hello')).toBe('hello');
      const ten = Array.from({ length: 10 }, (_, index) => echo({ port: tcp }, `call ${index}`));
      expect(await Promise.all(ten)).toEqual(ten.map((_, index) => `call ${index}`));
      for (const bytes of [0, 1, 1472, 1473, 8192, 65_507]) {
        const payload = Buffer.alloc(bytes, `${bytes} `);
        expect((await datagram(udp, payload)).equals(payload)).toBe(true);
      }
      for (const bytes of [1, 1024, 4096, 65_536, 1_000_000]) {
        for (const writeBytes of [1, 7, 1024, 8192, 1_000_000]) {
          if (bytes / writeBytes <= 10_000) expect(await transfer(tcp, bytes, writeBytes)).toBe(true);
        }
      }
    });
  });

  test('carry 1, 10 and 100 MB unharmed', async () => {
    await withServer(async () => {
      const tcp = await open9p(client('9p'), 'tcp', 7000);
      for (const megabytes of [1, 10, 100]) expect(await transfer(tcp, megabytes * 1_000_000, 65_536)).toBe(true);
    });
  });

  test('by VPNKit’s and gvproxy’s HTTP, which free their ports and may have them again', async () => {
    await withServer(async () => {
      const vpnkit = client('http');
      const port = { proto: 'tcp', out_ip: '127.0.0.1', in_ip: GUEST, in_port: 7000 };
      await vpnkit.tell('expose', { port });
      const [listed] = (await vpnkit.tell('list')).result as { out_port: number }[];
      expect(await echo({ port: listed?.out_port ?? 0 }, 'hello')).toBe('hello');
      await vpnkit.tell('unexpose', { port: listed });
      const gvproxy = client('gvproxy');
      const local = `127.0.0.1:${listed?.out_port}`;
      for (let round = 0; round < 2; round++) {
        const forward = { local, remote: `${GUEST}:7000`, protocol: 'tcp' };
        expect(await gvproxy.tell('expose', { forward })).toEqual({});
        expect(await echo({ port: listed?.out_port ?? 0 }, 'again')).toBe('again');
        expect(await gvproxy.tell('unexpose', { forward })).toEqual({});
        expect(await isFree(listed?.out_port ?? 0)).toBe(true);
      }
      const udp = { local, remote: `${GUEST}:7001`, protocol: 'udp' };
      expect(await gvproxy.tell('expose', { forward: udp })).toEqual({});
      expect((await datagram(listed?.out_port ?? 0, Buffer.from('over UDP'))).toString()).toBe('over UDP');
      const unix = { local: path.join(folder, 'guest.sock'), remote: `tcp://${GUEST}:7000`, protocol: 'unix' };
      expect(await gvproxy.tell('expose', { forward: unix })).toEqual({});
      expect(await echo({ path: unix.local }, 'over a path')).toBe('over a path');
    });
  });

  const callerAsSeenInside = async (): Promise<string> => {
    const caller = connect(await open9p(client('9p'), 'tcp', 7002), '127.0.0.1');
    const [said] = (await once(caller, 'data')) as [Buffer];
    caller.destroy();
    return said.toString();
  };

  test('show the guest where its callers are', async () => {
    await withServer(async () => {
      // The host's loopback, which the guest knows by its alias.
      expect(await callerAsSeenInside()).toBe(HOST);
    });
  });

  test('show the guest the gateway as its only caller, if asked', async () => {
    await withServer(async () => expect(await callerAsSeenInside()).toBe(GATEWAY), '--masquerade');
  });

  test('a tunnel is one to gvproxy’s client only once the guest has accepted', async () => {
    await withServer(async () => {
      const gvproxy = client('gvproxy');
      expect(await gvproxy.tell('tunnel', { ip: GUEST, port: 7000, text: 'hello' })).toEqual({ result: 'hello' });
      for (const [ip, port] of [
        [GUEST, 7009],
        ['192.168.65.77', 7000],
        ['nobody', 7000],
      ]) {
        expect(await gvproxy.tell('tunnel', { ip, port, text: 'hello' })).toEqual({ error: 'handshake failed' });
      }
      expect(await gvproxy.tell('tunnel', { ip: GUEST, port: 7000, text: 'again' })).toEqual({ result: 'again' });
    });
  });

  test('the other way, a closed port is refused at once, also right after an open one', async () => {
    const open = await startEcho();
    const closed = await startEcho();
    await closed.close();
    try {
      await withVpnkitGuest([], async ({ namespace }) => {
        for (const [address, port, code] of [
          [HOST, open.port, 0],
          [HOST, closed.port, 1],
          [HOST, open.port, 0],
          [GATEWAY, 9, 1],
        ] as const) {
          const outcome = await namespace.run('nc', ['-z', '-w', '5', address, String(port)]);
          expect(outcome.code).toBe(code);
          expect(outcome.seconds).toBeLessThan(5);
        }
      });
    } finally {
      await open.close();
    }
  });

  test('more connections than allowed are refused, and taken again when others have ended', async () => {
    const open = await startEcho();
    const guestProgram = `
      const { connect } = require('node:net');
      const call = () => new Promise((resolve) => {
        const socket = connect(${open.port}, '${HOST}');
        socket.once('connect', () => resolve(socket)).once('error', () => resolve(undefined));
      });
      // One that has ended counts until its last segments can't come any more.
      const insist = async () => {
        for (;;) {
          const socket = await call();
          if (socket !== undefined) return socket;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      (async () => {
        const [first] = [await insist(), await insist()];
        const third = await call();
        first.destroy();
        const fourth = await insist();
        console.log(third === undefined, fourth !== undefined);
        process.exit();
      })();`;
    try {
      await withVpnkitGuest(['--max-connections', '2'], async (guest) => {
        expect(await guest.ask(process.execPath, '-e', guestProgram)).toBe('true true\n');
      });
    } finally {
      await open.close();
    }
  });
});
