import type { InferredOptionTypes } from 'yargs';
import { DriverError } from '../errors';
import { type CreatePhase, CreateRefused, createHost, type HostRequest } from '../host/create-host';
import type { StoredMachine } from '../store/stored-machine';
import type { CommandContext, OptionTable } from './command';
import { driverFlagValues } from './create-options';
import type { Progress } from './progress';

const list = (describe: string) => ({ type: 'array', string: true, default: [] as string[], describe }) as const;

/** Options of every verb that makes machines, besides the driver's. */
export const HOST_OPTIONS = {
  parallel: { type: 'number', default: 4, describe: 'how many machines are made at the same time' },
  'engine-opt': list("flag=value for the machine's dockerd"),
  'engine-label': list('label of the engine, name=value'),
  'engine-env': list('environment variable of dockerd, NAME=value'),
  'engine-insecure-registry': list('registry that may be spoken to without TLS'),
  'engine-registry-mirror': list('mirror of the Docker Hub'),
  'engine-storage-driver': { type: 'string', default: '', describe: 'storage driver of dockerd; empty: overlay2' },
  'engine-install-url': {
    type: 'string',
    default: 'https://get.docker.com',
    describe: 'kept in config.json for docker-machine; this guest has Docker',
  },
  'tls-san': list('further name or address that the server certificate is good for'),
} as const satisfies OptionTable;

const PHASES: Readonly<Record<CreatePhase, string>> = {
  check: 'Running pre-create checks',
  create: 'Creating machine',
  provision: 'Setting up Docker',
  verify: 'Checking connection to Docker',
};

/** What the options say of a machine. @throws DriverError HK_USAGE */
export function readHostOptions(args: InferredOptionTypes<typeof HOST_OPTIONS>): {
  readonly parallel: number;
  readonly request: Omit<HostRequest, 'name'>;
} {
  if (!Number.isInteger(args.parallel) || args.parallel < 1) {
    throw new DriverError('HK_USAGE', 'cannot use --parallel: it must be a whole number, at least 1');
  }
  const engine = {
    flags: args['engine-opt'],
    env: args['engine-env'],
    insecureRegistries: args['engine-insecure-registry'],
    labels: args['engine-label'],
    registryMirrors: args['engine-registry-mirror'],
    storageDriver: args['engine-storage-driver'],
  };
  const request = {
    flags: driverFlagValues(args),
    engine,
    sans: args['tls-san'],
    installUrl: args['engine-install-url'],
  };
  return { parallel: args.parallel, request };
}

/** Makes one machine, and says so when it is kept though it failed. @param alone no other is made meanwhile */
export async function makeHost(
  { store, output, signal }: CommandContext,
  request: HostRequest,
  progress: Progress,
  alone: boolean,
): Promise<StoredMachine> {
  const { name } = request;
  try {
    return await createHost(store, request, {
      logger: output.loggerOf(name),
      signal,
      onPhase: (phase) => progress.phase(alone ? PHASES[phase] : `(${name}) ${PHASES[phase]}`),
    });
  } catch (error) {
    if (!signal.aborted && !(error instanceof CreateRefused)) {
      output.say(`Machine "${name}" is kept to be looked at; "hyperkit rm ${name}" removes it.`);
    }
    throw error;
  }
}
