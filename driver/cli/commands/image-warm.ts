import { findBootFiles } from '../../../engine/boot/boot-files';
import type { WarmRecipe } from '../../../engine/warm/make-request';
import { makeWarm } from '../../../engine/warm/start-maker';
import { imageFolder } from '../../../engine/warm/warm-cache';
import { warmKey } from '../../../engine/warm/warm-key';
import { type HyperkitOptions, readHyperkitFlags } from '../../contract/hyperkit-flags';
import { DriverError } from '../../errors';
import { planIso } from '../../iso/resolve';
import { isoRequestOf } from '../../lifecycle/iso-request';
import { effectiveCommandLine } from '../../lifecycle/kernel-command-line';
import { machineProgram } from '../../lifecycle/machine-context';
import { planWarm } from '../../warm/plan-warm';
import { type CommandContext, defineCommand } from '../command';
import { driverFlagValues, driverOptions } from '../create-options';
import { Progress } from '../progress';

const SUBJECT = 'warm image';
const MIB = 1024 * 1024;

export const imageWarm = defineCommand({
  usage: '[options]',
  describe: 'Makes the warm image from which machines of these options go on, so that none of them has to boot.',
  options: driverOptions(),
  async run(args, context) {
    const { output, signal } = context;
    const recipe = await recipeOf(readHyperkitFlags(driverFlagValues(args)), context);
    const key = warmKey(recipe.dependencies);
    const progress = new Progress(output, SUBJECT, true);
    progress.phase('Making a warm image');
    const beganMs = performance.now();
    const outcome = await makeWarm(recipe, machineProgram(context), signal).catch((error: unknown) => {
      progress.failed();
      throw error;
    });
    progress.done();
    const seconds = Math.round((performance.now() - beganMs) / 100) / 10;
    const folder = imageFolder(recipe.cache, key);
    if (output.style.json) output.json({ key, made: outcome === 'made', seconds, folder });
    else output.print(key);
    return undefined;
  },
});

async function recipeOf(options: HyperkitOptions, context: CommandContext): Promise<WarmRecipe> {
  const { store, output, signal } = context;
  const logger = output.loggerOf(SUBJECT);
  const plan = await planIso(isoRequestOf(store.path, options.boot2dockerUrl, { logger, signal }));
  if (plan.kind === 'download') {
    throw unavailable('its ISO would be downloaded; download it first, and give its path');
  }
  const wish = {
    iso: plan.path,
    vcpus: options.cpuCount,
    memoryMiB: options.memoryMb,
    diskBytes: options.diskMb * MIB,
    commandLine: effectiveCommandLine(options.commandLine, (await findBootFiles(plan.path)).commandLine),
    hypervisor: options.engine,
    accelerator: options.accelerator,
    extraDisks: 0,
    outsideNetwork: options.vpnkitSock !== '',
  };
  const warm = await planWarm(wish, machineProgram(context));
  if (warm.possible) return warm.recipe;
  throw unavailable(warm.reason);
}

function unavailable(reason: string): DriverError {
  return new DriverError('HK_WARM_UNAVAILABLE', `cannot make a warm image: ${reason}`);
}
