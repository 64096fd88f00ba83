import fc from 'fast-check';
import { parseIpv4, prefixOf } from '../../../../../engine/net/addressing/ipv4';
import { encodeRoutes } from '../../../../../engine/net/dhcp/classless-routes';
import { decodeDhcp, encodeDhcp } from '../../../../../engine/net/dhcp/codec';
import { encodeDomainSearch, normalizeDomain } from '../../../../../engine/net/dhcp/domain-name';
import { type DhcpMessage, OPTION } from '../../../../../engine/net/dhcp/message';
import { readDomains } from './read-domains';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
const ip = (text: string): number => parseIpv4(text)!;

function decoded(bytes: Uint8Array): DhcpMessage {
  const message = decodeDhcp(bytes);
  if (typeof message === 'string') throw new Error(message);
  return message;
}

const fixedPart = (start: string, chaddr: string): string => start + chaddr.padEnd(32, '0') + '00'.repeat(192);

/** What VPNKit's Go client sends to learn its address: no end of padding, no option but the type. */
const goDiscover = hex(
  `${fixedPart('01010600 01000000 0000 8000 00000000 00000000 00000000 00000000', '025000000001')} 63825363 350101 ff`,
);

/** busybox udhcpc, as the project's guests start it. */
const udhcpcRequest = hex(`
  ${fixedPart('01010600 3903f326 0002 0000 00000000 00000000 00000000 00000000', '525400123456')} 63825363
  350103 3d0701525400123456 3204c0a84107 3604c0a84101 39020240 3709 01 03 06 0c 0f 1c 2a 77 79
  3c0c 756468637020312e33352e30 ff 0000`);

it("reads the DISCOVER of VPNKit's Go client", () => {
  const zeros = { hops: 0, secs: 0, ciaddr: 0, yiaddr: 0, siaddr: 0, giaddr: 0, sname: '', file: '' };
  expect(decoded(goDiscover)).toEqual({
    ...zeros,
    op: 1,
    htype: 1,
    xid: 0x0100_0000,
    broadcast: true,
    chaddr: Uint8Array.from(hex('025000000001')),
    options: new Map([[53, Uint8Array.of(1)]]),
  });
});

it('reads the REQUEST of udhcpc', () => {
  const { xid, secs, broadcast, options } = decoded(udhcpcRequest);
  expect({ xid, secs, broadcast }).toEqual({ xid: 0x3903_f326, secs: 2, broadcast: false });
  const shown = Array.from(options, ([code, data]) => [code, Buffer.from(data).toString('hex')]);
  expect(shown).toEqual([
    [53, '03'],
    [61, '01525400123456'],
    [50, 'c0a84107'],
    [54, 'c0a84101'],
    [57, '0240'],
    [55, '0103060c0f1c2a7779'],
    [60, '756468637020312e33352e30'],
  ]);
});

it('writes the bytes of the standard, padded to what old clients need', () => {
  const offer = encodeDhcp({
    op: 2,
    htype: 1,
    hops: 0,
    xid: 0x3903_f326,
    secs: 0,
    broadcast: true,
    ciaddr: 0,
    yiaddr: ip('192.168.65.7'),
    siaddr: ip('192.168.65.1'),
    giaddr: 0,
    chaddr: hex('525400123456'),
    sname: 'vpnkit',
    file: 'boot',
    options: new Map([
      [53, Uint8Array.of(2)],
      [15, Buffer.from('local')],
    ]),
  })!;
  const named = (text: string, length: number): string =>
    Buffer.from(text)
      .toString('hex')
      .padEnd(2 * length, '0');
  const expected = hex(`
    02010600 3903f326 0000 8000 00000000 c0a84107 c0a84101 00000000
    525400123456 00000000000000000000 ${named('vpnkit', 64)} ${named('boot', 128)}
    63825363 350102 0f05 6c6f63616c ff`);
  expect(offer.subarray(0, expected.length).toString('hex')).toBe(expected.toString('hex'));
  expect(offer).toHaveLength(300);
  expect(offer.subarray(expected.length).every((byte) => byte === 0)).toBe(true);
});

describe('long options (RFC 3396) and overload (RFC 2132)', () => {
  const base = decoded(goDiscover);
  const start = goDiscover.subarray(0, 240);

  it('joins the pieces of an option, in the order options, file, sname', () => {
    const bytes = Buffer.concat([start, hex('350101 340103 3701 01 3701 03 ff')]);
    bytes.set(hex('3701 06 0c0178 ff'), 108);
    bytes.set(hex('3701 0f ff'), 44);
    const { options, sname, file } = decoded(bytes);
    expect(options).toEqual(
      new Map(
        [
          [53, [1]],
          [55, [1, 3, 6, 15]],
          [12, [0x78]],
        ].map(([code, data]) => [code, Uint8Array.from(data as number[])]),
      ),
    );
    expect([sname, file]).toEqual(['', '']);
  });

  it('cuts data above 255 bytes into pieces', () => {
    const long = Buffer.alloc(600, 'x');
    const bytes = encodeDhcp({ ...base, options: new Map([[119, long]]) }, 1472)!;
    expect([240, 240 + 257, 240 + 514].map((at) => [...bytes.subarray(at, at + 2)])).toEqual([
      [119, 255],
      [119, 255],
      [119, 90],
    ]);
    expect(decoded(bytes).options.get(119)).toEqual(Uint8Array.from(long));
  });

  it('overflows into free fields only, and says when there is no room', () => {
    const options = new Map([1, 2, 3].map((code) => [100 + code, new Uint8Array(120)]));
    const bytes = encodeDhcp({ ...base, options })!;
    expect(bytes.length).toBeLessThanOrEqual(548);
    expect([...bytes.subarray(240, 243)]).toEqual([OPTION.overload, 1, 1]);
    expect(decoded(bytes)).toEqual({ ...base, options });
    expect(encodeDhcp({ ...base, options, file: 'kernel' })).toBeUndefined();
    expect(encodeDhcp({ ...base, options: new Map([[100, new Uint8Array(400)]]) })).toBeUndefined();
  });
});

it.each([
  ['a message that is cut short', goDiscover.subarray(0, 239), 'a message of 239 bytes'],
  ['another op', Buffer.concat([Buffer.of(3), goDiscover.subarray(1)]), 'an op of 3'],
  [
    'a long hardware address',
    Buffer.concat([Buffer.of(1, 1, 17), goDiscover.subarray(3)]),
    'a hardware address of 17 bytes',
  ],
  [
    'BOOTP',
    Buffer.concat([goDiscover.subarray(0, 236), Buffer.alloc(64)]),
    'no magic cookie: BOOTP, or something else',
  ],
  [
    'an option without length',
    Buffer.concat([goDiscover.subarray(0, 240), hex('35')]),
    'an option 53 that leaves its field',
  ],
  [
    'an option that is too long',
    Buffer.concat([goDiscover.subarray(0, 240), hex('350201')]),
    'an option 53 that leaves its field',
  ],
  ['an odd overload', Buffer.concat([goDiscover.subarray(0, 240), hex('340104')]), 'an overload it has no field for'],
])('refuses %s', (_what, bytes, reason) => {
  expect(decodeDhcp(bytes)).toBe(reason);
});

const u8 = fc.nat(255);
const u16 = fc.nat(0xffff);
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const field = (maxLength: number) =>
  fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)), maxLength });
const options = fc
  .uniqueArray(
    fc.tuple(
      fc.integer({ min: 1, max: 254 }).filter((code) => code !== OPTION.overload),
      fc.uint8Array({ maxLength: 300 }),
    ),
    {
      selector: ([code]) => code,
      maxLength: 12,
    },
  )
  .map((entries) => new Map(entries));
const message: fc.Arbitrary<DhcpMessage> = fc.record({
  op: fc.constantFrom(1, 2),
  htype: u8,
  hops: u8,
  xid: u32,
  secs: u16,
  broadcast: fc.boolean(),
  ciaddr: u32,
  yiaddr: u32,
  siaddr: u32,
  giaddr: u32,
  chaddr: fc.uint8Array({ maxLength: 16 }),
  sname: fc.oneof(fc.constant(''), field(64)),
  file: fc.oneof(fc.constant(''), field(128)),
  options,
});

it('reads back whatever it writes, within the room that it has', () => {
  let overloaded = 0;
  fc.assert(
    fc.property(message, fc.integer({ min: 300, max: 2000 }), (original, maxBytes) => {
      const bytes = encodeDhcp(original, maxBytes);
      if (bytes === undefined) return;
      expect(bytes.length).toBeGreaterThanOrEqual(300);
      expect(bytes.length).toBeLessThanOrEqual(maxBytes);
      expect(decoded(bytes)).toEqual(original);
      if (bytes[240] === OPTION.overload) overloaded++;
    }),
    { numRuns: 300 },
  );
  expect(overloaded).toBeGreaterThan(0);
});

it('survives any bytes', () => {
  const seeds = fc.constantFrom(
    goDiscover,
    udhcpcRequest,
    encodeDhcp({
      ...decoded(udhcpcRequest),
      options: new Map([
        [1, new Uint8Array(250)],
        [2, new Uint8Array(100)],
      ]),
    })!,
  );
  const damaged = fc
    .tuple(seeds, fc.array(fc.tuple(fc.nat(600), u8), { maxLength: 20 }), fc.nat(700))
    .map(([seed, changes, length]) => {
      const bytes = Buffer.concat([seed, Buffer.alloc(60)]);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes.subarray(0, length);
    });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 1500 })), (bytes) => {
      const result = decodeDhcp(bytes);
      if (typeof result !== 'string') expect(result.options.has(OPTION.overload)).toBe(false);
    }),
    { numRuns: 500 },
  );
});

describe('domain names', () => {
  it('puts a search list into the bytes of RFC 3397, with pointers', () => {
    // Section 3 of the RFC.
    const bytes = encodeDomainSearch(['eng.apple.com', 'marketing.apple.com'], 255);
    expect(Buffer.from(bytes).toString('hex')).toBe(
      hex(`03 656e67 05 6170706c65 03 636f6d 00 09 6d61726b6574696e67 c004`).toString('hex'),
    );
  });

  it('is read back whole, or cut between two names', () => {
    const label = fc.constantFrom('a', 'corp', 'example', 'x'.repeat(63), 'com', 'internal');
    const names = fc.array(
      fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.')),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(names, fc.integer({ min: 0, max: 600 }), (domains, maxBytes) => {
        const bytes = encodeDomainSearch(domains, maxBytes);
        expect(bytes.length).toBeLessThanOrEqual(maxBytes);
        const read = readDomains(bytes);
        expect(read).toEqual(domains.slice(0, read.length));
        if (maxBytes === 600 && domains.length < 3) expect(read).toHaveLength(domains.length);
      }),
    );
  });

  it.each([
    ['Example.COM.', 'example.com'],
    [' corp ', 'corp'],
    ['_tcp.example', '_tcp.example'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['', undefined],
    ['.', undefined],
    ['a..b', undefined],
    ['a b', undefined],
    ['-a.b', undefined],
    ['x'.repeat(64), undefined],
    [`${'x.'.repeat(127)}x`, undefined],
    ['a/b', undefined],
    ['ü/b', undefined],
    ['a\nb', undefined],
  ])('reads %j as %j', (text, name) => {
    expect(normalizeDomain(text)).toBe(name);
  });

  it('reads any text as a name that fits into a message, or as none', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.domain()), (text) => {
        const name = normalizeDomain(text);
        if (name !== undefined) expect(readDomains(encodeDomainSearch([name], 300))).toEqual([name]);
      }),
    );
  });
});

it('writes routes as RFC 3442 does', () => {
  const route = (text: string, bits: number) => ({ destination: prefixOf(ip(text), bits), via: ip('10.0.0.1') });
  const routes = [
    route('0.0.0.0', 0),
    route('10.0.0.0', 8),
    route('10.17.0.0', 16),
    route('10.229.0.128', 25),
    route('10.198.122.47', 32),
  ];
  expect(Buffer.from(encodeRoutes(routes)).toString('hex')).toBe(
    hex('00 0a000001 08 0a 0a000001 10 0a11 0a000001 19 0ae50080 0a000001 20 0ac67a2f 0a000001').toString('hex'),
  );
});
