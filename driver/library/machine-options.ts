import type { AcceleratorChoice, HypervisorChoice } from '../../engine/spec/vm-spec';
import type { FlagValues } from '../contract/create-flags';
import type { HostRequest } from '../host/create-host';

/** What a new Docker host is like. What is not given is as `hyperkit create` has it; its environment variables don't count. */
export interface MachineOptions {
  /** URL or path of the guest's ISO, optionally with `#sha256=HEX`; else the one that image/build made, or the cached one. */
  readonly iso?: string | undefined;
  /** 1 unless given. */
  readonly cpus?: number | undefined;
  /** 1024 unless given. */
  readonly memoryMiB?: number | undefined;
  /** 20000 unless given; the file is sparse. */
  readonly diskMiB?: number | undefined;
  readonly uuid?: string | undefined;
  /** Kernel arguments instead of the ISO's. */
  readonly commandLine?: string | undefined;
  readonly hypervisor?: HypervisorChoice | undefined;
  readonly accelerator?: AcceleratorChoice | undefined;
  /** Whether it goes on from a warm image instead of booting; `auto` unless given: when there is one. */
  readonly warm?: 'auto' | 'never' | 'require' | undefined;
  /** IPv4 address of this host where the machine's ports are; on Linux a loopback address of its own unless given. */
  readonly bindAddress?: string | undefined;
  /** Ports of this host's own 127.0.0.1 that the machine may reach as host.docker.internal; none unless given. */
  readonly hostPorts?: 'all' | readonly number[] | undefined;
  /** Ethernet socket of a vpnkit or gvproxy whose network the machine joins, or `auto`; a network of its own unless given. */
  readonly vpnkitSocket?: string | undefined;
  readonly docker?: DockerEngineOptions | undefined;
  /** Further names and addresses that Docker's certificate is good for. */
  readonly certificateNames?: readonly string[] | undefined;
}

/** What the machine's dockerd is told. */
export interface DockerEngineOptions {
  /** `flag=value` words for dockerd, without their dashes. */
  readonly flags?: readonly string[] | undefined;
  /** `NAME=value` */
  readonly environment?: readonly string[] | undefined;
  /** `name=value` */
  readonly labels?: readonly string[] | undefined;
  readonly insecureRegistries?: readonly string[] | undefined;
  readonly registryMirrors?: readonly string[] | undefined;
  /** `overlay2` unless given. */
  readonly storageDriver?: string | undefined;
}

/** Kept in config.json for docker-machine, which would install Docker from there; this guest has it. */
const INSTALL_URL = 'https://get.docker.com';

/** Options as the driver and docker-machine's config.json have them. */
export function hostRequest(name: string, options: MachineOptions): HostRequest {
  const { docker = {} } = options;
  return {
    name,
    flags: driverFlags(options),
    engine: {
      flags: docker.flags ?? [],
      env: docker.environment ?? [],
      insecureRegistries: docker.insecureRegistries ?? [],
      labels: docker.labels ?? [],
      registryMirrors: docker.registryMirrors ?? [],
      storageDriver: docker.storageDriver ?? '',
    },
    sans: options.certificateNames ?? [],
    installUrl: INSTALL_URL,
  };
}

/** A flag that is missing counts as its default. */
function driverFlags(options: MachineOptions): FlagValues {
  const { hostPorts } = options;
  const values: Readonly<Record<string, string | number | readonly string[] | undefined>> = {
    'boot2docker-url': options.iso,
    'cpu-count': options.cpus,
    'memory-size': options.memoryMiB,
    'disk-size': options.diskMiB,
    uuid: options.uuid,
    cmdline: options.commandLine,
    engine: options.hypervisor,
    accel: options.accelerator,
    warm: options.warm,
    'bind-address': options.bindAddress,
    'host-ports': hostPorts === 'all' ? ['all'] : hostPorts?.map(String),
    'vpnkit-sock': options.vpnkitSocket,
  };
  return new Map(
    Object.entries(values).flatMap(([flag, value]) => (value === undefined ? [] : [[`hyperkit-${flag}`, value]])),
  );
}
