import { DriverError } from '../../errors';
import type { StoredMachine } from '../../store/stored-machine';
import { defineCommand } from '../command';
import { driverOptions } from '../create-options';
import { forEachMachine } from '../each-machine';
import { HOST_OPTIONS, makeHost, readHostOptions } from '../host-request';
import { namedMachines } from '../machine-names';

export const create = defineCommand({
  usage: '[options] machine...',
  describe: 'Creates Docker hosts, each in a virtual machine of its own.',
  options: {
    ...driverOptions(),
    ...HOST_OPTIONS,
    driver: {
      alias: 'd',
      type: 'string',
      default: 'hyperkit',
      describe: "for docker-machine's command lines; hyperkit is the only one",
    },
    'docker-context': {
      type: 'boolean',
      default: false,
      describe: 'make a context of that name for the docker command; rm removes it',
    },
  },
  async run(args, context) {
    const { store, output } = context;
    const names = namedMachines('create', args.operands);
    if (args.driver !== 'hyperkit') {
      throw new DriverError(
        'HK_USAGE',
        `cannot use --driver=${args.driver}: this command makes machines of hyperkit; docker-machine makes others`,
      );
    }
    const { parallel, request } = readHostOptions(args);
    const contexts = args['docker-context'] ? await import('../../docker/docker-context') : undefined;
    return await forEachMachine(
      context,
      names,
      async (name, progress) => {
        contexts?.checkContextName(name);
        const beganMs = performance.now();
        const machine = await makeHost(context, { name, ...request }, progress, names.length === 1);
        const url = await machine.requireDriver().getURL();
        if (contexts !== undefined) await contexts.writeDockerContext(name, url, store.path, machine.folder);
        progress.done();
        const seconds = Math.round((performance.now() - beganMs) / 100) / 10;
        output.say(
          `Docker is up and running on "${name}" (${seconds} s). Next: ${nextStep(machine, contexts !== undefined)}`,
        );
        return { url, address: await machine.requireDriver().getIP(), seconds };
      },
      parallel,
    );
  },
});

function nextStep({ name }: StoredMachine, hasContext: boolean): string {
  return hasContext ? `docker --context ${name} version` : `eval "$(hyperkit env ${name})"`;
}
