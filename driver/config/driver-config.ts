/**
 * The driver's part of config.json. Field names, order and meaning are those of the Go drivers (BaseDriver, then the
 * hyperkit fields of machine-drivers and minikube, then ours), so that a machine made by one loads in the other.
 * A zero value means "use the default": docker-machine first sends a configuration of nothing but zeros.
 */
export interface DriverConfig {
  IPAddress: string;
  MachineName: string;
  SSHUser: string;
  SSHPort: number;
  SSHKeyPath: string;
  StorePath: string;
  SwarmMaster: boolean;
  SwarmHost: string;
  SwarmDiscovery: string;
  Boot2DockerURL: string;
  /** MiB. */
  DiskSize: number;
  CPU: number;
  /** MiB. */
  Memory: number;
  Cmdline: string;
  NFSShares: readonly string[];
  NFSSharesRoot: string;
  UUID: string;
  VpnKitSock: string;
  VSockPorts: readonly string[];
  ExtraDisks: number;
  BootKernel: string;
  BootInitrd: string;
  Engine: string;
  Accel: string;
  BindAddress: string;
  HostPorts: readonly string[];
  Warm: string;
}

type Field = keyof DriverConfig;

const ZERO: DriverConfig = {
  IPAddress: '',
  MachineName: '',
  SSHUser: '',
  SSHPort: 0,
  SSHKeyPath: '',
  StorePath: '',
  SwarmMaster: false,
  SwarmHost: '',
  SwarmDiscovery: '',
  Boot2DockerURL: '',
  DiskSize: 0,
  CPU: 0,
  Memory: 0,
  Cmdline: '',
  NFSShares: [],
  NFSSharesRoot: '',
  UUID: '',
  VpnKitSock: '',
  VSockPorts: [],
  ExtraDisks: 0,
  BootKernel: '',
  BootInitrd: '',
  Engine: '',
  Accel: '',
  BindAddress: '',
  HostPorts: [],
  Warm: '',
};

const FIELDS = Object.keys(ZERO) as readonly Field[];
const FIELD_BY_FOLDED_NAME = new Map<string, Field>(FIELDS.map((field) => [field.toLowerCase(), field]));

/** A configuration that remembers the keys it doesn't know, so that writing it back loses nothing. */
export interface ConfigDocument {
  readonly config: DriverConfig;
  readonly unknown: ReadonlyMap<string, unknown>;
}

/** What `mergeConfig` could not take over; for the log, it carries no values. */
export type ConfigComplaint = string;

/** The configuration before anything was set. */
export function emptyConfig(): ConfigDocument {
  return { config: { ...ZERO }, unknown: new Map() };
}

/**
 * Lays JSON text over a configuration as Go's encoding/json does: keys match without regard to case, a missing key or
 * null keeps the value. Never throws: text that is no JSON object and values of a wrong type are left out and told as
 * complaints, because docker-machine panics when SetConfigRaw fails.
 */
export function mergeConfig(
  before: ConfigDocument,
  json: string,
): { readonly document: ConfigDocument; readonly complaints: readonly ConfigComplaint[] } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return { document: before, complaints: ['the configuration is not JSON, it was ignored'] };
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return { document: before, complaints: ['the configuration is not a JSON object, it was ignored'] };
  }
  const config = { ...before.config };
  const unknown = new Map(before.unknown);
  const complaints: ConfigComplaint[] = [];
  for (const [key, value] of Object.entries(parsed)) {
    const field = FIELD_BY_FOLDED_NAME.get(key.toLowerCase());
    if (field === undefined) unknown.set(key, value);
    else if (value === null) continue;
    else if (fits(field, value)) assign(config, field, value);
    else complaints.push(`the configuration's ${field} has a wrong type, it was ignored`);
  }
  return { document: { config, unknown }, complaints };
}

/** JSON text of a configuration: our fields in Go's order, then the keys we don't know. */
export function serializeConfig(document: ConfigDocument): string {
  return JSON.stringify({ ...document.config, ...Object.fromEntries(document.unknown) });
}

function fits(field: Field, value: unknown): boolean {
  const zero = ZERO[field];
  if (Array.isArray(zero)) return Array.isArray(value) && value.every((item) => typeof item === 'string');
  if (typeof zero === 'number') return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
  return typeof value === typeof zero;
}

function assign<F extends Field>(config: DriverConfig, field: F, value: unknown): void {
  config[field] = value as DriverConfig[F];
}
