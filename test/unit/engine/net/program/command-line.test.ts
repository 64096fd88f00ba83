import fc from 'fast-check';
import { type ProgramSettings, parseCommandLine } from '../../../../../engine/net/program/command-line';

function settingsOf(...words: readonly string[]): ProgramSettings {
  const command = parseCommandLine(['--ethernet', '/e.sock', ...words]);
  if (command.kind !== 'run') throw new Error(command.text);
  return command.settings;
}

function mistakeOf(...words: readonly string[]): string {
  const command = parseCommandLine(words);
  return command.kind === 'mistake' ? command.text : `taken: ${command.kind}`;
}

test('without options VPNKit’s defaults count', () => {
  expect(settingsOf()).toMatchObject({
    ethernet: [{ kind: 'path', path: '/e.sock' }],
    addresses: { gateway: undefined, mtu: 1500 },
    hostsFile: '/etc/hosts',
    hostNames: ['host.internal'],
    gatewayNames: ['gateway.internal'],
    guestNames: ['vm.internal'],
    addressFile: undefined,
    masquerade: false,
    udpIdleMs: 300_000,
    snapLength: 128,
    gatewayPorts: [],
  });
});

test('every option of VPNKit is taken as VPNKit takes it', () => {
  const words = [
    ...['--port', '/p.sock', '--port=fd:5', '--dns', '/dns', '--hosts', '/hosts', '--host-names', 'a.internal, b'],
    ...['--gateway-names', 'g', '--vm-names', 'v', '--domain', 'example.org', '--dhcp-path', '/dhcp.json'],
    ...['--http', '/http.json', '--http-api-path', '/api.sock', '--listen-backlog', '32'],
    ...['--port-max-idle-time', '60', '--server-macaddr', '02:00:00:00:00:01', '--gateway-ip', '10.0.0.1'],
    ...['--host-ip', '0.0.0.0', '--lowest-ip', '10.0.0.3', '--highest-ip', '10.0.0.9', '--mtu', '9000'],
    ...['--allowed-bind-addresses', '127.0.0.1', '--tcpv4-forwards', '80:127.0.0.1:8080'],
    ...['--udpv4-forwards', '123:127.0.0.1:1123', '--gateway-forwards', '/gw.json', '--forwards', '/f.json'],
    ...['--max-connections', '0', '--pcap', '/pcap.sock', '--pcap-snaplen', '1500', '--diagnostics', '/d.sock'],
    ...['--gc-compact-interval', '5', '--debug'],
    // Ours.
    ...['--address-book', '/book.json', '--masquerade'],
  ];
  const settings = settingsOf(...words);
  expect(settings).toMatchObject({
    addressFile: '/book.json',
    masquerade: true,
    ports: [
      { kind: 'path', path: '/p.sock' },
      { kind: 'fd', fd: 5 },
    ],
    dnsFile: '/dns',
    hostsFile: '/hosts',
    hostNames: ['a.internal', 'b'],
    gatewayNames: ['g'],
    guestNames: ['v'],
    domain: 'example.org',
    dhcpFile: '/dhcp.json',
    httpFile: '/http.json',
    httpApi: { path: '/api.sock' },
    listenBacklog: 32,
    udpIdleMs: 60_000,
    addresses: {
      gateway: '10.0.0.1',
      hostAlias: '0.0.0.0',
      lowest: '10.0.0.3',
      highest: '10.0.0.9',
      gatewayMac: '02:00:00:00:00:01',
      mtu: 9000,
    },
    gatewayPorts: [
      { protocol: 'tcp', port: 80 },
      { protocol: 'udp', port: 123 },
    ],
    gatewayPortsFile: '/gw.json',
    tunnelsFile: '/f.json',
    maxConnections: 0,
    pcap: { path: '/pcap.sock' },
    snapLength: 1500,
    diagnostics: { path: '/d.sock' },
  });
  expect(() => settings.allowBind('127.0.0.1')).not.toThrow();
  expect(() => settings.allowBind('0.0.0.0')).toThrow('only 127.0.0.1 is allowed');
});

test('gvproxy’s listeners and a tap are ways in, too', () => {
  const command = parseCommandLine(
    '--listen-vpnkit unix:///v.sock --listen-qemu unix:///q.sock --listen-vfkit unix:///f.sock --tap tap0 --tap-netns 17'.split(
      ' ',
    ),
  );
  expect(command).toMatchObject({
    kind: 'run',
    settings: {
      ethernet: [{ path: '/v.sock' }],
      qemu: [{ path: '/q.sock' }],
      vfkit: [{ path: '/f.sock' }],
      tap: { name: 'tap0', netns: '/proc/17/ns/net' },
    },
  });
});

test.each([
  ['no guest could be plugged in', []],
  ['Unknown argument: bogus', ['--ethernet', '/e', '--bogus']],
  ['Unknown argument: left-over', ['--ethernet', '/e', 'left-over']],
  ['Not enough arguments following: ethernet', ['--ethernet']],
  ['--mtu must be a whole number', ['--ethernet', '/e', '--mtu', 'big']],
  ['--domain can be given once only', ['--ethernet', '/e', '--domain', 'a', '--domain', 'b']],
  ['gateway "nonsense" must be the IPv4 address', ['--ethernet', '/e', '--gateway-ip', 'nonsense']],
  ['--listen-backlog must be a whole number from 1 to 65535', ['--ethernet', '/e', '--listen-backlog', '0']],
  ['--tap-netns needs --tap', ['--ethernet', '/e', '--tap-netns', '1']],
  ['cannot listen on "hyperv-connect://1234": Hyper-V sockets', ['--ethernet', 'hyperv-connect://1234']],
  ['cannot use --introspection: there is no 9P view', ['--ethernet', '/e', '--introspection', '/i']],
  ['cannot use --vsock-path: forwards reach guests over the network', ['--ethernet', '/e', '--vsock-path', '/v']],
  ['"80" is not of the form', ['--ethernet', '/e', '--tcpv4-forwards', '80']],
  ['"localhost"', ['--ethernet', '/e', '--allowed-bind-addresses', 'localhost']],
])('a mistake is told: %s', (text, words) => {
  expect(mistakeOf(...words)).toContain(text);
});

test('help lists every option in groups', () => {
  const command = parseCommandLine(['--help', '--bogus']);
  expect(command.kind).toBe('help');
  expect(command.kind === 'help' && command.text).toMatchSnapshot();
});

test('any words are a command or a mistake', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('--ethernet', '--port', '--mtu', '--debug', '--tap', '--', '-h', '--no-debug', '--__proto__'),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      expect(['help', 'mistake', 'run']).toContain(parseCommandLine(words).kind);
    }),
    { numRuns: 150 },
  );
});
