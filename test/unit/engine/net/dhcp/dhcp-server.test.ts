import fc from 'fast-check';
import { AddressBook } from '../../../../../engine/net/addressing/address-book';
import { formatIpv4, parseIpv4, prefixOf } from '../../../../../engine/net/addressing/ipv4';
import { formatMac, parseMac } from '../../../../../engine/net/addressing/mac';
import type { NetworkSettings } from '../../../../../engine/net/addressing/network-plan';
import { planNetwork } from '../../../../../engine/net/addressing/plan-network';
import { decodeDhcp, encodeDhcp } from '../../../../../engine/net/dhcp/codec';
import { type DhcpAnswer, DhcpServer } from '../../../../../engine/net/dhcp/dhcp-server';
import type { DhcpSettings } from '../../../../../engine/net/dhcp/dhcp-settings';
import { chooseDomains } from '../../../../../engine/net/dhcp/dhcp-settings';
import {
  DHCPDECLINE,
  DHCPDISCOVER,
  DHCPINFORM,
  DHCPRELEASE,
  DHCPREQUEST,
  type DhcpMessage,
  OPTION,
  writeU16,
  writeU32,
} from '../../../../../engine/net/dhcp/message';
import { readDomains } from './read-domains';

const ip = (text: string): number => parseIpv4(text)!;
const MAC = parseMac('52:54:00:12:34:56')!;
const OTHER_MAC = parseMac('52:54:00:12:34:57')!;
const GATEWAY = ip('192.168.65.1');
const OFFER = 2;
const ACK = 5;
const NAK = 6;

function start(settings: DhcpSettings = {}, network: NetworkSettings = {}) {
  const lines: string[] = [];
  const plan = planNetwork(network);
  const book = new AddressBook(plan);
  const server = new DhcpServer(plan, book, { log: (line) => lines.push(line), ...settings });
  return { book, lines, server };
}

type Options = readonly (readonly [number, Uint8Array])[];

function request(type: number, options: Options = [], head: Partial<DhcpMessage> = {}): Buffer {
  return encodeDhcp(
    {
      op: 1,
      htype: 1,
      hops: 0,
      xid: 0x0100_0000,
      secs: 0,
      broadcast: false,
      ciaddr: 0,
      yiaddr: 0,
      siaddr: 0,
      giaddr: 0,
      chaddr: MAC,
      sname: '',
      file: '',
      ...head,
      options: new Map([[OPTION.messageType, Uint8Array.of(type)], ...options]),
    },
    1472,
  )!;
}

const wanting = (text: string): Options => [[OPTION.requestedAddress, writeU32(ip(text))]];
const fromUs: Options = [[OPTION.serverIdentifier, writeU32(GATEWAY)]];
const asking = (...codes: number[]): Options => [[OPTION.parameterRequestList, Uint8Array.from(codes)]];
const room = (bytes: number): Options => [[OPTION.maximumMessageSize, writeU16(bytes)]];

function read(answer: DhcpAnswer | undefined) {
  if (answer === undefined) throw new Error('no answer');
  const message = decodeDhcp(answer.payload);
  if (typeof message === 'string') throw new Error(message);
  const { options } = message;
  const addresses = (code: number): string[] =>
    Array.from({ length: (options.get(code)?.length ?? 0) / 4 }, (_, index) =>
      formatIpv4(Buffer.from(options.get(code)!).readUInt32BE(4 * index)),
    );
  const text = (code: number): string => Buffer.from(options.get(code) ?? []).toString();
  const seconds = (code: number): number => Buffer.from(options.get(code)!).readUInt32BE();
  const search = readDomains(options.get(OPTION.domainSearch) ?? new Uint8Array());
  const to = `${answer.destination} ${formatIpv4(answer.ip)}`;
  return {
    ...message,
    type: options.get(53)?.[0],
    yours: formatIpv4(message.yiaddr),
    to,
    addresses,
    text,
    seconds,
    search,
  };
}

describe('a guest that comes for the first time', () => {
  it("is offered what VPNKit's Go client looks for, with everything it did not ask for", () => {
    const { book, server } = start({
      domains: () => ({ domainName: 'corp.example', searchDomains: ['corp.example', 'example'] }),
    });
    const vif = book.connect({ uuid: 'd1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5', preferredIp: ip('192.168.65.250') });
    if (!vif.admitted) throw new Error(vif.text);
    const offer = read(
      server.answer(request(DHCPDISCOVER, [], { broadcast: true, chaddr: vif.mac }), { mac: vif.mac }),
    );
    expect(offer).toMatchObject({ op: 2, xid: 0x0100_0000, type: OFFER, yours: '192.168.65.250' });
    expect(offer).toMatchObject({ to: 'broadcast 255.255.255.255', broadcast: true });
    expect(Buffer.from(offer.chaddr)).toEqual(Buffer.from(vif.mac));
    const { addresses, text, seconds } = offer;
    expect([1, 3, 6, 28, 42, 54].map((code) => addresses(code).join())).toEqual([
      '255.255.255.0',
      '192.168.65.1',
      '192.168.65.1',
      '192.168.65.255',
      '192.168.65.1',
      '192.168.65.1',
    ]);
    expect([51, 58, 59].map(seconds)).toEqual([0x7fff_ffff, 0x3fff_ffff, 0x6fff_ffff]);
    expect(text(15)).toBe('corp.example');
    expect(offer.search).toEqual(['corp.example', 'example']);
    expect(offer.options.get(26)).toEqual(Uint8Array.of(0x05, 0xdc));
    expect(offer.options.has(OPTION.hostName)).toBe(false);
  });

  it('gets the address that it was offered', () => {
    const { lines, server } = start();
    const offer = read(server.answer(request(DHCPDISCOVER), { mac: MAC }));
    expect(offer).toMatchObject({ yours: '192.168.65.3', to: 'unicast 192.168.65.3' });
    const accept = request(DHCPREQUEST, [...wanting('192.168.65.3'), ...fromUs]);
    expect(read(server.answer(accept, { mac: MAC }))).toMatchObject({
      type: ACK,
      yours: '192.168.65.3',
      to: 'unicast 192.168.65.3',
    });
    server.answer(accept, { mac: MAC });
    expect(lines).toEqual(['dhcp: 52:54:00:12:34:56 has 192.168.65.3']);
  });

  it('gets the address it wishes for, if that is free', () => {
    const { server } = start();
    const wish = request(DHCPDISCOVER, wanting('192.168.65.77'));
    expect(read(server.answer(wish, { mac: MAC })).yours).toBe('192.168.65.77');
    expect(read(server.answer(wish, { mac: OTHER_MAC })).yours).toBe('192.168.65.3');
  });

  it('is given what it is planned to have', () => {
    const guest = { mac: formatMac(MAC), ip: '192.168.65.200', hostname: 'dev.corp.example' };
    const { server } = start(
      { leaseSeconds: 3600, dnsServers: [ip('9.9.9.9'), GATEWAY], ntpServers: [] },
      { guests: [guest] },
    );
    const offer = read(server.answer(request(DHCPDISCOVER, wanting('192.168.65.9')), { mac: MAC }));
    expect(offer.yours).toBe('192.168.65.200');
    expect(offer.text(OPTION.hostName)).toBe('dev.corp.example');
    expect([51, 58, 59].map(offer.seconds)).toEqual([3600, 1800, 3150]);
    expect(offer.addresses(OPTION.domainNameServer)).toEqual(['9.9.9.9', '192.168.65.1']);
    expect(offer.options.has(OPTION.ntpServers)).toBe(false);
    expect(read(server.answer(request(DHCPDISCOVER), { mac: OTHER_MAC })).options.has(OPTION.hostName)).toBe(false);
  });

  it('hears nothing when there is no address, and a refusal when it insists', () => {
    const { book, lines, server } = start({}, { lowest: '192.168.65.3', highest: '192.168.65.3' });
    book.attach(OTHER_MAC);
    expect(server.answer(request(DHCPDISCOVER), { mac: MAC })).toBeUndefined();
    expect(read(server.answer(request(DHCPREQUEST, wanting('192.168.65.3')), { mac: MAC })).type).toBe(NAK);
    expect(lines).toEqual(['dhcp: 52:54:00:12:34:56 gets no address: No IP addresses available.']);
  });
});

describe('a guest that has an address', () => {
  const renewing = (text: string, head: Partial<DhcpMessage> = {}) =>
    request(DHCPREQUEST, [], { ciaddr: ip(text), ...head });

  it('renews and rebinds it', () => {
    const { server } = start();
    server.answer(request(DHCPDISCOVER), { mac: MAC });
    const answer = read(server.answer(renewing('192.168.65.3'), { mac: MAC }));
    expect(answer).toMatchObject({
      type: ACK,
      yours: '192.168.65.3',
      to: 'unicast 192.168.65.3',
      ciaddr: ip('192.168.65.3'),
    });
    // The broadcast flag does not count for a guest that has an address.
    expect(read(server.answer(renewing('192.168.65.3', { broadcast: true }), { mac: MAC })).to).toBe(
      'unicast 192.168.65.3',
    );
  });

  it('gets the same after a reboot, also when the server knows nothing any more', () => {
    const { server } = start();
    expect(read(server.answer(request(DHCPREQUEST, wanting('192.168.65.42')), { mac: MAC }))).toMatchObject({
      type: ACK,
      yours: '192.168.65.42',
    });
    expect(read(server.answer(request(DHCPDISCOVER), { mac: MAC })).yours).toBe('192.168.65.42');
  });

  it.each([
    ['of another network', request(DHCPREQUEST, wanting('10.0.2.15'))],
    ['of somebody else', request(DHCPREQUEST, wanting('192.168.65.3'))],
    ['of somebody else, renewing', renewing('192.168.65.3')],
    ['other than the offered one', request(DHCPREQUEST, [...wanting('192.168.65.9'), ...fromUs])],
  ])('is refused at once when that is one %s', (_what, message) => {
    const { server } = start();
    server.answer(request(DHCPDISCOVER), { mac: OTHER_MAC });
    server.answer(request(DHCPDISCOVER), { mac: MAC });
    const answer = read(server.answer(message, { mac: MAC }));
    expect(answer).toMatchObject({
      type: NAK,
      yours: '0.0.0.0',
      siaddr: 0,
      ciaddr: 0,
      to: 'broadcast 255.255.255.255',
    });
    expect([...answer.options.keys()]).toEqual([53, 54]);
  });

  it('gets another one when it finds it in use', () => {
    const { lines, server } = start();
    server.answer(request(DHCPDISCOVER), { mac: MAC });
    const decline = request(DHCPDECLINE, [...wanting('192.168.65.3'), ...fromUs]);
    expect(server.answer(decline, { mac: MAC })).toBeUndefined();
    expect(read(server.answer(request(DHCPDISCOVER), { mac: MAC })).yours).toBe('192.168.65.4');
    expect(server.answer(decline, { mac: OTHER_MAC })).toBeUndefined();
    expect(lines).toEqual([
      'dhcp: 52:54:00:12:34:56 says that 192.168.65.3 is used by somebody else and gets another address',
    ]);
  });

  it('finds it again after it gave it back', () => {
    const { server } = start();
    server.answer(request(DHCPDISCOVER), { mac: MAC });
    expect(server.answer(request(DHCPRELEASE, fromUs, { ciaddr: ip('192.168.65.3') }), { mac: MAC })).toBeUndefined();
    server.answer(request(DHCPDISCOVER), { mac: OTHER_MAC });
    expect(read(server.answer(request(DHCPDISCOVER), { mac: MAC })).yours).toBe('192.168.65.3');
  });

  it('asks for parameters only', () => {
    const { book, server } = start();
    const answer = read(server.answer(request(DHCPINFORM, [], { ciaddr: ip('192.168.65.99') }), { mac: MAC }));
    expect(answer).toMatchObject({ type: ACK, yours: '0.0.0.0', to: 'unicast 192.168.65.99' });
    expect(answer.addresses(OPTION.domainNameServer)).toEqual(['192.168.65.1']);
    for (const code of [51, 58, 59]) expect(answer.options.has(code)).toBe(false);
    expect(read(server.answer(request(DHCPINFORM), { mac: MAC })).to).toBe('broadcast 255.255.255.255');
    expect(book.clients()).toEqual([]);
  });
});

describe('options', () => {
  it('come in the order of the request, and no others', () => {
    const { server } = start({ domains: () => ({ domainName: 'local', searchDomains: ['local'] }) });
    const offer = read(server.answer(request(DHCPDISCOVER, asking(119, 42, 6, 1, 3, 15, 200)), { mac: MAC }));
    expect([...offer.options.keys()]).toEqual([53, 54, 51, 58, 59, 1, 119, 42, 6, 3, 15]);
  });

  it('tell the MTU unasked when it is unusual', () => {
    const { server } = start({}, { mtu: 9000 });
    const offer = read(server.answer(request(DHCPDISCOVER, asking(3)), { mac: MAC }));
    expect([...offer.options.keys()]).toEqual([53, 54, 51, 58, 59, 1, 3, 26]);
  });

  it("return the guest's own identifier (RFC 6842)", () => {
    const { server } = start();
    const id = Uint8Array.from(Buffer.from('ff123456780002000000ab11deadbeef', 'hex'));
    const identified: Options = [[OPTION.clientIdentifier, id]];
    expect(read(server.answer(request(DHCPDISCOVER, identified), { mac: MAC })).options.get(61)).toEqual(id);
    const refusal = server.answer(request(DHCPREQUEST, [...identified, ...wanting('10.0.0.1')]), { mac: MAC });
    expect(read(refusal).options.get(61)).toEqual(id);
  });

  it('carry routes, the default one among them', () => {
    const { server } = start({ routes: [{ destination: prefixOf(ip('10.0.0.0'), 8), via: ip('192.168.65.9') }] });
    const offer = read(server.answer(request(DHCPDISCOVER), { mac: MAC }));
    expect(Buffer.from(offer.options.get(121)!).toString('hex')).toBe('080ac0a8410900c0a84101');
    expect(offer.addresses(3)).toEqual(['192.168.65.1']);
  });

  it('leave out an end that never comes', () => {
    const { server } = start({ leaseSeconds: 0xffff_ffff });
    const offer = read(server.answer(request(DHCPDISCOVER), { mac: MAC }));
    expect(offer.seconds(51)).toBe(0xffff_ffff);
    expect(offer.options.has(58)).toBe(false);
    for (const leaseSeconds of [0, 59, 1.5, 2 ** 32, Number.NaN]) {
      expect(() => start({ leaseSeconds })).toThrow(expect.objectContaining({ code: 'HK_NET_CONFIG_INVALID' }));
    }
  });

  it('drop domain names that are none', () => {
    const { server } = start({
      domains: () => ({ domainName: '', searchDomains: ['a b', 'Home', 'home.', '', 'lab'] }),
    });
    const offer = read(server.answer(request(DHCPDISCOVER), { mac: MAC }));
    expect(offer.options.has(OPTION.domainName)).toBe(false);
    expect(offer.search).toEqual(['home', 'lab']);
  });
});

describe('a long search list (containers/gvisor-tap-vsock#474)', () => {
  const searchDomains = Array.from({ length: 400 }, (_, number) => `department-${number}.of.a.very.large.example`);

  it.each([
    ['that says nothing', [], 548],
    ['with room for 576 bytes', room(576), 548],
    ['with room for an absurd 0', room(0), 548],
    ['with room for 1500', room(1500), 1472],
    ['with room for more than the link has', room(65_535), 1472],
  ])('is cut, and everything else arrives, for a guest %s', (_what, options, limit) => {
    const { server } = start(
      { domains: () => ({ domainName: 'example', searchDomains }) },
      { guests: [{ mac: formatMac(MAC), hostname: `${'h'.repeat(60)}.${'h'.repeat(60)}` }] },
    );
    const answer = server.answer(request(DHCPDISCOVER, options), { mac: MAC })!;
    expect(answer.payload.length).toBeLessThanOrEqual(limit);
    const offer = read(answer);
    expect(offer.yours).toBe('192.168.65.3');
    for (const code of [1, 3, 6, 12, 15, 26, 28, 42, 51, 54]) expect(offer.options.has(code)).toBe(true);
    expect(offer.search.length).toBeGreaterThan(0);
    expect(offer.search).toEqual(searchDomains.slice(0, offer.search.length));
    // One piece: some clients do not join several.
    expect(offer.options.get(119)!.length).toBeLessThanOrEqual(255);
  });

  it('never costs a guest its address, however little room is left', () => {
    const id = fc.uint8Array({ maxLength: 255 });
    const label = fc.integer({ min: 1, max: 63 }).map((length) => 'n'.repeat(length));
    const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
    fc.assert(
      fc.property(id, name, name, fc.array(fc.nat(255), { maxLength: 20 }), (clientId, hostname, domainName, codes) => {
        const { server } = start(
          { domains: () => ({ domainName, searchDomains }) },
          { guests: [{ mac: formatMac(MAC), hostname }] },
        );
        const options: Options = [[OPTION.clientIdentifier, clientId], ...asking(3, 6, ...codes)];
        const answer = server.answer(request(DHCPDISCOVER, options), { mac: MAC })!;
        expect(answer.payload.length).toBeLessThanOrEqual(548);
        const offer = read(answer);
        for (const code of [1, 3, 6, 51, 54, 61]) expect([code, offer.options.has(code)]).toEqual([code, true]);
      }),
    );
  });
});

describe('says nothing', () => {
  it.each<[string, Buffer]>([
    ['to an answer', request(DHCPDISCOVER, [], { op: 2 })],
    ['to a relay', request(DHCPDISCOVER, [], { giaddr: ip('192.168.65.9') })],
    ['to what is no Ethernet card', request(DHCPDISCOVER, [], { htype: 6 })],
    [
      'to a guest that chose another server',
      request(DHCPREQUEST, [...wanting('192.168.65.3'), [54, writeU32(ip('192.168.65.9'))]]),
    ],
    ['to a request for nothing', request(DHCPREQUEST)],
    ['to a type that is none', request(99)],
    ['to two types at once', request(1, [[53, Uint8Array.of(1, 1)]])],
    ['to BOOTP', Buffer.concat([request(1).subarray(0, 236), Buffer.alloc(64)])],
    ['to nothing', Buffer.alloc(0)],
  ])('%s', (_what, message) => {
    const { book, server } = start();
    expect(server.answer(message, { mac: MAC })).toBeUndefined();
    expect(book.clients()).toEqual([]);
  });

  it('to a MAC that no guest has', () => {
    const { server } = start();
    expect(server.answer(request(DHCPDISCOVER), { mac: parseMac('ff:ff:ff:ff:ff:ff')! })).toBeUndefined();
  });
});

it('answers any message with something sound, or not at all, and logs no more than so much', () => {
  const { lines, server } = start({ domains: () => ({ domainName: 'x', searchDomains: ['a.b', 'c.b'] }) });
  const option = fc.tuple(
    fc.constantFrom(12, 50, 51, 52, 54, 55, 57, 60, 61, 82, 119, 255),
    fc.uint8Array({ maxLength: 260 }),
  );
  const shaped = fc
    .tuple(
      fc.integer({ min: 0, max: 10 }),
      fc.array(option, { maxLength: 4 }),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.boolean(),
    )
    .map(([type, options, ciaddr, broadcast]) =>
      encodeDhcp(
        {
          ...read(server.answer(request(DHCPINFORM), { mac: MAC })),
          op: 1,
          ciaddr,
          broadcast,
          options: new Map([[53, Uint8Array.of(type)], ...options]),
        },
        1472,
      ),
    )
    .filter((bytes) => bytes !== undefined);
  const damaged = fc
    .tuple(shaped, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 }))
    .map(([bytes, changes]) => {
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  fc.assert(
    fc.property(
      fc.oneof(damaged, fc.uint8Array({ maxLength: 600 })),
      fc.uint8Array({ minLength: 6, maxLength: 6 }),
      (bytes, mac) => {
        const answer = server.answer(bytes, { mac });
        if (answer === undefined) return;
        const message = read(answer);
        expect([OFFER, ACK, NAK]).toContain(message.type);
        expect(message.op).toBe(2);
        expect(answer.payload.length).toBeLessThanOrEqual(1472);
      },
    ),
    { numRuns: 500 },
  );
  expect(lines.length).toBeLessThanOrEqual(1000);
});

it('takes names from the command line, the file and the DNS configuration, in this order', () => {
  const file = { domainName: 'file', searchDomains: ['file'] };
  expect(chooseDomains({})).toEqual({ domainName: 'localdomain', searchDomains: [] });
  expect(chooseDomains({ commandLine: 'line', file, dnsSearch: ['dns'] })).toEqual({
    domainName: 'line',
    searchDomains: ['file'],
  });
  expect(chooseDomains({ file, dnsSearch: ['dns'] })).toEqual(file);
  expect(chooseDomains({ file: { searchDomains: [] }, dnsSearch: ['dns'] })).toEqual({
    domainName: 'localdomain',
    searchDomains: ['dns'],
  });
});
