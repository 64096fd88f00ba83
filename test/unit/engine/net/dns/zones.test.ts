import { decode } from 'dns-packet';
import { EngineError } from '../../../../../engine/errors';
import { encodeReply } from '../../../../../engine/net/dns/answer';
import { readQuery } from '../../../../../engine/net/dns/query';
import { type DnsZone, Zones } from '../../../../../engine/net/dns/zones';
import { dataOf, question } from './dns-fixture';

function zonesOf(...list: DnsZone[]): Zones {
  const zones = new Zones();
  for (const zone of list) zones.add(zone);
  return zones;
}

/** The data that a name has, or the response code, or "elsewhere" when no zone has it. */
function look(zones: Zones, name: string, type = 'A'): unknown {
  const reading = readQuery(question({ name, type }));
  if (reading.kind !== 'query') throw new Error('no query');
  const answer = zones.find(reading.query);
  if (!answer) return 'elsewhere';
  const reply = decode(encodeReply(reading.query, answer, { maxBytes: 512 })) as { rcode?: string };
  return reply.rcode === 'NOERROR' ? dataOf(reply as never) : reply.rcode;
}

it('answers names below its own by the first record that fits, then by the default', () => {
  const zones = zonesOf({
    name: 'apps.testing.',
    records: [
      { name: 'www', ip: '10.0.0.1' },
      { name: '', regexp: '^w', ip: '10.0.0.2' },
      { name: 'web', ip: '10.0.0.3' },
      { name: 'a.b', ip: '10.0.0.4' },
      { name: 'www', ip: 'fd00::1' },
      { name: 'nowhere' },
    ],
    defaultIp: '10.0.0.9',
  });
  expect(look(zones, 'WWW.apps.testing')).toEqual(['10.0.0.1']);
  expect(look(zones, 'www.apps.testing', 'AAAA')).toEqual(['fd00::1']);
  expect(look(zones, 'web.apps.testing')).toEqual(['10.0.0.2']);
  expect(look(zones, 'a.b.apps.testing')).toEqual(['10.0.0.4']);
  expect(look(zones, 'a.b.apps.testing', 'AAAA')).toEqual([]);
  expect(look(zones, 'nowhere.apps.testing')).toEqual([]);
  expect(look(zones, 'other.apps.testing')).toEqual(['10.0.0.9']);
  expect(look(zones, 'other.apps.testing', 'MX')).toEqual([]);
  for (const name of ['apps.testing', 'myapps.testing', 'testing']) expect(look(zones, name)).toBe('elsewhere');
});

it('lets the longest zone answer, and denies what that does not have', () => {
  const zones = zonesOf(
    { name: 'testing.', records: [{ name: 'gateway', ip: '10.0.0.1' }] },
    { name: 'crc.testing.', records: [], defaultIp: '10.0.0.2' },
  );
  expect(look(zones, 'gateway.testing')).toEqual(['10.0.0.1']);
  expect(look(zones, '*.crc.testing')).toEqual(['10.0.0.2']);
  expect(look(zones, 'nobody.testing')).toBe('NXDOMAIN');
});

it('puts added records first and replaces the default', () => {
  const host = { name: 'host', ip: '10.0.0.3' };
  const zones = zonesOf(
    { name: 'crc.testing.', records: [], defaultIp: '10.0.0.2' },
    { name: 'testing.', records: [host], defaultIp: '10.0.0.9' },
  );
  zones.add({
    name: 'Testing',
    records: [
      { name: 'gateway', ip: '10.0.0.1' },
      { name: 'host', ip: '10.0.0.4' },
    ],
  });
  expect(zones.list()).toEqual([
    { name: 'crc.testing.', records: [], defaultIp: '10.0.0.2' },
    { name: 'testing.', records: [{ name: 'gateway', ip: '10.0.0.1' }, { name: 'host', ip: '10.0.0.4' }, host] },
  ]);
  expect(look(zones, 'host.testing')).toEqual(['10.0.0.4']);
  expect(look(zones, 'other.testing')).toBe('NXDOMAIN');
});

it('can be told a new address for ever', () => {
  const zones = new Zones();
  for (let index = 0; index < 5000; index++) {
    zones.add({ name: 'dyn.', records: [{ name: 'host', ip: `10.0.${index >> 8}.${index & 255}` }] });
  }
  expect(look(zones, 'host.dyn')).toEqual(['10.0.19.135']);
  expect(zones.list()[0]?.records.length).toBeLessThanOrEqual(4096);
});

it.each<[string, DnsZone]>([
  ['is no domain name', { name: 'a..b', records: [] }],
  ['is no IP address', { name: 'a', records: [{ name: 'b', ip: '1.2.3' }] }],
  ['is no IP address', { name: 'a', records: [], defaultIp: 'x' }],
  ['has more than 4096 records', { name: 'a', records: Array(4097).fill({ name: 'b', ip: '1.2.3.4' }) }],
  ['patterns of all zones', { name: 'a', records: Array(9).fill({ name: '', regexp: '(a{9}){99}', ip: '1.2.3.4' }) }],
  ['a "(" has no ")"', { name: 'a', records: [{ name: '', regexp: '(', ip: '1.2.3.4' }] }],
])('refuses what %s and changes nothing', (message, zone) => {
  const zones = zonesOf({ name: 'a', records: [] });
  expect(() => zones.add(zone)).toThrow(EngineError);
  expect(() => zones.add(zone)).toThrow(message);
  expect(zones.list()).toEqual([{ name: 'a', records: [] }]);
});

it('refuses the 257th', () => {
  const zones = new Zones();
  for (let index = 0; index < 256; index++) zones.add({ name: `z${index}`, records: [] });
  expect(() => zones.add({ name: 'one-more', records: [] })).toThrow('there are 256 zones already');
  zones.add({ name: 'z0', records: [], defaultIp: '10.0.0.1' });
});
