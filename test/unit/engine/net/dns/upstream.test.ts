import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { decode } from 'dns-packet';
import { TRY_AGAIN_MS } from '../../../../../engine/net/dns/server-pool';
import {
  address,
  ask,
  askByStream,
  closedPort,
  dataOf,
  manyAddresses,
  onEnd,
  RCODES,
  reply,
  startDns,
  startUpstream,
} from './dns-fixture';

describe('without an answer', () => {
  it('says SERVFAIL after the time-out', async () => {
    const upstream = await startUpstream(() => undefined);
    const { dns } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}\ntimeout 100` });
    expect(await ask(dns, { name: 'slow.example' })).toMatchObject({ rcode: 'SERVFAIL', flag_aa: false });
  });

  it('says SERVFAIL at once when nobody listens there', async () => {
    const { dns } = startDns({ config: `nameserver 127.0.0.1#${await closedPort()}\ntimeout 60000` });
    expect(await ask(dns, { name: 'slow.example' })).toMatchObject({ rcode: 'SERVFAIL' });
  });

  it('asks again after a second', async () => {
    let count = 0;
    const upstream = await startUpstream((query) => (++count < 2 ? undefined : address(query, '10.0.0.1')));
    const { dns } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}\ntimeout 60000` });
    expect(dataOf(await ask(dns, { name: 'lossy.example' }))).toEqual(['10.0.0.1']);
    expect(count).toBe(2);
  });

  it('says SERVFAIL and tells why once when there is no name server', async () => {
    const { dns, lines } = startDns({ resolv: '# nothing\n' });
    expect(await ask(dns, { name: 'a.example' })).toMatchObject({ rcode: 'SERVFAIL' });
    expect(await ask(dns, { name: 'b.example' })).toMatchObject({ rcode: 'SERVFAIL' });
    expect(lines).toEqual([expect.stringContaining('no name server')]);
  });
});

describe('takes as an answer', () => {
  it('only what has the id and the question, and is whole', async () => {
    const upstream = await startUpstream((query) => {
      const wrongId = address({ ...query, id: ((query.id ?? 0) + 1) & 0xffff }, '6.6.6.1');
      const wrongName = address({ ...query, questions: [{ name: 'www.examplf', type: 'A' }] }, '6.6.6.2');
      const wrongType = address({ ...query, questions: [{ name: 'www.example', type: 'AAAA' }] }, '6.6.6.3');
      const cutShort = address(query, '6.6.6.4').subarray(0, -1);
      const noAnswer = address(query, '6.6.6.5');
      noAnswer.writeUInt16BE(0x0100, 2);
      return [wrongId, wrongName, wrongType, cutShort, noAnswer, Buffer.alloc(3), address(query, '10.0.0.1')];
    });
    const { dns } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}` });
    expect(dataOf(await ask(dns, { name: 'www.example' }))).toEqual(['10.0.0.1']);
  });

  it('nothing from another port', async () => {
    const server = createSocket('udp4');
    const stranger = createSocket('udp4');
    onEnd(() => [server, stranger].map((socket) => socket.close()));
    server.bind(0, '127.0.0.1');
    await once(server, 'listening');
    let count = 0;
    server.on('message', (message, from) => {
      count++;
      stranger.send(address(decode(message), '6.6.6.6'), from.port, '127.0.0.1');
    });
    const { dns } = startDns({ config: `nameserver 127.0.0.1#${server.address().port}\ntimeout 300` });
    expect(await ask(dns, { name: 'www.example' })).toMatchObject({ rcode: 'SERVFAIL' });
    expect(count).toBe(1);
  });

  it('an error without a question, and asks without EDNS where that is the error', async () => {
    const upstream = await startUpstream((query) => {
      if (query.additionals?.length) return Buffer.from([...idOf(query.id), 0x81, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]);
      return address(query, '10.0.0.1');
    });
    const { dns } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}` });
    expect(dataOf(await ask(dns, { name: 'old.example', udpPayloadSize: 1232 }))).toEqual(['10.0.0.1']);
    upstream.handler = (query) => Buffer.from([...idOf(query.id), 0x81, 0x05, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(await ask(dns, { name: 'refused.example' })).toMatchObject({
      rcode: 'REFUSED',
      questions: [{ name: 'refused.example' }],
    });
  });

  it('the cut one when the server has no TCP', async () => {
    const upstream = await startUpstream((query, transport) =>
      transport === 'tcp' ? [Buffer.alloc(5)] : withTc(manyAddresses(query, 3)),
    );
    const { dns } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}` });
    const [answer] = await askByStream(dns, [{ name: 'many.example' }]);
    expect(answer).toMatchObject({ flag_tc: true });
    expect(answer?.answers).toHaveLength(3);
    expect(upstream.asked).toEqual(['udp many.example A', 'tcp many.example A']);
  });
});

describe('several servers', () => {
  it('are all asked, and one that knows the name wins over one that denies it', async () => {
    const denying = await startUpstream((query) => reply(query, {}, RCODES.NXDOMAIN));
    const knowing = await startUpstream((query) => address(query, '10.0.0.1'));
    const { dns } = startDns({
      config: `nameserver 127.0.0.1#${denying.port}\nnameserver 127.0.0.1#${knowing.port}`,
    });
    expect(dataOf(await ask(dns, { name: 'inner.example' }))).toEqual(['10.0.0.1']);
    expect(denying.asked).toHaveLength(1);
  });

  it('hold up a denial for a moment only', async () => {
    const denying = await startUpstream((query) => reply(query, {}, RCODES.NXDOMAIN));
    const silent = await startUpstream(() => undefined);
    const { dns } = startDns({
      config: `nameserver 127.0.0.1#${denying.port}\nnameserver 127.0.0.1#${silent.port}\ntimeout 60000`,
    });
    expect(await ask(dns, { name: 'nobody.example' })).toMatchObject({ rcode: 'NXDOMAIN' });
  });

  it('of a higher order are asked when the others fail', async () => {
    const broken = await startUpstream((query) => reply(query, {}, RCODES.SERVFAIL));
    const spare = await startUpstream((query) => address(query, '10.0.0.1'));
    const { dns } = startDns({
      config: `nameserver 127.0.0.1#${spare.port}\norder 2\nnameserver 127.0.0.1#${broken.port}\norder 1`,
    });
    expect(dataOf(await ask(dns, { name: 'a.example' }))).toEqual(['10.0.0.1']);
    expect(broken.asked).toHaveLength(1);
    broken.handler = (query) => address(query, '10.0.0.2');
    expect(dataOf(await ask(dns, { name: 'b.example' }))).toEqual(['10.0.0.2']);
    expect(spare.asked).toHaveLength(1);
  });

  it('with a zone get the names of that zone alone, the longest zone first', async () => {
    const general = await startUpstream((query) => address(query, '10.0.0.1'));
    const corp = await startUpstream((query) => address(query, '10.0.0.2'));
    const lab = await startUpstream((query) => address(query, '10.0.0.3'));
    const { dns } = startDns({
      config: [
        `nameserver 127.0.0.1#${general.port}`,
        `nameserver 127.0.0.1#${corp.port}`,
        'zone corp.example vpn',
        `nameserver 127.0.0.1#${lab.port}`,
        'zone LAB.corp.example',
      ].join('\n'),
    });
    const expected: [string, string][] = [
      ['www.example', '10.0.0.1'],
      ['notcorp.example', '10.0.0.1'],
      ['corp.example', '10.0.0.2'],
      ['a.vpn', '10.0.0.2'],
      ['a.Lab.corp.example', '10.0.0.3'],
    ];
    for (const [name, data] of expected) expect(dataOf(await ask(dns, { name }))).toEqual([data]);
    expect([general, corp, lab].map(({ asked }) => asked.length)).toEqual([2, 2, 1]);
  });

  it('that do not answer are left out, and taken up when they do again', async () => {
    let nowMs = 0;
    const silent = await startUpstream(() => undefined);
    const spare = await startUpstream((query) => address(query, '10.0.0.1'));
    const { dns, lines } = startDns({
      config: [
        `nameserver 127.0.0.1#${silent.port}`,
        'timeout 100',
        `nameserver 127.0.0.1#${spare.port}`,
        'order 1',
        'assume-offline-after 2',
      ].join('\n'),
      now: () => nowMs,
    });
    for (let index = 0; index < 4; index++) await ask(dns, { name: `n${index}.example` });
    expect(spare.asked).toHaveLength(4);
    expect(silent.asked).toHaveLength(2);
    expect(lines).toEqual([expect.stringMatching(/taken as offline.*2 times/)]);

    nowMs += TRY_AGAIN_MS;
    const isBack = new Promise<void>((resolve) => {
      lines.push = (line) => {
        if (line.includes('answers again')) resolve();
        return 0;
      };
    });
    silent.handler = (query) => address(query, '10.0.0.2');
    expect(dataOf(await ask(dns, { name: 'x.example' }))).toEqual(['10.0.0.1']);
    await isBack;
    expect(dataOf(await ask(dns, { name: 'y.example' }))).toEqual(['10.0.0.2']);
  });

  it('that are all silent are asked all the same', async () => {
    const upstream = await startUpstream(() => undefined);
    const { dns } = startDns({
      config: `nameserver 127.0.0.1#${upstream.port}\ntimeout 100\nassume-offline-after 1`,
    });
    expect(await ask(dns, { name: 'a.example' })).toMatchObject({ rcode: 'SERVFAIL' });
    upstream.handler = (query) => address(query, '10.0.0.1');
    expect(dataOf(await ask(dns, { name: 'b.example' }))).toEqual(['10.0.0.1']);
  });
});

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address: own }) => own === '::1'));
(hasIpv6 ? it : it.skip)('asks servers with an IPv6 address, with and without a scope', async () => {
  const server = createSocket('udp6');
  server.bind(0, '::1');
  await once(server, 'listening');
  onEnd(() => server.close());
  server.on('message', (message, from) => server.send(address(decode(message), '10.0.0.6'), from.port, from.address));
  const { port } = server.address();
  const loopback = Object.entries(networkInterfaces()).find(([, list]) =>
    list?.some(({ address: own }) => own === '::1'),
  );
  for (const place of [`::1#${port}`, `[::1]:${port}`, `::1%${loopback?.[0]}#${port}`]) {
    const { dns } = startDns({ config: `nameserver ${place}` });
    expect(dataOf(await ask(dns, { name: 'six.example' }))).toEqual(['10.0.0.6']);
  }
});

describe('a change of files', () => {
  it('of resolv.conf moves questions to the new server, without old answers', async () => {
    const home = await startUpstream((query) => address(query, '10.0.0.1'));
    const office = await startUpstream((query) => address(query, '10.0.0.2'));
    const config = (port: number, search: string) =>
      `search ${search}\nnameserver 127.0.0.1#${port}\noptions ndots:2\n`;
    const { dns, folder } = startDns({ resolv: config(home.port, 'home.example') });
    expect(dns.searchDomains).toEqual(['home.example']);
    expect(dataOf(await ask(dns, { name: 'printer' }))).toEqual(['10.0.0.1']);

    const changed = new Promise((resolve) => dns.onSearchDomains(resolve));
    await writeFile(join(folder, 'new'), config(office.port, 'office.example'));
    await rename(join(folder, 'new'), join(folder, 'resolv.conf'));
    expect(await changed).toEqual(['office.example']);
    expect(dns.searchDomains).toEqual(['office.example']);
    expect(dataOf(await ask(dns, { name: 'printer' }))).toEqual(['10.0.0.2']);
  });

  it('that breaks the configuration leaves the last good one, and says why', async () => {
    const upstream = await startUpstream((query) => address(query, '10.0.0.1'));
    const { dns, folder, lines } = startDns({ config: `nameserver 127.0.0.1#${upstream.port}\n`, resolv: 'nonsense' });
    const complained = new Promise<string>((resolve) => {
      lines.push = (line) => {
        resolve(line);
        return 0;
      };
    });
    await writeFile(join(folder, 'dns.conf.new'), 'nameserver 10.0.0.1\nzoan corp.example\n');
    await rename(join(folder, 'dns.conf.new'), join(folder, 'dns.conf'));
    expect(await complained).toMatch(/dns\.conf: line 2: "zoan" is not known/);
    expect(dataOf(await ask(dns, { name: 'a.example' }))).toEqual(['10.0.0.1']);
  });

  it('that makes a missing one appear is seen', async () => {
    const upstream = await startUpstream((query) => address(query, '10.0.0.1'));
    const { folder } = startDns();
    const { dns, lines } = startDns({ resolvConf: join(folder, 'resolv.later') });
    expect(lines).toEqual([expect.stringContaining('ENOENT')]);
    expect(await ask(dns, { name: 'a.example' })).toMatchObject({ rcode: 'SERVFAIL' });
    const changed = new Promise((resolve) => dns.onSearchDomains(resolve));
    await writeFile(join(folder, 'resolv.later'), `nameserver 127.0.0.1#${upstream.port}\nsearch a.example\n`);
    await changed;
    expect(dataOf(await ask(dns, { name: 'a.example' }))).toEqual(['10.0.0.1']);
  });
});

function idOf(id = 0): [number, number] {
  return [id >> 8, id & 0xff];
}

function withTc(message: Buffer): Buffer {
  message.writeUInt16BE(message.readUInt16BE(2) | 0x0200, 2);
  return message;
}
