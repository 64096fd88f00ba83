import { DriverError } from '../errors';
import type { CreateFlag, FlagValues } from './create-flags';

const env = (name: string): string => `HYPERKIT_${name.toUpperCase().replaceAll('-', '_')}`;
const string = (name: string, usage: string, value = ''): CreateFlag => ({
  kind: 'string',
  name: `hyperkit-${name}`,
  usage,
  envVar: env(name),
  value,
});
const int = (name: string, usage: string, value: number): CreateFlag => ({
  kind: 'int',
  name: `hyperkit-${name}`,
  usage,
  envVar: env(name),
  value,
});
const slice = (name: string, usage: string): CreateFlag => ({
  kind: 'slice',
  name: `hyperkit-${name}`,
  usage,
  envVar: env(name),
  value: [],
});

/**
 * The options of `docker-machine create -d hyperkit`, in the order in which help shows them. The names and defaults
 * are those that the Go drivers and their forks settled on; `engine`, `accel`, `warm`, `bind-address` and `host-ports`
 * are ours.
 */
export const HYPERKIT_FLAGS: readonly CreateFlag[] = [
  string(
    'boot2docker-url',
    'URL or path of the boot2docker ISO, optionally with #sha256=HEX; empty takes the locally built or cached one',
  ),
  int('cpu-count', 'Number of virtual CPUs', 1),
  int('memory-size', 'Memory of the machine in MB', 1024),
  int('disk-size', 'Size of the data disk in MB', 20_000),
  string('uuid', 'UUID of the machine; empty makes a random one'),
  string('cmdline', "Kernel arguments; empty takes those of the ISO's isolinux.cfg"),
  string('engine', 'Hypervisor: auto, native or qemu', 'auto'),
  string('accel', 'Accelerator: auto, kvm, hvf or tcg', 'auto'),
  string('warm', 'Go on from a warm image instead of booting: auto (when there is one), never or require', 'auto'),
  string('bind-address', "Host address of the machine's ports; empty takes a loopback address of its own"),
  slice('host-ports', "Ports of this host's own 127.0.0.1 that the machine may reach as host.docker.internal, or all"),
  slice('vsock-ports', 'Guest vsock ports to expose as unix sockets (not available yet)'),
  string(
    'vpnkit-sock',
    'Ethernet socket of a vpnkit or gvproxy whose network the machine joins, or auto, or swarm:NAME; empty: a network of its own',
  ),
  slice('nfs-shares', 'Host folders to mount in the machine by NFS (not available yet)'),
  string('nfs-root', 'Folder of the guest below which NFS shares are mounted', '/mnt'),
  string('nfs-flags', 'Mount options of NFS shares', 'noacl,async'),
];

const ENGINES = ['auto', 'native', 'qemu'] as const;
const ACCELERATORS = ['auto', 'kvm', 'hvf', 'tcg'] as const;
const WARM_CHOICES = ['auto', 'never', 'require'] as const;

/** The driver's options after reading, with the units of the flags. */
export interface HyperkitOptions {
  readonly boot2dockerUrl: string;
  readonly cpuCount: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  readonly uuid: string;
  readonly commandLine: string;
  readonly engine: (typeof ENGINES)[number];
  readonly accelerator: (typeof ACCELERATORS)[number];
  readonly warm: (typeof WARM_CHOICES)[number];
  readonly bindAddress: string;
  readonly vpnkitSock: string;
  /** Decimal numbers, or `all` and nothing else. */
  readonly hostPorts: readonly string[];
}

/**
 * Reads our flags out of what the client sent; a missing key counts as its flag's default.
 * @throws DriverError HK_FLAG_INVALID for a value that can't be used, HK_FLAG_UNSUPPORTED for a part not built yet.
 */
export function readHyperkitFlags(values: FlagValues): HyperkitOptions {
  refuseUnsupported({
    vsockPorts: sliceValue(values, 'hyperkit-vsock-ports'),
    nfsShares: sliceValue(values, 'hyperkit-nfs-shares'),
  });
  return {
    boot2dockerUrl: stringValue(values, 'hyperkit-boot2docker-url'),
    cpuCount: intValue(values, 'hyperkit-cpu-count', 1, 255),
    memoryMb: intValue(values, 'hyperkit-memory-size', 256, 1 << 22),
    diskMb: intValue(values, 'hyperkit-disk-size', 1_500, 1 << 26),
    uuid: uuidValue(stringValue(values, 'hyperkit-uuid')),
    commandLine: stringValue(values, 'hyperkit-cmdline'),
    engine: oneOf(values, 'hyperkit-engine', ENGINES),
    accelerator: oneOf(values, 'hyperkit-accel', ACCELERATORS),
    warm: oneOf(values, 'hyperkit-warm', WARM_CHOICES),
    bindAddress: bindAddressValue(stringValue(values, 'hyperkit-bind-address')),
    vpnkitSock: stringValue(values, 'hyperkit-vpnkit-sock'),
    hostPorts: hostPortsValue(sliceValue(values, 'hyperkit-host-ports')),
  };
}

/** Parts that flags and other drivers' configurations can ask for but that are not built yet: refused, never ignored. */
export function refuseUnsupported(asked: {
  readonly vsockPorts: readonly string[];
  readonly nfsShares: readonly string[];
}): void {
  const refuse = (flag: string, part: string, instead: string): never => {
    throw new DriverError(
      'HK_FLAG_UNSUPPORTED',
      `cannot use --${flag}: ${part} is not available in this version; ${instead}`,
    );
  };
  if (asked.vsockPorts.length > 0) {
    refuse('hyperkit-vsock-ports', 'vsock forwarding', 'leave the option out and use SSH forwards');
  }
  if (asked.nfsShares.length > 0) {
    refuse('hyperkit-nfs-shares', 'NFS sharing', 'leave the option out and copy files with docker-machine scp');
  }
}

function defaultOf(name: string): string | number | readonly string[] {
  const flag = HYPERKIT_FLAGS.find((candidate) => candidate.name === name);
  return flag === undefined || flag.kind === 'bool' ? '' : flag.value;
}

function stringValue(values: FlagValues, name: string): string {
  const value = values.get(name) ?? defaultOf(name);
  if (typeof value !== 'string') throw invalid(name, value, 'text');
  if (value.includes('\0') || /[\r\n]/.test(value)) throw invalid(name, value, 'text on one line');
  return value;
}

function sliceValue(values: FlagValues, name: string): readonly string[] {
  const value = values.get(name) ?? defaultOf(name);
  if (!Array.isArray(value)) throw invalid(name, value, 'a list');
  return value as readonly string[];
}

function intValue(values: FlagValues, name: string, least: number, most: number): number {
  const value = values.get(name) ?? defaultOf(name);
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw invalid(name, value, `a whole number between ${least} and ${most}`);
  }
  return value;
}

function oneOf<T extends string>(values: FlagValues, name: string, allowed: readonly T[]): T {
  const value = stringValue(values, name);
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw invalid(name, value, `one of ${allowed.join(', ')}`);
  return found;
}

function uuidValue(value: string): string {
  if (value === '') return '';
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) {
    throw invalid('hyperkit-uuid', value, 'a UUID such as 3a1f6a44-9c1e-4be8-8d3c-0242ac120002');
  }
  return value.toLowerCase();
}

function bindAddressValue(value: string): string {
  if (value === '') return '';
  const octets = value.split('.');
  const plain = octets.length === 4 && octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) < 256);
  if (!plain) throw invalid('hyperkit-bind-address', value, 'an IPv4 address of this host');
  if (value === '0.0.0.0') {
    throw invalid('hyperkit-bind-address', value, 'one address of this host: the machine is reached at this address');
  }
  return value;
}

/** docker-machine hands an environment variable over as one text. */
function hostPortsValue(values: readonly string[]): readonly string[] {
  const words = values.flatMap((value) => value.split(',')).map((word) => word.trim());
  if (words.includes('all')) return ['all'];
  for (const word of words) {
    const isPort = /^[1-9]\d{0,4}$/.test(word) && Number(word) < 65_536;
    if (!isPort) throw invalid('hyperkit-host-ports', word, 'a port between 1 and 65535, or all');
  }
  return words;
}

function invalid(name: string, value: unknown, expected: string): DriverError {
  return new DriverError('HK_FLAG_INVALID', `cannot use --${name}=${String(value)}: it must be ${expected}`);
}
