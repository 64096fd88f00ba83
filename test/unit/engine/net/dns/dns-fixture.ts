import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Answer, type DecodedPacket, decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet';
import { createDnsServer, type DnsOptions, type DnsServer } from '../../../../../engine/net/dns/dns-server';
import { FrameReader, frame } from '../../../../../engine/net/dns/frame-reader';
import type { FlowEnds } from '../../../../../engine/net/flow';
import { temporaryFolder } from '../../../../support/temporary-folder';

export const FLOW: FlowEnds = {
  source: { address: '192.168.65.3', port: 40_000 },
  destination: { address: '192.168.65.1', port: 53 },
};

/** Codes that dns-packet shows as names. */
export type DnsReply = DecodedPacket & { readonly rcode: string };

/** What a test's name server does with a question: a packet, one or more messages as they are, or silence. */
export type Handler = (
  query: DecodedPacket,
  transport: 'udp' | 'tcp',
) => Partial<Packet> | Buffer | Buffer[] | undefined;

/** Numbers of response codes for {@link reply}. */
export const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Runs after the test. */
export function onEnd(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** A response to a query. */
export function reply(query: DecodedPacket, packet: Partial<Packet>, rcode = 0): Buffer {
  const flags = (packet.flags ?? 0) | RECURSION_DESIRED | rcode;
  return encode({ ...packet, type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [] });
}

/** A response with A records in the compressed form that servers use. */
export function manyAddresses(query: DecodedPacket, count: number): Buffer {
  const message = reply(query, {});
  message.writeUInt16BE(count, 6);
  const records = Array.from({ length: count }, (_, index) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 10, 0, 0, index]),
  );
  return Buffer.concat([message, ...records]);
}

export interface TestUpstream {
  readonly port: number;
  /** Each question that came, as `udp NAME TYPE`. */
  readonly asked: string[];
  handler: Handler;
}

/** A name server on 127.0.0.1, UDP and TCP on the same port. */
export async function startUpstream(handler: Handler): Promise<TestUpstream> {
  const sockets = new Set<Socket>();
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const datagrams = createSocket('udp4');
  datagrams.bind(port, '127.0.0.1');
  await once(datagrams, 'listening');
  onEnd(async () => {
    datagrams.close();
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  const upstream: TestUpstream = { port, asked: [], handler };
  const handle = (message: Buffer, transport: 'udp' | 'tcp'): Buffer[] => {
    const query = decode(message);
    const question = query.questions?.[0];
    upstream.asked.push(`${transport} ${question?.name} ${question?.type}`);
    const result = upstream.handler(query, transport);
    if (result === undefined) return [];
    if (Array.isArray(result)) return result;
    return [Buffer.isBuffer(result) ? result : reply(query, result)];
  };
  datagrams.on('message', (message, from) => {
    for (const answer of handle(message, 'udp')) datagrams.send(answer, from.port, from.address);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const reader = new FrameReader(65_535);
    socket.on('data', (chunk) => {
      reader.push(chunk);
      for (let message = reader.next(); message; message = reader.next()) {
        for (const answer of handle(message, 'tcp')) socket.write(frame(answer));
      }
    });
  });
  return upstream;
}

/** An answer with one A record. */
export function address(query: DecodedPacket, data: string): Buffer {
  return reply(query, { answers: [{ type: 'A', name: query.questions?.[0]?.name ?? '', ttl: 300, data }] });
}

/** A port on 127.0.0.1 on which nothing listens. */
export async function closedPort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

export interface TestDns {
  readonly dns: DnsServer;
  readonly folder: string;
  readonly lines: string[];
}

/** The server under test. `config` is the text of its --dns file, `hosts` that of the hosts file. */
export function startDns(
  options: Partial<DnsOptions> & { readonly config?: string; readonly hosts?: string; readonly resolv?: string } = {},
): TestDns {
  const { config, hosts = '', resolv = '', ...rest } = options;
  const folder = temporaryFolder();
  const lines: string[] = [];
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const dns = createDnsServer({
    names: new Map(),
    hostsFile: write('hosts', hosts),
    resolvConf: write('resolv.conf', resolv),
    configFile: config === undefined ? undefined : write('dns.conf', config),
    log: (line) => lines.push(line),
    ...rest,
  });
  onEnd(() => dns.close());
  return { dns, folder, lines };
}

export interface Question {
  readonly name: string;
  readonly type?: string;
  readonly udpPayloadSize?: number;
  readonly flags?: number;
  readonly id?: number;
}

/** A query's bytes. */
export function question({ name, type = 'A', udpPayloadSize, flags = RECURSION_DESIRED, id = 4711 }: Question): Buffer {
  const additionals: Answer[] =
    udpPayloadSize === undefined
      ? []
      : [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ];
  return encode({ type: 'query', id, flags, questions: [{ name, type: type as 'A' }], additionals });
}

/** The bytes that a message gets as reply by UDP. */
export async function send(dns: DnsServer, message: Uint8Array): Promise<Buffer> {
  return await new Promise((resolve) => dns.datagram(message, FLOW, (bytes) => resolve(Buffer.from(bytes))));
}

/** Asks by UDP. */
export async function ask(dns: DnsServer, asked: Question): Promise<DnsReply> {
  return decode(await send(dns, question(asked))) as DnsReply;
}

/** A guest's connection to the TCP service. */
export async function openStream(
  dns: Pick<DnsServer, 'stream'>,
  server = createServer({ allowHalfOpen: true }, (socket) => dns.stream(socket, FLOW)),
): Promise<Socket> {
  if (!server.listening) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  client.on('error', () => client.destroy());
  await once(client, 'connect');
  onEnd(() => {
    client.destroy();
    server.close();
  });
  return client;
}

/** Sends questions on one connection, all at once; resolves with the answers in their order of arrival. */
export async function askByStream(dns: DnsServer, questions: readonly Question[]): Promise<DnsReply[]> {
  const client = await openStream(dns);
  client.end(Buffer.concat(questions.map((each) => frame(question(each)))));
  const reader = new FrameReader(65_535);
  const replies: DnsReply[] = [];
  for await (const chunk of client as AsyncIterable<Buffer>) {
    reader.push(chunk);
    for (let message = reader.next(); message; message = reader.next()) replies.push(decode(message) as DnsReply);
  }
  return replies;
}

/** The data of the answers, in their order. */
export function dataOf(packet: DecodedPacket): unknown[] {
  return (packet.answers ?? []).map((answer) => ('data' in answer ? answer.data : undefined));
}
