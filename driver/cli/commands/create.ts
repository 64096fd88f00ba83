import { DriverError } from '../../errors';
import { type CreatePhase, CreateRefused, createHost } from '../../host/create-host';
import type { EngineWishes } from '../../host/host-options';
import type { StoredMachine } from '../../store/stored-machine';
import { defineCommand } from '../command';
import { driverFlagValues, driverOptions } from '../create-options';
import { forEachMachine } from '../each-machine';
import { namedMachines } from '../machine-names';

const list = (describe: string) => ({ type: 'array', string: true, default: [] as string[], describe }) as const;

const PHASES: Readonly<Record<CreatePhase, string>> = {
  check: 'Running pre-create checks',
  create: 'Creating machine',
  provision: 'Setting up Docker',
  verify: 'Checking connection to Docker',
};

export const create = defineCommand({
  usage: '[options] machine...',
  describe: 'Creates Docker hosts, each in a virtual machine of its own.',
  options: {
    ...driverOptions(),
    driver: {
      alias: 'd',
      type: 'string',
      default: 'hyperkit',
      describe: "for docker-machine's command lines; hyperkit is the only one",
    },
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
    'docker-context': {
      type: 'boolean',
      default: false,
      describe: 'make a context of that name for the docker command; rm removes it',
    },
  },
  async run(args, context) {
    const { store, output, signal } = context;
    const names = namedMachines('create', args.operands);
    if (args.driver !== 'hyperkit') {
      throw new DriverError(
        'HK_USAGE',
        `cannot use --driver=${args.driver}: this command makes machines of hyperkit; docker-machine makes others`,
      );
    }
    if (!Number.isInteger(args.parallel) || args.parallel < 1) {
      throw new DriverError('HK_USAGE', 'cannot use --parallel: it must be a whole number, at least 1');
    }
    const engine: EngineWishes = {
      flags: args['engine-opt'],
      env: args['engine-env'],
      insecureRegistries: args['engine-insecure-registry'],
      labels: args['engine-label'],
      registryMirrors: args['engine-registry-mirror'],
      storageDriver: args['engine-storage-driver'],
    };
    const contexts = args['docker-context'] ? await import('../../docker/docker-context') : undefined;
    return await forEachMachine(
      context,
      names,
      async (name, progress) => {
        const request = {
          name,
          flags: driverFlagValues(args),
          engine,
          sans: args['tls-san'],
          installUrl: args['engine-install-url'],
        };
        contexts?.checkContextName(name);
        const beganMs = performance.now();
        const machine = await createHost(store, request, {
          logger: output.loggerOf(name),
          signal,
          onPhase: (phase) => progress.phase(names.length === 1 ? PHASES[phase] : `(${name}) ${PHASES[phase]}`),
        }).catch((error: unknown) => {
          if (!signal.aborted && !(error instanceof CreateRefused)) {
            output.say(`Machine "${name}" is kept to be looked at; "hyperkit rm ${name}" removes it.`);
          }
          throw error;
        });
        const url = await machine.requireDriver().getURL();
        if (contexts !== undefined) await contexts.writeDockerContext(name, url, store.path, machine.folder);
        progress.done();
        const seconds = Math.round((performance.now() - beganMs) / 100) / 10;
        output.say(
          `Docker is up and running on "${name}" (${seconds} s). Next: ${nextStep(machine, contexts !== undefined)}`,
        );
        return { url, address: await machine.requireDriver().getIP(), seconds };
      },
      args.parallel,
    );
  },
});

function nextStep({ name }: StoredMachine, hasContext: boolean): string {
  return hasContext ? `docker --context ${name} version` : `eval "$(hyperkit env ${name})"`;
}
