import { AUTHENTIC_DATA, type DecodedPacket, decode } from 'dns-packet';
import {
  ask,
  askByStream,
  dataOf,
  manyAddresses,
  question,
  RCODES,
  reply,
  send,
  startDns,
  startUpstream,
} from './dns-fixture';

const NAMES = new Map([
  ['host.docker.internal', ['192.168.65.2']],
  ['gateway.docker.internal', ['192.168.65.1', 'fd00::1']],
]);

const RECORDS: Record<string, Parameters<typeof reply>[1]> = {
  'www.example A': { answers: [{ type: 'A', name: 'www.example', ttl: 300, data: '93.184.216.34' }] },
  'www.example AAAA': { answers: [{ type: 'AAAA', name: 'www.example', ttl: 300, data: '2001:db8::1' }] },
  '_sip._tcp.example SRV': {
    answers: [
      {
        type: 'SRV',
        name: '_sip._tcp.example',
        ttl: 9,
        data: { priority: 1, weight: 2, port: 5060, target: 'sip.example' },
      },
    ],
  },
  'example TXT': { answers: [{ type: 'TXT', name: 'example', ttl: 9, data: ['v=spf1', '-all'] }] },
  'example MX': {
    answers: [{ type: 'MX', name: 'example', ttl: 9, data: { preference: 10, exchange: 'mx.example' } }],
  },
  '4.3.2.1.in-addr.arpa PTR': {
    answers: [{ type: 'PTR', name: '4.3.2.1.in-addr.arpa', ttl: 9, data: 'four.example' }],
  },
  'www.example MX': {},
};

/** A server that knows a few names. */
function zoneOf(query: DecodedPacket): Buffer {
  const { name, type } = query.questions?.[0] ?? { name: '', type: 'A' };
  const known = RECORDS[`${name.toLowerCase()} ${type}`];
  if (name.startsWith('many.')) return manyAddresses(query, 64);
  return known ? reply(query, known) : reply(query, {}, RCODES.NXDOMAIN);
}

async function startBoth(options: Parameters<typeof startDns>[0] = {}) {
  const upstream = await startUpstream(zoneOf);
  return { upstream, ...startDns({ config: `nameserver 127.0.0.1#${upstream.port}`, names: NAMES, ...options }) };
}

describe('forwards', () => {
  it('what is asked, whatever its type', async () => {
    const { dns } = await startBoth();
    expect(dataOf(await ask(dns, { name: 'www.example' }))).toEqual(['93.184.216.34']);
    expect(dataOf(await ask(dns, { name: 'www.example', type: 'AAAA' }))).toEqual(['2001:db8::1']);
    expect(dataOf(await ask(dns, { name: '_sip._tcp.example', type: 'SRV' }))).toEqual([
      { priority: 1, weight: 2, port: 5060, target: 'sip.example' },
    ]);
    expect(dataOf(await ask(dns, { name: 'example', type: 'TXT' }))).toEqual([
      [Buffer.from('v=spf1'), Buffer.from('-all')],
    ]);
    expect(dataOf(await ask(dns, { name: 'example', type: 'MX' }))).toEqual([
      { preference: 10, exchange: 'mx.example' },
    ]);
    expect(dataOf(await ask(dns, { name: '4.3.2.1.in-addr.arpa', type: 'PTR' }))).toEqual(['four.example']);
  });

  it('NOERROR without records, and NXDOMAIN', async () => {
    const { dns } = await startBoth();
    expect(await ask(dns, { name: 'www.example', type: 'MX' })).toMatchObject({ rcode: 'NOERROR', answers: [] });
    expect(await ask(dns, { name: 'nobody.example' })).toMatchObject({ rcode: 'NXDOMAIN', answers: [] });
  });

  it('under the id and in the letters that the guest used', async () => {
    const { dns } = await startBoth();
    for (let round = 0; round < 2; round++) {
      const answer = await ask(dns, { name: round ? 'WWW.exAmple' : 'wwW.Example', id: 7 + round });
      expect(answer).toMatchObject({ id: 7 + round, flag_qr: true, flag_rd: true, flag_ra: true, flag_aa: false });
      expect(answer.questions?.[0]?.name).toBe(round ? 'WWW.exAmple' : 'wwW.Example');
      expect(dataOf(answer)).toEqual(['93.184.216.34']);
    }
  });

  it('by ids of its own', async () => {
    const ids = new Set<number | undefined>();
    const upstream = await startUpstream((query) => {
      ids.add(query.id);
      return reply(query, {}, RCODES.NXDOMAIN);
    });
    const { dns } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}` });
    for (let index = 0; index < 8; index++) await ask(dns, { name: `n${index}.example`, id: 1 });
    expect(ids.size).toBeGreaterThan(4);
  });

  it('and says that data is authentic only to those who ask for that', async () => {
    const upstream = await startUpstream((query) => reply(query, { flags: AUTHENTIC_DATA }));
    const { dns } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}` });
    expect(await ask(dns, { name: 'signed.example' })).toMatchObject({ flag_ad: false });
    expect(await ask(dns, { name: 'signed.example', flags: AUTHENTIC_DATA })).toMatchObject({ flag_ad: true });
  });
});

describe('names of its own', () => {
  it('are answered without a server', async () => {
    const { dns, upstream } = await startBoth();
    const answer = await ask(dns, { name: 'HOST.docker.internal' });
    expect(answer).toMatchObject({ rcode: 'NOERROR', flag_aa: true });
    expect(answer.answers).toMatchObject([{ name: 'HOST.docker.internal', type: 'A', ttl: 0, data: '192.168.65.2' }]);
    expect(dataOf(await ask(dns, { name: 'gateway.docker.internal', type: 'AAAA' }))).toEqual(['fd00::1']);
    expect(dataOf(await ask(dns, { name: '2.65.168.192.in-addr.arpa', type: 'PTR' }))).toEqual([
      'host.docker.internal',
    ]);
    expect(upstream.asked).toEqual([]);
  });

  it('exist without records of other types', async () => {
    const { dns, upstream } = await startBoth();
    for (const type of ['AAAA', 'MX', 'TXT', 'HTTPS']) {
      const answer = await ask(dns, { name: 'host.docker.internal', type });
      expect(answer).toMatchObject({ rcode: 'NOERROR', answers: [] });
    }
    expect(upstream.asked).toEqual([]);
  });

  it('come from the hosts file, before those of servers and after ours', async () => {
    const hosts = '10.9.8.7 www.example www\r\nfd00::7 www.example # both\r\n1.1.1.1 host.docker.internal\r\n';
    const { dns } = await startBoth({ hosts });
    expect(dataOf(await ask(dns, { name: 'www.example' }))).toEqual(['10.9.8.7']);
    expect(dataOf(await ask(dns, { name: 'www' }))).toEqual(['10.9.8.7']);
    expect(dataOf(await ask(dns, { name: 'www.example', type: 'AAAA' }))).toEqual(['fd00::7']);
    expect(dataOf(await ask(dns, { name: 'www', type: 'AAAA' }))).toEqual([]);
    expect(dataOf(await ask(dns, { name: '7.8.9.10.in-addr.arpa', type: 'PTR' }))).toEqual(['www.example']);
    const reverse = `7.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`;
    expect(dataOf(await ask(dns, { name: reverse, type: 'PTR' }))).toEqual(['www.example']);
    expect(dataOf(await ask(dns, { name: 'host.docker.internal' }))).toEqual(['192.168.65.2']);
  });

  it('come from zones that are added while it runs, the newest record first', async () => {
    const { dns } = await startBoth({ hosts: '9.9.9.9 test.dynamic.internal' });
    dns.addZone({ name: 'dynamic.internal.', records: [{ name: 'test', ip: '192.168.127.254' }] });
    expect(dataOf(await ask(dns, { name: 'test.dynamic.internal' }))).toEqual(['192.168.127.254']);
    dns.addZone({ name: 'dynamic.internal.', records: [{ name: 'test', ip: '192.168.127.253' }] });
    expect(dataOf(await ask(dns, { name: 'test.dynamic.internal' }))).toEqual(['192.168.127.253']);
    expect(await ask(dns, { name: 'other.dynamic.internal' })).toMatchObject({ rcode: 'NXDOMAIN' });
    expect(dns.zones()).toHaveLength(1);
  });
});

describe('large answers', () => {
  it('are cut by UDP at 512 bytes, whole by TCP', async () => {
    const { dns } = await startBoth();
    const bytes = await send(dns, question({ name: 'many.addresses.example' }));
    expect(bytes.length).toBeLessThanOrEqual(512);
    const cut = decode(bytes);
    expect(cut).toMatchObject({ flag_tc: true });
    expect(cut.answers).toHaveLength(29);
    const [whole] = await askByStream(dns, [{ name: 'many.addresses.example' }]);
    expect(whole).toMatchObject({ flag_tc: false });
    expect(whole?.answers).toHaveLength(64);
  });

  it('have the size that a guest says it can take', async () => {
    const { dns } = await startBoth({ maxDatagramBytes: 1400 });
    const whole = await ask(dns, { name: 'many.addresses.example', udpPayloadSize: 4096 });
    expect(whole).toMatchObject({ flag_tc: false, additionals: [{ type: 'OPT' }] });
    expect(whole.answers).toHaveLength(64);
    const bytes = await send(dns, question({ name: 'many.addresses.example', udpPayloadSize: 800 }));
    expect(bytes.length).toBeLessThanOrEqual(800);
    expect(decode(bytes)).toMatchObject({ flag_tc: true, additionals: [{ type: 'OPT' }] });
    // Below the least that RFC 6891 allows it means 512.
    expect((await ask(dns, { name: 'many.addresses.example', udpPayloadSize: 10 })).answers).toHaveLength(28);
  });

  it('are never larger than the network of the guest', async () => {
    const { dns } = await startBoth({ maxDatagramBytes: 600 });
    const bytes = await send(dns, question({ name: 'many.addresses.example', udpPayloadSize: 4096 }));
    expect(bytes.length).toBeLessThanOrEqual(600);
    expect(decode(bytes)).toMatchObject({ flag_tc: true });
  });

  it('are asked for by TCP when the server cut them and the guest can take more', async () => {
    const { dns, upstream } = await startBoth();
    upstream.handler = (query, transport) =>
      transport === 'tcp' ? manyAddresses(query, 200) : reply(query, { flags: 0x0200 });
    expect(await ask(dns, { name: 'big.example' })).toMatchObject({ flag_tc: true, answers: [] });
    expect((await ask(dns, { name: 'big.example', udpPayloadSize: 4096 })).answers).toHaveLength(200);
    const [byStream] = await askByStream(dns, [{ name: 'big2.example' }]);
    expect(byStream?.answers).toHaveLength(200);
    expect(upstream.asked).toEqual([
      'udp big.example A',
      'udp big.example A',
      'tcp big.example A',
      'udp big2.example A',
      'tcp big2.example A',
    ]);
  });
});

describe('what is no question', () => {
  it.each([
    ['two questions', 'FORMERR', (message: Buffer) => message.writeUInt16BE(2, 4)],
    ['no question', 'FORMERR', (message: Buffer) => message.writeUInt16BE(0, 4)],
    ['a label beyond the end', 'FORMERR', (message: Buffer) => message.writeUInt8(63, 12)],
    ['a pointer for a name', 'FORMERR', (message: Buffer) => message.writeUInt16BE(0xc00c, 12)],
    ['records that are not there', 'FORMERR', (message: Buffer) => message.writeUInt16BE(9, 10)],
    ['an update', 'NOTIMP', (message: Buffer) => message.writeUInt16BE(5 << 11, 2)],
  ])('%s: %s', async (_name, rcode, change) => {
    const { dns } = startDns();
    const message = question({ name: 'www.example', id: 99 });
    change(message);
    expect(decode(await send(dns, message))).toMatchObject({ id: 99, type: 'response', rcode });
  });

  it('another version of EDNS: BADVERS', async () => {
    const { dns } = startDns();
    const message = question({ name: 'www.example', udpPayloadSize: 4096 });
    message.writeUInt8(1, message.length - 5);
    expect(decode(await send(dns, message))).toMatchObject({ additionals: [{ type: 'OPT', extendedRcode: 1 }] });
  });

  it('a transfer: REFUSED; a long message: FORMERR', async () => {
    const { dns } = startDns();
    expect(await ask(dns, { name: 'example', type: 'AXFR' })).toMatchObject({ rcode: 'REFUSED' });
    const long = Buffer.concat([question({ name: 'www.example' }), Buffer.alloc(5000)]);
    expect(decode(await send(dns, long))).toMatchObject({ rcode: 'FORMERR' });
  });

  it('answers and scraps: nothing', async () => {
    const { dns } = startDns();
    const answer = question({ name: 'www.example' });
    answer.writeUInt16BE(0x8000, 2);
    const replies: unknown[] = [];
    for (const message of [answer, Buffer.alloc(0), Buffer.alloc(11)]) {
      dns.datagram(message, { source: { address: '', port: 0 }, destination: { address: '', port: 0 } }, (bytes) =>
        replies.push(bytes),
      );
    }
    expect(replies).toEqual([]);
  });
});

describe('the cache', () => {
  it('serves with less time to live, until there is none', async () => {
    let nowMs = 1000;
    const { dns, upstream } = await startBoth({ now: () => nowMs });
    const ttl = async () =>
      (await ask(dns, { name: 'www.example' })).answers?.map((answer) => 'ttl' in answer && answer.ttl);
    expect(await ttl()).toEqual([300]);
    nowMs += 100_500;
    expect(await ttl()).toEqual([200]);
    expect(upstream.asked).toHaveLength(1);
    nowMs += 200_000;
    expect(await ttl()).toEqual([300]);
    expect(upstream.asked).toHaveLength(2);
  });

  it('keeps denials as long as the SOA says', async () => {
    let nowMs = 0;
    const upstream = await startUpstream((query) =>
      reply(
        query,
        {
          authorities: [{ type: 'SOA', name: 'example', ttl: 600, data: { mname: 'a', rname: 'b', minimum: 60 } }],
        },
        RCODES.NXDOMAIN,
      ),
    );
    const { dns } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}`, now: () => nowMs });
    await ask(dns, { name: 'nobody.example' });
    nowMs += 59_000;
    expect(await ask(dns, { name: 'nobody.example' })).toMatchObject({ rcode: 'NXDOMAIN' });
    expect(upstream.asked).toHaveLength(1);
    nowMs += 1000;
    await ask(dns, { name: 'nobody.example' });
    expect(upstream.asked).toHaveLength(2);
  });

  it('is not asked for failures, and tells types and DNSSEC apart', async () => {
    const { dns, upstream } = await startBoth();
    await ask(dns, { name: 'www.example' });
    await ask(dns, { name: 'www.example', type: 'AAAA' });
    const signed = question({ name: 'www.example', udpPayloadSize: 1232 });
    signed.writeUInt16BE(0x8000, signed.length - 4);
    expect(decode(await send(dns, signed)).additionals).toMatchObject([{ type: 'OPT', flag_do: true }]);
    expect(upstream.asked).toHaveLength(3);
    upstream.handler = (query) => reply(query, {}, RCODES.SERVFAIL);
    await ask(dns, { name: 'broken.example' });
    await ask(dns, { name: 'broken.example' });
    expect(upstream.asked).toHaveLength(5);
  });

  it('joins equal questions that wait', async () => {
    const { dns, upstream } = await startBoth();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, id) => ask(dns, { name: id % 2 ? 'WWW.example' : 'www.example', id })),
    );
    expect(answers.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, id) => id));
    expect(upstream.asked).toHaveLength(1);
  });
});

it('gives up on questions above 512 that wait', async () => {
  const upstream = await startUpstream(() => undefined);
  const { dns } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}` });
  for (let index = 0; index < 512; index++) {
    dns.datagram(
      question({ name: 'slow.example' }),
      { source: { address: '', port: 0 }, destination: { address: '', port: 0 } },
      () => {
        throw new Error('nobody answers this');
      },
    );
  }
  expect(await ask(dns, { name: 'slow.example' })).toMatchObject({ rcode: 'SERVFAIL' });
});

it('is silent after close', async () => {
  const { dns } = await startBoth();
  await dns.close();
  await dns.close();
  const replies: unknown[] = [];
  dns.datagram(
    question({ name: 'host.docker.internal' }),
    { source: { address: '', port: 0 }, destination: { address: '', port: 0 } },
    (bytes) => replies.push(bytes),
  );
  expect(replies).toEqual([]);
});
