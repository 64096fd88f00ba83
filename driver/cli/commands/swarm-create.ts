import { DriverError } from '../../errors';
import { formSwarm, type SwarmWishes } from '../../swarm/form-swarm';
import { removeSwarm } from '../../swarm/remove-swarm';
import { swarmNetworkOption } from '../../swarm/swarm-network';
import { planSwarm, readNodeLabels } from '../../swarm/swarm-plan';
import { deleteSwarm, makeSwarm, type SwarmRecord } from '../../swarm/swarm-record';
import { type CommandContext, defineCommand } from '../command';
import { driverOptions } from '../create-options';
import { type MachineResult, workOnMachines } from '../each-machine';
import { EXIT } from '../exit-status';
import { HOST_OPTIONS, makeHost, readHostOptions } from '../host-request';
import { oneSwarmName } from '../machine-names';
import { Progress } from '../progress';

/** Each machine has its own of these, and the swarm's network is theirs. */
const NOT_FOR_SWARMS = ['uuid', 'bind-address', 'host-ports', 'vpnkit-sock'];

export const swarmCreate = defineCommand({
  usage: '[options] [name]',
  describe:
    'Makes machines (NAME-manager-1, ..., NAME-worker-1, ...) in a network of their own and joins them into a Docker Swarm. NAME is "swarm" unless given.',
  options: {
    ...Object.fromEntries(Object.entries(driverOptions()).filter(([name]) => !NOT_FOR_SWARMS.includes(name))),
    managers: { type: 'number', default: 1, describe: 'how many managers' },
    workers: { type: 'number', default: 2, describe: 'how many workers' },
    label: { type: 'array', string: true, default: [] as string[], describe: 'label of every node, key=value' },
    'drain-managers': { type: 'boolean', default: false, describe: 'managers run no tasks of services' },
    ...HOST_OPTIONS,
  },
  async run(args, context) {
    const { store, output, signal } = context;
    const name = oneSwarmName('swarm create', args.operands, 'swarm');
    const record = planSwarm(name, args);
    const wishes: SwarmWishes = { labels: readNodeLabels(args.label), drainManagers: args['drain-managers'] };
    if (wishes.drainManagers && args.workers === 0) {
      throw new DriverError('HK_USAGE', 'cannot use --drain-managers without workers: nobody would run services');
    }
    const { parallel, request } = readHostOptions(args);
    const flags = new Map(request.flags).set('hyperkit-vpnkit-sock', swarmNetworkOption(name));
    const machines = [...record.managers, ...record.workers];
    const taken = machines.find((machine) => store.has(machine));
    if (taken !== undefined) {
      const text = `cannot make swarm "${name}": there is a machine "${taken}" already; take another name`;
      throw new DriverError('HK_MACHINE_EXISTS', text);
    }
    if (record.managers.length % 2 === 0) {
      output.warn(`${args.managers} managers survive no more failures than ${args.managers - 1}: take an odd number`);
    }
    const beganMs = performance.now();
    await makeSwarm(store.path, name, record);
    const { status, results } = await workOnMachines(
      context,
      machines,
      async (machine, progress) => {
        const { driver } = await makeHost(context, { ...request, name: machine, flags }, progress, false);
        return { url: await driver?.getURL(), address: await driver?.getIP() };
      },
      parallel,
    );
    if (status !== EXIT.ok) {
      await afterFailure(context, name, machines);
      tell(context, name, record, results);
      return status;
    }
    const progress = new Progress(output, name, true);
    try {
      await formSwarm(store, name, record, wishes, { signal, onPhase: (text) => progress.phase(text) });
    } catch (error) {
      progress.failed();
      await afterFailure(context, name, machines);
      signal.throwIfAborted();
      throw error;
    }
    progress.done();
    const seconds = Math.round((performance.now() - beganMs) / 100) / 10;
    output.say(
      `Swarm "${name}" is ready (managers: ${record.managers.length}, workers: ${record.workers.length}, ${seconds} s). ` +
        `Next: eval "$(hyperkit env ${record.managers[0]})", then docker service create --replicas 2 --publish 8080:80 IMAGE`,
    );
    tell(context, name, record, results);
    return EXIT.ok;
  },
});

function tell({ output }: CommandContext, name: string, record: SwarmRecord, machines: readonly MachineResult[]): void {
  if (output.style.json) output.json({ name, ...record, machines });
}

/** What was given up is undone; what failed is kept to be looked at, if there is anything. */
async function afterFailure(
  { store, output, signal }: CommandContext,
  name: string,
  machines: readonly string[],
): Promise<void> {
  if (signal.aborted) {
    await removeSwarm(store, name, {
      force: true,
      signal: new AbortController().signal,
      onPhase: (text) => output.say(`${text}...`),
      onRemoved: () => undefined,
      onWarning: (text) => output.warn(text),
    });
  } else if (machines.some((machine) => store.has(machine))) {
    output.say(`Swarm "${name}" is kept to be looked at; "hyperkit swarm rm ${name}" removes it with its machines.`);
  } else {
    await deleteSwarm(store.path, name);
  }
}
