// Our network and a guest that is Linux itself: the kernel's TCP, IP and UDP in a namespace on a tap device.
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type Namespace, whyNoNamespaces, withNamespace } from '../../support/namespace';
import { describeWith } from '../../support/peers';
import { temporaryFolder } from '../../support/temporary-folder';
import { until } from '../../support/until';
import { bundle, ENVIRONMENT } from './fixtures/bundle';
import type { Figures } from './fixtures/tap-network';

const MEGABYTE = 1_000_000;
let folder = '';
const noTap = existsSync('/dev/net/tun') ? undefined : 'there is no /dev/net/tun here';

/** Servers on the host's loopback; each answers with its port. */
const servers = {
  /** Says the hash of what it heard. */
  sink: 0,
  /** Sends as many bytes as it is told, and their hash. */
  source: 0,
  /** Says what it hears. */
  echo: 0,
  /** Says something, ends, and listens on. */
  greeter: 0,
  datagrams: 0,
};
const closers: (() => void)[] = [];
const heardByGreeter: string[] = [];

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function feed(socket: Socket, bytes: number): Promise<void> {
  const hash = createHash('sha256');
  const block = Buffer.alloc(256 * 1024);
  for (let at = 0; at < block.length; at += 4) block.writeUInt32LE(Math.imul(at + 7, 0x85eb_ca6b) >>> 0, at);
  for (let sent = 0; sent < bytes; sent += block.length) {
    const part = Buffer.from(block.subarray(0, Math.min(block.length, bytes - sent)));
    if (part.length >= 4) part.writeUInt32LE(sent, 0);
    hash.update(part);
    if (!socket.write(part)) await once(socket, 'drain');
  }
  socket.end(hash.digest('hex'));
}

/** The network as a process of its own, and what it says about itself. */
class TapNetwork {
  readonly #lines: AsyncIterator<string>;

  constructor(readonly child: ChildProcessWithoutNullStreams) {
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    child.stderr.pipe(process.stderr);
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the network has ended');
    return value;
  }

  async figures(): Promise<Figures> {
    this.child.stdin.write('\n');
    return JSON.parse(await this.line()) as Figures;
  }

  /** When all connections have ended. */
  quiet(): Promise<Figures> {
    return until('the end of all connections', async () => {
      const figures = await this.figures();
      return figures.connections === 0 && figures;
    });
  }
}

async function onTap(
  use: (namespace: Namespace, network: TapNetwork) => Promise<void>,
  shares: readonly number[] = [],
): Promise<void> {
  await withNamespace(async (namespace) => {
    const [program, args] = namespace.owning(
      process.execPath,
      '--expose-gc',
      path.join(folder, 'tap-network.cjs'),
      `${namespace.pid}`,
      ...shares.map(String),
    );
    const network = new TapNetwork(spawn(program, args, { env: ENVIRONMENT, stdio: 'pipe' }));
    try {
      expect(await network.line()).toBe('ready');
      await namespace.ip(
        'link set tap0 mtu 1500 up',
        'addr add 192.168.65.3/24 dev tap0',
        'addr add fd00:6879:706b:6974::99/64 dev tap0 nodad',
      );
      await use(namespace, network);
      expect((await network.figures()).faults).toEqual([]);
    } finally {
      const ended = network.child.exitCode === null ? once(network.child, 'close') : undefined;
      network.child.stdin.end();
      await ended;
    }
  });
}

async function guest(namespace: Namespace, verb: string, ...numbers: readonly number[]): Promise<unknown> {
  const words = [path.join(folder, 'kernel-guest.cjs'), verb, ...numbers.map(String)];
  const { stdout, output } = await namespace.run(process.execPath, words, { env: ENVIRONMENT, deadlineMs: 60_000 });
  try {
    return JSON.parse(stdout) as unknown;
  } catch {
    throw new Error(`the guest did not ${verb}: ${output}`);
  }
}

/** Python has the kernel's ping sockets (icmp(7)), which a namespace's root may use; ping(8) is seldom there. */
const PING = `
import os, socket
with open('/proc/sys/net/ipv4/ping_group_range', 'w') as file: file.write('0 0')
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
s.settimeout(10)
for length in (0, 1, 1472, 3001, 20001):
    data = bytes([8, 0, 0, 0, 0, 0, 0, length % 256]) + os.urandom(length)
    s.sendto(data, ('192.168.65.1', 0))
    answer = s.recv(65536)
    assert answer[0] == 0 and answer[6:] == data[6:], length
print('answered')
`;

/** Sends datagrams of all sizes to an echo on the host, `argv[1]` a port, `argv[2]` an address, and wants them back. */
const DATAGRAMS = `
import os, socket, sys
port, host = int(sys.argv[1]), sys.argv[2]
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.settimeout(10)
for length in (0, 1, 1452, 1453, 1472, 1473, 8192, 65507):
    data = os.urandom(length)
    s.sendto(data, (host, port))
    assert s.recv(70000) == data, length
print('answered')
`;

/** What the kernel leaves uncut for its device (UDP_SEGMENT, udp(7)) comes back datagram by datagram. */
const UNCUT = `
import os, socket, sys
port, host = int(sys.argv[1]), sys.argv[2]
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.settimeout(10)
for length, size in ((20500, 1000), (1200, 1200), (1201, 1200), (44 * 1452, 1452), (640, 10)):
    data = os.urandom(length)
    s.setsockopt(17, 103, size)
    s.sendto(data, (host, port))
    for at in range(0, length, size):
        assert s.recv(70000) == data[at:at + size], (length, size, at)
print('answered')
`;

async function python(namespace: Namespace, script: string, ...words: readonly (string | number)[]): Promise<boolean> {
  const { stdout, output } = await namespace.run('python3', ['-c', script, ...words.map(String)]);
  if (stdout.trim() !== 'answered') throw new Error(output);
  return true;
}

const missing = [whyNoNamespaces(), noTap];
const noPython = spawnSync('python3', ['--version']).status === 0 ? undefined : 'there is no python3 here';

if (noPython !== undefined) process.stderr.write(`SKIPPED pings: ${noPython}\n`);

beforeAll(async () => {
  folder = temporaryFolder();
  for (const name of ['tap-network', 'kernel-guest']) bundle(name, folder);
  servers.sink = await listen((socket) => {
    const hash = createHash('sha256');
    socket.on('data', (part: Buffer) => void hash.update(part)).on('end', () => socket.end(hash.digest('hex')));
  });
  servers.source = await listen((socket) => {
    socket.once('data', (line: Buffer) => void feed(socket, Number(line.toString())).catch(() => socket.destroy()));
    socket.once('end', () => socket.end());
  });
  servers.echo = await listen((socket) => void socket.pipe(socket));
  servers.greeter = await listen((socket) => {
    socket.end('a greeting');
    socket.setEncoding('utf8').on('data', (text: string) => void heardByGreeter.push(text));
  });
  const datagrams = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  datagrams.on('message', (payload, from) => datagrams.send(payload, from.port, from.address));
  datagrams.bind(0, '127.0.0.1');
  await once(datagrams, 'listening');
  closers.push(() => datagrams.close());
  servers.datagrams = datagrams.address().port;
});

afterAll(() => {
  for (const close of closers) close();
});

describeWith('a guest with the TCP of Linux', missing, () => {
  test('gets what was sent and is understood: 200 MB each way, thousands of calls, ends and resets of all kinds', async () => {
    const { sink, source, echo, greeter, datagrams } = servers;
    await onTap(async (namespace, network) => {
      expect(await guest(namespace, 'calls', echo, 20, 2, 20)).toBe(40);
      const before = await network.quiet();
      const both = [
        guest(namespace, 'upload', sink, 200 * MEGABYTE),
        guest(namespace, 'download', source, 200 * MEGABYTE),
      ];
      expect(await Promise.all(both)).toEqual([true, true]);
      expect(await guest(namespace, 'hold', echo, 1026)).toBe(1026);
      expect(await guest(namespace, 'calls', echo, 2000, 10, 40)).toBe(20_000);
      heardByGreeter.length = 0;
      expect(await guest(namespace, 'halves', echo, greeter)).toEqual({ answer: 'first', greeting: 'a greeting' });
      await until('what the guest said last', () => heardByGreeter.join('') === 'thanks for a greeting');
      expect(await guest(namespace, 'datagrams', datagrams, 300, 8192)).toBe(300);
      expect(await guest(namespace, 'datagrams', datagrams, 5, 65_000)).toBe(5);
      expect(await guest(namespace, 'resets', echo, 1000)).toBe(1000);
      expect(await guest(namespace, 'calls', echo, 20, 2, 20)).toBe(40);
      const after = await network.quiet();
      // Source ports of datagrams stay for a while, one for each of the two runs.
      expect(after.descriptors - before.descriptors).toBeLessThanOrEqual(2);
      expect(after.lentBytes).toBe(0);
      expect(after.heapBytes - before.heapBytes).toBeLessThan(3 * MEGABYTE);
      // The pool is kept; nothing else is.
      expect(after.rssBytes - before.rssBytes).toBeLessThan(64 * 1024 * 1024 + 60 * MEGABYTE);
    });
  }, 90_000);

  test('may try every port, and the network still works', async () => {
    await onTap(async (namespace, network) => {
      const before = await network.figures();
      const results = (await guest(namespace, 'scan', 1, 65_535)) as Record<string, number>;
      expect((results['ECONNREFUSED'] ?? 0) + (results['open'] ?? 0)).toBe(65_535);
      if (noPython === undefined) expect(await python(namespace, PING)).toBe(true);
      expect(await guest(namespace, 'upload', servers.sink, 5 * MEGABYTE)).toBe(true);
      // Other programs of this host listen, too, and may keep what they were called by.
      const open = results['open'] ?? 0;
      const after = await until('the end of what was refused', async () => {
        const figures = await network.figures();
        return figures.connections <= open && figures;
      });
      expect(after.descriptors - before.descriptors).toBeLessThanOrEqual(open);
    });
  }, 60_000);
});

describeWith('datagrams of a guest with the UDP of Linux', [...missing, noPython], () => {
  const HOST_ADDRESSES = ['192.168.65.2', 'fd00:6879:706b:6974::2'] as const;

  test('of all sizes come through, in fragments both ways, and in pieces that nobody has cut', async () => {
    const echo6 = createSocket({ type: 'udp6', recvBufferSize: 4 * 1024 * 1024 });
    echo6.on('message', (payload, from) => echo6.send(payload, from.port, from.address));
    echo6.bind(0, '::1');
    await once(echo6, 'listening');
    try {
      await onTap(async (namespace, network) => {
        const before = await network.figures();
        for (const host of HOST_ADDRESSES) {
          const port = host.includes(':') ? echo6.address().port : servers.datagrams;
          expect(await python(namespace, DATAGRAMS, port, host)).toBe(true);
          expect(await python(namespace, UNCUT, port, host)).toBe(true);
        }
        const after = await network.figures();
        // A source port for each run.
        expect(after.descriptors - before.descriptors).toBeLessThanOrEqual(4);
      });
    } finally {
      echo6.close();
    }
  }, 60_000);
});

describeWith('a guest on a poor line', missing, () => {
  test('that loses 2 %, doubles 1 % and delays 5 % of its packets gets everything right', async () => {
    const use = async (namespace: Namespace, network: TapNetwork): Promise<void> => {
      const { sink, source, echo } = servers;
      expect(await guest(namespace, 'upload', sink, 5 * MEGABYTE)).toBe(true);
      expect(await guest(namespace, 'download', source, 5 * MEGABYTE)).toBe(true);
      expect(await guest(namespace, 'calls', echo, 100, 3, 50)).toBe(300);
      expect((await network.quiet()).lentBytes).toBe(0);
    };
    await onTap(use, [0.02, 0.01, 0.05]);
  }, 60_000);
});
