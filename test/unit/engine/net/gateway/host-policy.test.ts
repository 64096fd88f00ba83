import { type HostAccess, HostPolicy } from '../../../../../engine/net/gateway/host-policy';
import { formatAddress, parseAddress } from '../../../../../engine/net/wire/ip-address';

const address = (text: string) => parseAddress(text)!;

function decide(to: string, port = 80, hostAccess: HostAccess = 'none', linkLocal = false): string {
  const policy = new HostPolicy({
    own: [
      { gateway: address('192.168.65.1'), hostAlias: address('192.168.65.2'), prefixBits: 24 },
      { gateway: address('fd00:1:2:3::1'), hostAlias: address('fd00:1:2:3::2'), prefixBits: 64 },
    ],
    hostAccess,
    linkLocal,
  });
  const where = policy.destinationOf(address(to), port);
  return where.kind === 'host' ? formatAddress(where.address) : where.kind;
}

it.each([
  // The network itself.
  ['192.168.65.1', 'gateway'],
  ['fd00:1:2:3::1', 'gateway'],
  ['192.168.65.2', 'refuse'],
  ['fd00:1:2:3::2', 'refuse'],
  ['192.168.65.3', 'refuse'],
  ['192.168.65.0', 'refuse'],
  ['fd00:1:2:3:ffff::1', 'refuse'],
  ['192.168.65.255', 'drop'],
  // Beyond it.
  ['192.168.64.255', '192.168.64.255'],
  ['192.168.66.1', '192.168.66.1'],
  ['10.0.0.1', '10.0.0.1'],
  ['8.8.8.8', '8.8.8.8'],
  ['223.255.255.255', '223.255.255.255'],
  ['fd00:1:2:4::1', 'fd00:1:2:4::1'],
  ['2001:db8::1', '2001:db8::1'],
  ['64:ff9b::808:808', '64:ff9b::808:808'],
  // The host's own and nobody's (RFC 6890).
  ['127.0.0.1', 'drop'],
  ['127.255.255.255', 'drop'],
  ['0.0.0.0', 'drop'],
  ['0.1.2.3', 'drop'],
  ['224.0.0.251', 'drop'],
  ['239.255.255.250', 'drop'],
  ['240.0.0.1', 'drop'],
  ['255.255.255.255', 'drop'],
  ['::', 'drop'],
  ['::1', 'drop'],
  ['::127.0.0.1', 'drop'],
  ['::ffff:127.0.0.1', 'drop'],
  ['::ffff:0:127.0.0.1', 'drop'],
  ['ff02::1', 'drop'],
  ['fe80::1', 'drop'],
  ['febf::1', 'drop'],
  ['169.254.169.254', 'refuse'],
])('%s goes to %s', (to, where) => {
  expect(decide(to)).toBe(where);
});

it('lets guests reach the loopback of the host as far as it is told', () => {
  for (const [alias, loopback] of [
    ['192.168.65.2', '127.0.0.1'],
    ['fd00:1:2:3::2', '::1'],
  ] as const) {
    expect(decide(alias, 80, 'all')).toBe(loopback);
    expect(decide(alias, 80, new Set([80, 443]))).toBe(loopback);
    expect(decide(alias, 81, new Set([80, 443]))).toBe('refuse');
    expect(decide(alias, 80, new Set())).toBe('refuse');
  }
  expect(decide('127.0.0.1', 80, 'all')).toBe('drop');
});

it('opens link-local addresses only when told', () => {
  expect(decide('169.254.169.254', 80, 'all')).toBe('refuse');
  expect(decide('169.254.169.254', 80, 'none', true)).toBe('169.254.169.254');
});

it.each([
  [8, '10.255.255.255', 'drop', '11.0.0.1'],
  [30, '10.0.0.3', 'drop', '10.0.0.4'],
  [31, '10.0.0.1', 'gateway', '10.0.0.2'],
])('knows networks of /%d', (prefixBits, last, lastIs, next) => {
  const own = [{ gateway: address('10.0.0.1'), hostAlias: undefined, prefixBits }];
  const policy = new HostPolicy({ own, hostAccess: 'all', linkLocal: false });
  expect(policy.destinationOf(address(last), 1).kind).toBe(lastIs);
  expect(policy.destinationOf(address(next), 1).kind).toBe('host');
});
