// The gob types of docker-machine's contract. Interface values travel with registered names; all client families use
// these, because Go registers a pointer under its package's short name.
import type { CreateFlag, FlagValues } from '../contract/create-flags';
import { type GobInterface, GobRegistry, type GobStruct, type GobValue, gob } from '../gob';

/** libmachine tries the first name and falls back to the second, that of very old plugins. */
export const SERVICE_NAMES = ['RPCServerDriver', 'RpcServerDriver'] as const;

/** The only version there has ever been; a client that hears another one hangs at its exit. */
export const API_VERSION = 1;

const FLAG_HEAD = [
  ['Name', gob.string],
  ['Usage', gob.string],
  ['EnvVar', gob.string],
] as const;
const STRING_LIST = gob.slice(gob.string, '[]string');
const RPC_FLAGS = gob.struct('RPCFlags', [['Values', gob.map(gob.string, gob.interface, 'map[string]interface {}')]]);
const RPC_FLAGS_NAME = '*rpcdriver.RPCFlags';

const FLAG_NAMES = {
  string: '*mcnflag.StringFlag',
  int: '*mcnflag.IntFlag',
  slice: '*mcnflag.StringSliceFlag',
  bool: '*mcnflag.BoolFlag',
} as const satisfies Record<CreateFlag['kind'], string>;

/** []mcnflag.Flag, an interface. */
export const FLAG_LIST = gob.slice(gob.interface);

/** drivers.DriverOptions: an interface that holds an RPCFlags. */
export const DRIVER_OPTIONS = gob.interface;

export const CONTRACT_REGISTRY = new GobRegistry()
  .register(RPC_FLAGS_NAME, RPC_FLAGS)
  .register(FLAG_NAMES.string, gob.struct('StringFlag', [...FLAG_HEAD, ['Value', gob.string]]))
  .register(FLAG_NAMES.int, gob.struct('IntFlag', [...FLAG_HEAD, ['Value', gob.int]]))
  .register(FLAG_NAMES.slice, gob.struct('StringSliceFlag', [...FLAG_HEAD, ['Value', STRING_LIST]]))
  .register(FLAG_NAMES.bool, gob.struct('BoolFlag', FLAG_HEAD));

/** Create flags as the value of a {@link FLAG_LIST}. */
export function encodeFlags(flags: readonly CreateFlag[]): GobValue {
  return flags.map((flag): GobInterface => {
    const { name, usage, envVar } = flag;
    const head = { Name: name, Usage: usage, EnvVar: envVar };
    return { type: FLAG_NAMES[flag.kind], value: flag.kind === 'bool' ? head : { ...head, Value: flag.value } };
  });
}

/** The other way round; flags of kinds we do not know are left out. */
export function decodeFlags(list: GobValue): CreateFlag[] {
  const kinds = Object.entries(FLAG_NAMES) as [CreateFlag['kind'], string][];
  return (list as readonly (GobInterface | null)[]).flatMap((element) => {
    const kind = kinds.find(([, name]) => name === element?.type)?.[0];
    if (kind === undefined || element === null) return [];
    const { Name, Usage, EnvVar, Value } = element.value as GobStruct;
    const head = { kind, name: Name, usage: Usage, envVar: EnvVar };
    return [(kind === 'bool' ? head : { ...head, value: Value }) as CreateFlag];
  });
}

/** Flag values as the value of {@link DRIVER_OPTIONS}, the way libmachine's client sends them. */
export function encodeFlagValues(values: FlagValues): GobValue {
  const entries = [...values].map(([key, value]): [string, GobInterface] => [key, { type: goType(value), value }]);
  return { type: RPC_FLAGS_NAME, value: { Values: new Map(entries) } };
}

/**
 * The other way round. What holds the values is known by its field, not by its name; values of kinds that no flag has
 * are left out, as an unknown flag would be.
 */
export function decodeFlagValues(options: GobValue): FlagValues {
  const { Values } = ((options as GobInterface | null)?.value ?? {}) as GobStruct;
  const values = new Map<string, string | number | boolean | readonly string[]>();
  if (!(Values instanceof Map)) return values;
  for (const [key, element] of Values as ReadonlyMap<string, GobInterface | null>) {
    const value = element?.value;
    if (isFlagValue(value)) values.set(key, value);
  }
  return values;
}

function goType(value: string | number | boolean | readonly string[]): string {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'number') return 'int';
  return typeof value === 'boolean' ? 'bool' : '[]string';
}

function isFlagValue(value: GobValue | undefined): value is string | number | boolean | readonly string[] {
  if (Array.isArray(value)) return value.every((item) => typeof item === 'string');
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
