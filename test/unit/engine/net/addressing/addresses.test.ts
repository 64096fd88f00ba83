import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { eui64, isReservedInterfaceId, stableInterfaceId } from '../../../../../engine/net/addressing/interface-id';
import {
  broadcastOf,
  formatIpv4,
  isHostAddress,
  netmaskOf,
  parseIpv4,
  prefixContains,
  prefixOf,
  smallestPrefix,
} from '../../../../../engine/net/addressing/ipv4';
import { formatIpv6, joinIpv6, parseIpv6 } from '../../../../../engine/net/addressing/ipv6';
import {
  formatMac,
  isStationMac,
  macFromNumber,
  macToNumber,
  parseMac,
} from '../../../../../engine/net/addressing/mac';
import { isBlankUuid, parseUuid } from '../../../../../engine/net/addressing/uuid';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const ip = (text: string): number => parseIpv4(text)!;

describe('IPv4', () => {
  it('reads back what it writes', () => {
    fc.assert(fc.property(u32, (address) => parseIpv4(formatIpv4(address)) === address));
  });

  it('takes what is an address by the standard, and nothing else', () => {
    expect(parseIpv4('192.168.65.1')).toBe(0xc0a8_4101);
    expect(parseIpv4('255.255.255.255')).toBe(0xffff_ffff);
    const refused = [
      '',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.04',
      ' 1.2.3.4',
      '1.2.3.4\n',
      '0x1.2.3.4',
    ];
    for (const text of [...refused, '1.2.3.-4', '1..2.3', '¹.2.3.4', '4294967295'])
      expect(parseIpv4(text)).toBeUndefined();
    const almost = fc.oneof(
      fc.ipV4(),
      fc.string({ unit: fc.constantFrom(...'0123456789.'), maxLength: 16 }),
      fc.string(),
    );
    fc.assert(fc.property(almost, (text) => (parseIpv4(text) !== undefined) === isIPv4(text)));
  });

  it('finds the smallest network of some addresses', () => {
    expect(smallestPrefix(ip('192.168.65.1'), ip('192.168.65.3'), ip('192.168.65.254'))).toEqual(
      prefixOf(ip('192.168.65.0'), 24),
    );
    expect(smallestPrefix(ip('10.0.0.1'))).toEqual({ address: ip('10.0.0.1'), bits: 32 });
    expect(smallestPrefix(0, 0xffff_ffff)).toEqual({ address: 0, bits: 0 });
    fc.assert(
      fc.property(fc.array(u32, { minLength: 1, maxLength: 5 }), ([first, ...rest]) => {
        const prefix = smallestPrefix(first!, ...rest);
        const all = [first!, ...rest];
        expect(all.every((address) => prefixContains(prefix, address))).toBe(true);
        const smaller =
          prefix.bits < 32 && all.every((address) => prefixContains(prefixOf(first!, prefix.bits + 1), address));
        expect(smaller).toBe(false);
      }),
    );
  });

  it('knows netmask and broadcast', () => {
    expect([0, 1, 24, 31, 32].map((bits) => formatIpv4(netmaskOf(bits)))).toEqual([
      '0.0.0.0',
      '128.0.0.0',
      '255.255.255.0',
      '255.255.255.254',
      '255.255.255.255',
    ]);
    expect(formatIpv4(broadcastOf(prefixOf(ip('172.16.5.4'), 12)))).toBe('172.31.255.255');
    expect(broadcastOf(prefixOf(ip('1.2.3.4'), 0))).toBe(0xffff_ffff);
  });

  it('knows which addresses no host has', () => {
    for (const text of ['0.1.2.3', '127.0.0.1', '224.0.0.1', '255.255.255.255'])
      expect(isHostAddress(ip(text))).toBe(false);
    for (const text of ['10.0.0.1', '192.168.65.1', '223.255.255.254']) expect(isHostAddress(ip(text))).toBe(true);
  });
});

describe('IPv6', () => {
  it('reads back what it writes, and writes as a browser does', () => {
    const sparse = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(sparse, (groups) => {
        const address = Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
        const text = formatIpv6(address);
        expect(parseIpv6(text)).toEqual(address);
        if (!text.includes('.')) expect(new URL(`http://[${text}]/`).hostname).toBe(`[${text}]`);
      }),
    );
  });

  // The examples of RFC 5952 sections 4 and 5.
  it.each([
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::A', '2001:db8::a'],
    ['0:0:0:0:0:ffff:c0a8:4101', '::ffff:192.168.65.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['fd00::', 'fd00::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ])('writes %s as %s', (text, expected) => {
    expect(formatIpv6(parseIpv6(text)!)).toBe(expected);
  });

  it('takes what is an address by the standard, and nothing else', () => {
    const refused = [
      '',
      ':',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4::5:6:7:8',
      'fe80::1%eth0',
    ];
    for (const text of [...refused, '12345::', '1.2.3.4::', '::1.2.3', '[::1]', '::1 ', '1:']) {
      expect(parseIpv6(text)).toBeUndefined();
    }
    const almost = fc.string({
      unit: fc.constantFrom('0', 'f', 'A', '1234', ':', '::', '1.2.3.4', '.'),
      maxLength: 17,
    });
    fc.assert(fc.property(fc.oneof(almost, fc.ipV6()), (text) => (parseIpv6(text) !== undefined) === isIPv6(text)));
  });
});

describe('MAC', () => {
  it('reads back what it writes', () => {
    fc.assert(
      fc.property(bytes(6), (mac) => {
        expect(parseMac(formatMac(mac))).toEqual(mac);
        expect(formatMac(mac)).toBe([...mac].map((octet) => octet.toString(16).padStart(2, '0')).join(':'));
        expect(macFromNumber(macToNumber(mac))).toEqual(mac);
      }),
    );
    expect(formatMac(parseMac('F6-16-36-BC-F9-C6')!)).toBe('f6:16:36:bc:f9:c6');
    expect(macToNumber(parseMac('02:50:00:00:00:01')!)).toBe(0x0250_0000_0001);
  });

  it('refuses everything else', () => {
    for (const text of [
      '',
      '02:50:00:00:00',
      '02:50:00:00:00:01:02',
      '02:50-00:00:00:01',
      '0250.0000.0001',
      '2:50:0:0:0:1',
    ]) {
      expect(parseMac(text)).toBeUndefined();
    }
  });

  it('knows which one card can have', () => {
    expect(isStationMac(parseMac('02:50:00:00:00:01')!)).toBe(true);
    for (const text of ['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01']) {
      expect(isStationMac(parseMac(text)!)).toBe(false);
    }
    expect(isStationMac(Uint8Array.of(2))).toBe(false);
  });
});

describe('interface identifiers', () => {
  it('makes EUI-64 of a MAC', () => {
    const link = joinIpv6(parseIpv6('fe80::')!, eui64(parseMac('34:56:78:9a:bc:de')!));
    expect(formatIpv6(link)).toBe('fe80::3656:78ff:fe9a:bcde');
  });

  it('stays the same, and differs with network, card, secret and attempt', () => {
    const mac = parseMac('02:50:00:00:00:01')!;
    const secret = Buffer.from('secret');
    const id = (prefix: string, attempt = 0): string =>
      Buffer.from(stableInterfaceId(parseIpv6(prefix)!, mac, secret, attempt)).toString('hex');
    expect(id('fd00::')).toBe(id('fd00::'));
    const other = Buffer.from(stableInterfaceId(parseIpv6('fd00::')!, parseMac('02:50:00:00:00:02')!, secret));
    expect(new Set([id('fd00::'), id('fd01::'), id('fd00::', 1), other.toString('hex')]).size).toBe(4);
    expect(isReservedInterfaceId(new Uint8Array(8))).toBe(true);
    expect(isReservedInterfaceId(Buffer.from('fdffffffffffff80', 'hex'))).toBe(true);
    expect(isReservedInterfaceId(Buffer.from('fdffffffffffff7f', 'hex'))).toBe(false);
  });
});

it('reads UUIDs in any case, and knows the blank one', () => {
  expect(parseUuid('D1D9CD61-D0DC-4715-9BB3-4C11DA7AD7A5')).toBe('d1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5');
  for (const text of [
    '',
    'd1d9cd61d0dc47159bb34c11da7ad7a5',
    'd1d9cd61-d0dc-4715-9bb3-4c11da7ad7ag',
    '\0'.repeat(36),
  ]) {
    expect(parseUuid(text)).toBeUndefined();
  }
  expect(isBlankUuid('\0'.repeat(36))).toBe(true);
  expect(isBlankUuid('0'.repeat(36))).toBe(false);
});
