import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import { formatIpv4, isHostAddress, prefixContains } from '../../../../../engine/net/addressing/ipv4';
import { formatIpv6 } from '../../../../../engine/net/addressing/ipv6';
import { formatMac } from '../../../../../engine/net/addressing/mac';
import type { NetworkPlan, NetworkSettings } from '../../../../../engine/net/addressing/network-plan';
import { planNetwork } from '../../../../../engine/net/addressing/plan-network';

function show({ gateway, hostAlias, lowest, highest, prefix, mtu }: NetworkPlan) {
  return {
    gateway: formatIpv4(gateway),
    hostAlias: hostAlias === undefined ? 'off' : formatIpv4(hostAlias),
    guests: `${formatIpv4(lowest)}-${formatIpv4(highest)}`,
    prefix: `${formatIpv4(prefix.address)}/${prefix.bits}`,
    mtu,
  };
}

function complaintAbout(settings: unknown): string {
  try {
    planNetwork(settings as NetworkSettings);
  } catch (error) {
    expect(error).toMatchObject({ name: 'EngineError', code: 'HK_NET_CONFIG_INVALID' });
    return (error as Error).message.replace('cannot plan the network: ', '');
  }
  throw new Error(`accepted ${JSON.stringify(settings)}`);
}

it('is VPNKit as it comes when nothing is said', () => {
  const plan = planNetwork();
  expect(show(plan)).toEqual({
    gateway: '192.168.65.1',
    hostAlias: '192.168.65.2',
    guests: '192.168.65.3-192.168.65.254',
    prefix: '192.168.65.0/24',
    mtu: 1500,
  });
  expect(formatMac(plan.gatewayMac)).toBe('f6:16:36:bc:f9:c6');
  expect(plan.ipv6 && Object.values(plan.ipv6).map((address) => formatIpv6(address!))).toEqual([
    'fd00:6879:706b:6974::',
    'fd00:6879:706b:6974::1',
    'fd00:6879:706b:6974::2',
    'fe80::f416:36ff:febc:f9c6',
  ]);
});

it('takes what is left out from the network of what is given', () => {
  expect(show(planNetwork({ gateway: '10.1.2.1' }))).toMatchObject({
    hostAlias: '10.1.2.2',
    guests: '10.1.2.3-10.1.2.254',
  });
  expect(show(planNetwork({ gateway: '10.1.2.2' }))).toMatchObject({ hostAlias: '10.1.2.1' });
  expect(show(planNetwork({ lowest: '10.1.2.9' }))).toMatchObject({ gateway: '10.1.2.1', prefix: '10.1.2.0/24' });
});

it('widens the network until every address is one of a host', () => {
  const tight = planNetwork({ gateway: '10.0.0.1', lowest: '10.0.0.2', highest: '10.0.0.3', hostAlias: '0.0.0.0' });
  expect(show(tight)).toMatchObject({ hostAlias: 'off', prefix: '10.0.0.0/29' });
  expect(tight.ipv6?.hostAlias).toBeUndefined();
});

it('turns IPv6 off where the link is too narrow, or on request', () => {
  expect(planNetwork({ mtu: 576 }).ipv6).toBeUndefined();
  expect(planNetwork({ ipv6: false }).ipv6).toBeUndefined();
  expect(planNetwork({ mtu: 65_521, ipv6: 'fd12:3456:789a:1::/64' }).mtu).toBe(65_521);
});

it('knows guests before they come', () => {
  const mac = '5A:94:EF:E4:0C:EE';
  const uuid = 'C3D68012-0208-11EA-9FD7-F2189899AB08';
  const [guest] = planNetwork({
    guests: [{ mac, uuid, ip: '192.168.65.2', hostname: 'dev.local' }],
    hostAlias: '0.0.0.0',
  }).guests;
  expect(guest).toEqual({ mac: mac.toLowerCase(), uuid: uuid.toLowerCase(), ip: 0xc0a8_4102, hostname: 'dev.local' });
});

it.each<[unknown, string]>([
  [null, 'the settings must be an object'],
  [{ gatewy: '10.0.0.1' }, 'gatewy is not a setting of a network'],
  [{ gateway: '10.0.0' }, 'gateway "10.0.0" must be the IPv4 address of a host, such as 192.168.65.1'],
  [{ gateway: '127.0.0.1' }, 'gateway "127.0.0.1" must be the IPv4 address of a host, such as 192.168.65.1'],
  [{ gateway: 7n }, 'gateway (bigint) must be the IPv4 address of a host, such as 192.168.65.1'],
  [
    { hostAlias: 'none' },
    'hostAlias "none" must be the IPv4 address of a host, such as 192.168.65.2, or 0.0.0.0 for none',
  ],
  [{ hostAlias: '192.168.65.1' }, "the host's alias 192.168.65.1 is the gateway's address"],
  [
    { lowest: '192.168.65.9', highest: '192.168.65.8' },
    'the lowest address 192.168.65.9 is above the highest, 192.168.65.8',
  ],
  [{ lowest: '192.168.65.1', highest: '192.168.65.2' }, 'there is no address left for a guest'],
  [
    { gateway: '10.0.0.1', lowest: '192.168.65.3', highest: '192.168.65.4' },
    "the gateway 10.0.0.1 and the guests' 192.168.65.3 to 192.168.65.4 are too far apart to be one network; give all three",
  ],
  [
    { gatewayMac: 'ff:ff:ff:ff:ff:ff' },
    'gatewayMac "ff:ff:ff:ff:ff:ff" must be the MAC of one card, such as 02:50:00:00:00:01',
  ],
  [{ mtu: 575 }, 'mtu 575 must be a whole number from 576 to 65521'],
  [{ mtu: 65_522 }, 'mtu 65522 must be a whole number from 576 to 65521'],
  [{ mtu: Number.NaN }, 'mtu NaN must be a whole number from 576 to 65521'],
  [{ mtu: 1000, ipv6: 'fd00::/64' }, 'mtu 1000 must be at least 1280 for IPv6; leave out ipv6, or make it false'],
  ...['fd00::/48', 'fd00::1/64', 'fe80::/64', 'ff02::/64', '::/64', 'fd00::'].map((ipv6): [unknown, string] => [
    { ipv6 },
    `ipv6 "${ipv6}" must be a /64 of unicast addresses such as fd00:6879:706b:6974::/64, or false`,
  ]),
  [{ guests: [{}] }, 'guests.0.mac is missing'],
  [
    { guests: [{ mac: '02:00:00:00:00:01', hostname: '-x' }] },
    'guests.0.hostname "-x" must be a host name of letters, digits, dashes and dots',
  ],
  [{ guests: [{ mac: 'f6:16:36:bc:f9:c6' }] }, "a guest has the gateway's MAC f6:16:36:bc:f9:c6"],
  [
    { guests: [{ mac: '02:00:00:00:00:01' }, { mac: '02-00-00-00-00-01' }] },
    'two guests have the MAC 02:00:00:00:00:01',
  ],
  [{ guests: [{ mac: '02:00:00:00:00:01', ip: '192.168.65.2' }] }, "the guest's address 192.168.65.2 is the gateway's"],
  [
    { guests: [{ mac: '02:00:00:00:00:01', ip: '192.168.65.255' }] },
    "the guest's address 192.168.65.255 is none of a host in 192.168.65.0/24",
  ],
])('refuses %p', (settings, complaint) => {
  expect(complaintAbout(settings)).toBe(complaint);
});

it('makes a sound plan of anything, or says what is wrong', () => {
  const address = fc.oneof(
    fc.tuple(fc.constantFrom('10.0.0', '10.0.1', '192.168.65'), fc.nat(255)).map(([net, host]) => `${net}.${host}`),
    fc.ipV4(),
    fc.anything(),
  );
  const key = (value: fc.Arbitrary<unknown>) => fc.option(value, { nil: undefined });
  const settings = fc.record({
    gateway: key(address),
    hostAlias: key(address),
    lowest: key(address),
    highest: key(address),
    mtu: key(fc.oneof(fc.nat(70_000), fc.anything())),
    ipv6: key(fc.oneof(fc.constant(false), fc.anything())),
    guests: key(fc.anything()),
  });
  fc.assert(
    fc.property(fc.oneof(settings, fc.anything()), (input) => {
      try {
        const plan = planNetwork(input as NetworkSettings);
        for (const ip of [plan.gateway, plan.lowest, plan.highest]) {
          expect(isHostAddress(ip) && prefixContains(plan.prefix, ip)).toBe(true);
        }
        expect(plan.prefix.bits).toBeGreaterThanOrEqual(8);
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
        expect((error as Error).message).not.toContain('\n');
      }
    }),
  );
});
