import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { type HyperkitOptions, readHyperkitFlags } from '../../contract/hyperkit-flags';
import { DriverError } from '../../errors';
import { costOf, defaultLimitMiB } from '../../pool/memory-budget';
import { describeEvent, type PoolEvent } from '../../pool/pool-event';
import { PoolKeeper, type PoolPlan } from '../../pool/pool-keeper';
import { holdPool, writePool } from '../../pool/pool-record';
import { hostWork } from '../../pool/pool-work';
import { emptyPool } from '../../pool/remove-member';
import { checkEngineWishes } from '../../provision/engine-profile';
import { checkMachineName } from '../../store/machine-name';
import { MachineStore } from '../../store/machine-store';
import { defineCommand } from '../command';
import type { CommandOutput } from '../command-output';
import { driverOptions } from '../create-options';
import { EXIT } from '../exit-status';
import { describeFailure } from '../failure';
import { HOST_OPTIONS, readHostOptions } from '../host-request';
import { onePoolName } from '../machine-names';

/** Each machine has its own of these. */
const NOT_FOR_POOLS = ['uuid', 'bind-address'];

export const poolRun = defineCommand({
  usage: '[options] [name]',
  describe:
    'Keeps Docker hosts ready (NAME-3f9a1c, ...) for "hyperkit pool take", until it gets SIGTERM or Ctrl-C. NAME is "pool" unless given.',
  options: {
    ...Object.fromEntries(Object.entries(driverOptions()).filter(([name]) => !NOT_FOR_POOLS.includes(name))),
    size: { alias: 'n', type: 'number', default: 2, describe: 'how many machines are kept ready' },
    'memory-limit': {
      type: 'number',
      default: 0,
      defaultDescription: "half of this computer's memory",
      describe: 'MB that all machines of the pool may take, those that were taken included',
    },
    keep: {
      type: 'boolean',
      default: false,
      describe: 'ready machines stay when it ends; the next start takes them over',
    },
    ...HOST_OPTIONS,
    parallel: {
      type: 'number',
      default: availableParallelism(),
      defaultDescription: "this computer's CPUs",
      describe: HOST_OPTIONS.parallel.describe,
    },
  },
  async run(args, context) {
    const { output, programsDir, signal } = context;
    const pool = onePoolName('pool run', args.operands, 'pool');
    checkMachineName(`${pool}-000000`);
    const { parallel, request } = readHostOptions(args);
    checkEngineWishes(request.engine);
    const plan: PoolPlan = {
      pool,
      size: wholeNumber('size', args.size),
      parallel,
      memoryLimitMiB:
        args['memory-limit'] === 0 ? defaultLimitMiB() : wholeNumber('memory-limit', args['memory-limit']),
      origin: originOf(request, readHyperkitFlags(request.flags)),
    };
    const most = Math.floor(plan.memoryLimitMiB / plan.origin.costMiB);
    if (most === 0) {
      const text = `cannot use --memory-limit ${plan.memoryLimitMiB}: one machine takes ${plan.origin.costMiB} MB`;
      throw new DriverError('HK_USAGE', text);
    }
    // What is told of each machine's way is for who watches one create.
    const loggerOf = (name: string) => {
      const logger = output.loggerOf(name);
      return { ...logger, info: logger.debug };
    };
    const store = new MachineStore({ path: context.store.path, programsDir, loggerOf });
    const tell = (event: PoolEvent): void => tellEvent(output, event);
    const held = await holdPool(store.path, pool, `hyperkit pool run ${pool}`);
    let isEmpty = false;
    try {
      const { size, memoryLimitMiB, origin } = plan;
      await writePool(store.path, pool, { size, memoryLimitMiB, costMiB: origin.costMiB });
      tell({ event: 'started', pool, size, memoryLimitMb: memoryLimitMiB, mostMachines: most });
      const work = hostWork(store, request, loggerOf(pool));
      await new PoolKeeper(store, plan, work, tell).run(signal);
      tell({ event: 'stopping' });
      if (!args.keep) {
        await emptyPool(store, pool, work.remove, (machine) => tell({ event: 'removed', machine }));
        isEmpty = true;
      }
    } finally {
      await held.release(isEmpty);
    }
    return EXIT.ok;
  },
});

/** Machines of one origin are alike, as far as options say. */
function originOf(request: ReturnType<typeof readHostOptions>['request'], { memoryMb }: HyperkitOptions) {
  const { flags, engine, sans } = request;
  const text = JSON.stringify([[...flags], engine, sans]);
  return { key: createHash('sha256').update(text).digest('hex').slice(0, 16), costMiB: costOf(memoryMb) };
}

function wholeNumber(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new DriverError('HK_USAGE', `cannot use --${option}: it must be a whole number, at least 1`);
}

function tellEvent(output: CommandOutput, event: PoolEvent): void {
  if (!output.style.json) {
    output.say(describeEvent(event));
    return;
  }
  const readable = 'error' in event ? { ...event, error: describeFailure(event.error) } : event;
  output.print(JSON.stringify({ at: new Date().toISOString(), ...readable }));
}
