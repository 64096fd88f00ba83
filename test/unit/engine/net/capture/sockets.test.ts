import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { createDiagnostics } from '../../../../../engine/net/capture/diagnostics';
import { FrameTaps } from '../../../../../engine/net/capture/frame-tap';
import { createPcapStream } from '../../../../../engine/net/capture/pcap-stream';
import { RingCaptures } from '../../../../../engine/net/capture/ring-captures';
import { temporaryFolder } from '../../../../support/temporary-folder';
import { until } from '../../../../support/until';
import { ipv4, udp } from './frames';
import { readPcap } from './read-pcap';

let folder = '';
let server: Server | undefined;
const clients: Socket[] = [];
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  if (server !== undefined) {
    server.close();
    await once(server, 'close');
    server = undefined;
  }
});

const listen = async (serve: (socket: Socket) => void): Promise<void> => {
  server = createServer({ allowHalfOpen: true }, serve).listen(path.join(folder, 'socket'));
  await once(server, 'listening');
};
const join = async (): Promise<Socket> => {
  const client = connect({ path: path.join(folder, 'socket'), allowHalfOpen: true });
  client.on('error', () => undefined);
  clients.push(client);
  await once(client, 'connect');
  return client;
};
const collect = (client: Socket): { bytes: () => Buffer } => {
  const chunks: Buffer[] = [];
  client.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { bytes: () => Buffer.concat(chunks) };
};
const frame = ipv4(17, udp(1, 53, 1000));

describe('taps', () => {
  test('none, one, and several', () => {
    const taps = new FrameTaps();
    const seen: string[] = [];
    const tap = (name: string) => ({ capture: () => void seen.push(name) });
    expect(taps.current).toBeUndefined();
    const detach = taps.attach(tap('a'));
    taps.current?.capture(frame, 0, 10, 'in');
    const detachOther = taps.attach(tap('b'));
    taps.current?.capture(frame, 0, 10, 'in');
    detach();
    taps.current?.capture(frame, 0, 10, 'in');
    detachOther();
    expect(taps.current).toBeUndefined();
    expect(seen.join('')).toBe('aabb');
  });
});

describe('a live capture', () => {
  test('begins with its head for every reader, and ends without them', async () => {
    const taps = new FrameTaps();
    const stream = createPcapStream({ taps, snapLength: 128 });
    await listen(stream.attach);
    expect(taps.current).toBeUndefined();
    const first = collect(await join());
    await until('it is attached', () => stream.counters.length === 1);
    taps.current!.capture(frame, 0, frame.length, 'in');
    const second = collect(await join());
    await until('both are attached', () => stream.counters.length === 2);
    taps.current!.capture(frame, 0, frame.length, 'out');
    await until('all arrived', () => first.bytes().length === 24 + 2 * 144 && second.bytes().length === 24 + 144);
    expect(readPcap(first.bytes()).records.map(({ original }) => original)).toEqual([frame.length, frame.length]);
    expect(readPcap(second.bytes()).records[0]!.bytes.equals(frame.subarray(0, 128))).toBe(true);
    for (const client of clients) client.destroy();
    await until('they are gone', () => {
      taps.current?.capture(frame, 0, frame.length, 'in');
      return stream.counters.length === 0;
    });
    expect(taps.current).toBeUndefined();
  });

  test('a slow reader loses frames, not memory, and what it gets is whole', async () => {
    const taps = new FrameTaps();
    const stream = createPcapStream({ taps, snapLength: 2000, bufferBytes: 100_000 });
    const sockets: Socket[] = [];
    await listen((socket) => {
      sockets.push(socket);
      stream.attach(socket);
    });
    const client = await join();
    client.pause();
    await until('it is attached', () => stream.counters.length === 1);
    for (let turn = 0; turn < 100; turn++) {
      for (let index = 0; index < 100; index++) taps.current!.capture(frame, 0, frame.length, 'in');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [counters] = stream.counters;
    expect(counters!.dropped).toBeGreaterThan(5000);
    expect(counters!.captured + counters!.dropped).toBe(10_000);
    expect(sockets[0]!.writableLength).toBeLessThanOrEqual(100_000);
    const got = collect(client);
    client.resume();
    await until('the rest arrived', () => got.bytes().length === 24 + counters!.captured * (16 + frame.length));
    expect(readPcap(got.bytes()).records).toHaveLength(counters!.captured);
    stream.close();
  });

  test('has a limit of readers, and closes those it has', async () => {
    const stream = createPcapStream({ taps: new FrameTaps(), maxReaders: 1 });
    await listen(stream.attach);
    const first = await join();
    await until('it is attached', () => stream.counters.length === 1);
    const second = await join();
    second.resume();
    await once(second, 'end');
    expect(stream.counters).toHaveLength(1);
    first.resume();
    stream.close();
    await once(first, 'end');
    await until('it is gone', () => stream.counters.length === 0);
  });
});

describe('diagnostics', () => {
  /** Names and contents of an archive. */
  const readTar = (bytes: Buffer): Map<string, Buffer> => {
    const members = new Map<string, Buffer>();
    for (let at = 0; bytes[at] !== 0; ) {
      const header = bytes.subarray(at, at + 512);
      const size = Number.parseInt(header.toString('latin1', 124, 135), 8);
      members.set(header.toString('latin1', 0, header.indexOf(0)), bytes.subarray(at + 512, at + 512 + size));
      at += 512 + Math.ceil(size / 512) * 512;
    }
    return members;
  };

  test('a connection gets one archive of everything, also when its own side is closed', async () => {
    const captures = new RingCaptures();
    captures.capture(frame, 0, frame.length);
    const diagnostics = createDiagnostics({
      captures,
      members: [
        { name: 'flows.json', read: () => '[]' },
        { name: 'leases.json', read: async () => '{"a":1}' },
        { name: 'broken.json', read: () => Promise.reject(new Error('no idea')) },
        {
          name: 'thrown.json',
          read: () => {
            throw new Error('at once');
          },
        },
        { name: '../bad name', read: () => 'x' },
        { name: 'huge', read: () => 'x'.repeat(5 * 1024 * 1024) },
      ],
    });
    await listen((socket) => void diagnostics.send(socket));
    const client = await join();
    const got = collect(client);
    client.end();
    await once(client, 'end');
    const members = readTar(got.bytes());
    expect([...members.keys()]).toEqual([
      'flows.json',
      'leases.json',
      'broken.json',
      'thrown.json',
      'huge',
      'capture/all.pcap',
      'capture/dns.pcap',
      'capture/ntp.pcap',
      'capture/icmp.pcap',
      'capture/http_proxy.pcap',
      'capture/bad.pcap',
    ]);
    expect(members.get('leases.json')!.toString()).toBe('{"a":1}');
    expect(members.get('broken.json')!.toString()).toBe('cannot be told: no idea\n');
    expect(members.get('thrown.json')!.toString()).toBe('cannot be told: at once\n');
    expect(members.get('huge')!.length).toBe(4 * 1024 * 1024);
    expect(readPcap(members.get('capture/dns.pcap')!).records[0]!.bytes.equals(frame)).toBe(true);
  });

  test('a reader that does not read is let go, and so is a fifth', async () => {
    const diagnostics = createDiagnostics({
      members: [{ name: 'huge', read: () => 'x'.repeat(4 * 1024 * 1024) }],
      sendMs: 300,
    });
    const sent: Promise<void>[] = [];
    await listen((socket) => sent.push(diagnostics.send(socket)));
    for (let index = 0; index < 4; index++) (await join()).pause();
    await until('they are served', () => sent.length === 4);
    const fifth = await join();
    fifth.resume();
    await once(fifth, 'end');
    expect(fifth.bytesRead).toBe(0);
    await Promise.all(sent);
  }, 20_000);
});
