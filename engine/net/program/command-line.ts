import yargs from 'yargs';
import { EngineError } from '../../errors';
import { DEFAULT_MTU, MAX_MTU, MIN_MTU } from '../addressing/network-plan';
import { planNetwork } from '../addressing/plan-network';
import { parseSocketUrl, type SocketUrl } from '../attach/socket-url';
import { DEFAULT_SNAP_LENGTH } from '../capture/ring-captures';
import { allowBind } from '../control/allow-bind';
import type { GatewayPort } from '../forwards/gateway-ports';
import { parseGatewayPorts } from '../forwards/gateway-ports-config';

const GUESTS = 'Where guests are plugged in (at least one):';
const ADDRESSES = 'Addresses:';
const NAMES = 'Names:';
const FORWARDS = 'Ports:';
const PROXY = 'HTTP:';
const INSIGHT = 'Insight:';

const MAX_TIMEOUT_S = 1_000_000;

const text = (group: string, describe: string) => ({ type: 'string', requiresArg: true, group, describe }) as const;
const texts = (group: string, describe: string) =>
  ({ type: 'string', array: true, nargs: 1, group, describe }) as const;
const number = (group: string, describe: string) => ({ type: 'number', requiresArg: true, group, describe }) as const;

/** VPNKit's options by their own names (`vpnkit --help`), then gvproxy's listeners and ours. */
export const VPNKIT_OPTIONS = {
  ethernet: texts(GUESTS, "listen for VPNKit's Ethernet protocol on this socket: a path, unix:///path or fd:N"),
  'listen-vpnkit': texts(GUESTS, 'the same, as gvproxy names it'),
  'listen-qemu': texts(GUESTS, "listen for QEMU's -netdev stream"),
  'listen-vfkit': texts(GUESTS, 'receive datagrams of vfkit or krun, one machine per socket'),
  tap: text(GUESTS, 'open this tap device'),
  'tap-netns': text(GUESTS, 'network namespace of --tap: a process id or a path'),

  'gateway-ip': text(ADDRESSES, 'the gateway, also DNS and proxy [192.168.65.1]'),
  'host-ip': text(ADDRESSES, "stands for the host's 127.0.0.1; 0.0.0.0: nothing does [192.168.65.2]"),
  'lowest-ip': text(ADDRESSES, 'first address for guests [192.168.65.3]'),
  'highest-ip': text(ADDRESSES, 'last address for guests [192.168.65.254]'),
  'address-book': text(ADDRESSES, 'file in which guests find their cards and addresses again after a restart'),
  'server-macaddr': text(ADDRESSES, "the gateway's card [f6:16:36:bc:f9:c6]"),
  mtu: { ...number(ADDRESSES, 'bytes of the longest packet'), default: DEFAULT_MTU },

  dns: text(NAMES, "ask the servers of this file, instead of the host's /etc/resolv.conf"),
  hosts: { ...text(NAMES, 'file of names that need no server'), default: '/etc/hosts' },
  'host-names': { ...text(NAMES, 'names of the host'), default: 'host.internal' },
  'gateway-names': { ...text(NAMES, 'names of the gateway'), default: 'gateway.internal' },
  'vm-names': { ...text(NAMES, 'names by which each guest finds itself'), default: 'vm.internal' },
  domain: text(NAMES, "the guests' domain [localdomain]"),
  'dhcp-path': text(NAMES, 'file {"searchDomains": […], "domainName": "…"}, watched'),

  port: texts(FORWARDS, '9P control of forwards on this socket'),
  services: texts(FORWARDS, "HTTP control of forwards, names and tunnels on this socket (VPNKit's and gvproxy's)"),
  control: texts(FORWARDS, 'the same'),
  'allowed-bind-addresses': { ...text(FORWARDS, 'host addresses that forwards may listen on'), default: '0.0.0.0' },
  'tcpv4-forwards': text(FORWARDS, "the gateway's TCP ports that lead to the host's side: port:ip:port,…"),
  'udpv4-forwards': text(FORWARDS, 'the same for UDP'),
  'gateway-forwards': text(
    FORWARDS,
    'the same from a watched file [{"protocol", "external_port", "internal_ip", "internal_port"}, …]',
  ),
  forwards: text(FORWARDS, 'file of flows that go to unix sockets [{"protocol", "dst_prefix", "dst_port", "path"}, …]'),
  masquerade: {
    type: 'boolean',
    group: FORWARDS,
    describe: 'to guests, forwarded connections come from the gateway instead of from their callers',
    default: false,
  },
  'max-connections': number(FORWARDS, 'TCP connections at once'),
  'listen-backlog': number(FORWARDS, 'connections that wait to be accepted, per forward'),
  'port-max-idle-time': { ...number(FORWARDS, 'seconds after which a silent UDP flow is forgotten'), default: 300 },

  http: text(PROXY, 'file that says what of HTTP and HTTPS goes through a proxy, watched'),
  'http-api-path': text(PROXY, 'socket to read and change that (GET and POST of /http_proxy.json)'),

  pcap: text(INSIGHT, 'socket that sends a live capture to whoever connects'),
  'pcap-snaplen': { ...number(INSIGHT, 'bytes kept of each captured frame'), default: DEFAULT_SNAP_LENGTH },
  diagnostics: text(INSIGHT, 'socket that sends a tar archive of all there is to know'),

  'vsock-path': { type: 'string', hidden: true },
  'port-forwards': { type: 'string', hidden: true },
  introspection: { type: 'string', hidden: true },
  'gc-compact-interval': { type: 'string', hidden: true },
  debug: { type: 'boolean', hidden: true },
} as const;

/** Options that VPNKit has and we can't do, and why. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  'vsock-path': 'forwards reach guests over the network, no agent in the guest is needed',
  'port-forwards': 'forwards reach guests over the network, no agent in the guest is needed',
  introspection: 'there is no 9P view of the inside; --diagnostics and --services tell the same',
};

function parser() {
  return yargs()
    .scriptName('vpnkit')
    .usage('vpnkit --ethernet SOCKET [OPTION…]\n\nA user-mode network for virtual machines; needs no privileges.')
    .options(VPNKIT_OPTIONS)
    .parserConfiguration({
      'camel-case-expansion': false,
      'boolean-negation': false,
      'dot-notation': false,
    })
    .locale('en')
    .wrap(110)
    .strict()
    .version(false)
    .help(false)
    .option('help', { alias: 'h', type: 'boolean', describe: 'print this' })
    .epilogue(
      'Prints "ready" when everything listens. Ends with SIGTERM or SIGINT.\n' +
        '--debug and --gc-compact-interval are taken for the sake of old command lines and change nothing.',
    )
    .exitProcess(false);
}

type Parsed = Awaited<ReturnType<ReturnType<typeof parser>['parseAsync']>>;

/** What to do: a text to print, a mistake to tell, or a network to run. */
export type Command =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'mistake'; readonly text: string }
  | { readonly kind: 'run'; readonly settings: ProgramSettings };

/** The command line, checked as far as that is possible without touching anything. */
export interface ProgramSettings {
  readonly ethernet: readonly SocketUrl[];
  readonly qemu: readonly SocketUrl[];
  readonly vfkit: readonly SocketUrl[];
  readonly tap: { readonly name: string; readonly netns: string | undefined } | undefined;
  readonly addresses: {
    readonly gateway: string | undefined;
    readonly hostAlias: string | undefined;
    readonly lowest: string | undefined;
    readonly highest: string | undefined;
    readonly gatewayMac: string | undefined;
    readonly mtu: number;
  };
  readonly addressFile: string | undefined;
  readonly dnsFile: string | undefined;
  readonly hostsFile: string;
  readonly hostNames: readonly string[];
  readonly gatewayNames: readonly string[];
  readonly guestNames: readonly string[];
  readonly domain: string | undefined;
  readonly dhcpFile: string | undefined;
  readonly ports: readonly SocketUrl[];
  readonly services: readonly SocketUrl[];
  readonly allowBind: (address: string) => void;
  /** Of the command line only. */
  readonly gatewayPorts: readonly GatewayPort[];
  readonly gatewayPortsFile: string | undefined;
  readonly tunnelsFile: string | undefined;
  readonly masquerade: boolean;
  readonly maxConnections: number | undefined;
  readonly listenBacklog: number | undefined;
  readonly udpIdleMs: number;
  readonly httpFile: string | undefined;
  readonly httpApi: SocketUrl | undefined;
  readonly pcap: SocketUrl | undefined;
  /** Bytes kept of each captured frame. */
  readonly snapLength: number;
  readonly diagnostics: SocketUrl | undefined;
}

/** Never throws, whatever the words. */
export function parseCommandLine(words: readonly string[]): Command {
  const program = parser();
  let mistake = '';
  program.fail((message: string | undefined, error: Error | undefined) => {
    mistake ||= message ?? error?.message ?? 'these options make no sense';
  });
  const parsed = program.parseSync([...words]);
  if (parsed.help === true) {
    let text = '';
    program.showHelp((help) => {
      text = help;
    });
    return { kind: 'help', text: `${text}\n` };
  }
  if (mistake !== '') return { kind: 'mistake', text: mistake };
  try {
    return { kind: 'run', settings: readSettings(parsed) };
  } catch (error) {
    if (error instanceof EngineError) return { kind: 'mistake', text: error.message };
    throw error;
  }
}

/** @throws EngineError HK_NET_CONFIG_INVALID */
function readSettings(parsed: Parsed): ProgramSettings {
  for (const [name, reason] of Object.entries(UNSUPPORTED)) {
    if (parsed[name] !== undefined) throw invalid(`cannot use --${name}: ${reason}`);
  }
  for (const [name, option] of Object.entries(VPNKIT_OPTIONS)) {
    if (!('array' in option) && Array.isArray(parsed[name])) throw invalid(`--${name} can be given once only`);
  }
  const urls = (...lists: readonly (readonly string[] | undefined)[]): readonly SocketUrl[] =>
    lists.flatMap((texts) => texts ?? []).map((each) => parseSocketUrl(each));
  const url = (text: string | undefined): SocketUrl | undefined =>
    text === undefined ? undefined : parseSocketUrl(text);
  const settings: ProgramSettings = {
    ethernet: urls(parsed.ethernet, parsed['listen-vpnkit']),
    qemu: urls(parsed['listen-qemu']),
    vfkit: (parsed['listen-vfkit'] ?? []).map((text) => parseSocketUrl(text, ['unix', 'unixgram'])),
    tap: parsed.tap === undefined ? undefined : { name: parsed.tap, netns: namespacePath(parsed['tap-netns']) },
    addresses: {
      gateway: parsed['gateway-ip'],
      hostAlias: parsed['host-ip'],
      lowest: parsed['lowest-ip'],
      highest: parsed['highest-ip'],
      gatewayMac: parsed['server-macaddr'],
      mtu: wholeNumber('mtu', parsed.mtu, MIN_MTU, MAX_MTU) ?? DEFAULT_MTU,
    },
    addressFile: parsed['address-book'],
    dnsFile: parsed.dns,
    hostsFile: parsed.hosts,
    hostNames: list(parsed['host-names']),
    gatewayNames: list(parsed['gateway-names']),
    guestNames: list(parsed['vm-names']),
    domain: parsed.domain,
    dhcpFile: parsed['dhcp-path'],
    ports: urls(parsed.port),
    services: urls(parsed.services, parsed.control),
    allowBind: allowBind(list(parsed['allowed-bind-addresses'])),
    gatewayPorts: [
      ...parseGatewayPorts('tcp', parsed['tcpv4-forwards'] ?? ''),
      ...parseGatewayPorts('udp', parsed['udpv4-forwards'] ?? ''),
    ],
    gatewayPortsFile: parsed['gateway-forwards'],
    tunnelsFile: parsed.forwards,
    masquerade: parsed.masquerade,
    maxConnections: wholeNumber('max-connections', parsed['max-connections'], 0, 1_000_000),
    listenBacklog: wholeNumber('listen-backlog', parsed['listen-backlog'], 1, 65_535),
    udpIdleMs: 1000 * (wholeNumber('port-max-idle-time', parsed['port-max-idle-time'], 1, MAX_TIMEOUT_S) ?? 0),
    httpFile: parsed.http,
    httpApi: url(parsed['http-api-path']),
    pcap: url(parsed.pcap),
    snapLength: wholeNumber('pcap-snaplen', parsed['pcap-snaplen'], 14, 65_535) ?? DEFAULT_SNAP_LENGTH,
    diagnostics: url(parsed.diagnostics),
  };
  // What contradicts itself is told before anything is opened.
  planNetwork(settings.addresses);
  if (parsed['tap-netns'] !== undefined && settings.tap === undefined) throw invalid('--tap-netns needs --tap');
  const guests = settings.ethernet.length + settings.qemu.length + settings.vfkit.length;
  if (guests === 0 && settings.tap === undefined) {
    throw invalid('no guest could be plugged in: give --ethernet SOCKET, or another of the first options of --help');
  }
  return settings;
}

function list(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function wholeNumber(name: string, value: number | undefined, lowest: number, highest: number): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= lowest && value <= highest)) return value;
  throw invalid(`--${name} must be a whole number from ${lowest} to ${highest}`);
}

function namespacePath(text: string | undefined): string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? `/proc/${text}/ns/net` : text;
}

function invalid(message: string): EngineError {
  return new EngineError('HK_NET_CONFIG_INVALID', message);
}
