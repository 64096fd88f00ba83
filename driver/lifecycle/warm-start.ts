import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { killMachine } from '../../engine/machine/control';
import { replaceFile } from '../../engine/storage/atomic-file';
import { copyDisk } from '../../engine/storage/copy-disk';
import { requireFreeSpace } from '../../engine/storage/data-disk';
import type { WarmRecipe } from '../../engine/warm/make-request';
import { makeWarm, makeWarmInBackground } from '../../engine/warm/start-maker';
import { countFailure, countSuccess } from '../../engine/warm/strikes';
import { findUnfit } from '../../engine/warm/unfit-note';
import { type FoundImage, findImage } from '../../engine/warm/warm-cache';
import { SAVED_DISK } from '../../engine/warm/warm-image';
import { warmKey } from '../../engine/warm/warm-key';
import type { DockerOffer } from '../contract/machine-driver';
import { DriverError } from '../errors';
import type { InstalledIso } from '../iso/resolve';
import { planWarm } from '../warm/plan-warm';
import { type MachineContext, machineProgram } from './machine-context';
import { diskBytes } from './machine-size';
import { type LaunchPatience, launch, launchPrepared, type PreparedMachine } from './start';
import { Turns } from './turns';

/** Restoring takes a second; on a host that is busy with eight of them several. Longer and booting is the better way. */
const RESTORE_PATIENCE: LaunchPatience = { launchMs: 50_000, sshMs: 30_000 };

/** A restore keeps a processor busy. More of them than there are, in this process, and each takes longer than all in turn. */
const RESTORES = new Turns(availableParallelism());

/** These say something about the image; others (an address in use, a full disk) would meet a boot as well. */
const FAULTS_OF_IMAGE: ReadonlySet<unknown> = new Set([
  'HK_RESTORE_FAILED',
  'HK_MACHINE_TIMEOUT',
  'HK_SSH_UNREACHABLE',
  'HK_DOCKER_UNREACHABLE',
]);

export type WarmStart =
  | { readonly restored: true }
  /** The machine has to be booted; a recipe tells what image the next one could go on from. */
  | { readonly restored: false; readonly recipe?: WarmRecipe };

/** What a machine is given while it becomes one of its own. */
export interface WarmGifts {
  readonly publicKeyLine: string;
  readonly offer: DockerOffer | undefined;
}

/**
 * Has a new machine go on from a warm image, where its options allow it and there is one. Whatever goes wrong, nothing is
 * left of the attempt but lines in the log, and the machine can be booted.
 * @throws DriverError HK_WARM_UNAVAILABLE when the options require it and it is not possible; the signal's reason on abort.
 */
export async function tryWarmStart(
  context: MachineContext,
  prepared: PreparedMachine,
  iso: InstalledIso,
  gifts: WarmGifts,
): Promise<WarmStart> {
  const { config, paths, logger } = context;
  if (config.Warm === 'never') return { restored: false };
  const isRequired = config.Warm === 'require';
  const plan = existsSync(paths.dataDisk)
    ? ({ possible: false, reason: 'it has a data disk already' } as const)
    : await planWarm({ ...wishOf(context, prepared), iso: iso.source ?? iso.path }, machineProgram(context));
  if (!plan.possible) {
    if (isRequired) throw unavailable(config.MachineName, plan.reason);
    logger.debug(`It cannot go on from a warm image: ${plan.reason}`);
    return { restored: false };
  }
  const { recipe } = plan;
  // Booting would meet that as well.
  await requireFreeSpace(paths.dataDisk);
  const image = await obtainImage(context, recipe, isRequired);
  if (!image.found) {
    logger.debug(`It cannot go on from a warm image: ${image.reason}`);
    return { restored: false, recipe };
  }
  const begunMs = Date.now();
  try {
    const { folder } = image;
    await RESTORES.run(context.signal, async () => await restore(context, prepared, folder, gifts));
    await countSuccess(recipe.cache, warmKey(recipe.dependencies));
    return { restored: true };
  } catch (error) {
    context.signal.throwIfAborted();
    const [reason = ''] = (error as Error).message.split('\n');
    const removed = FAULTS_OF_IMAGE.has((error as { readonly code?: unknown }).code)
      ? await countFailure(recipe.cache, warmKey(recipe.dependencies), { reason, begunMs })
      : undefined;
    if (removed !== undefined) logger.debug(`The warm image was removed: ${removed}`);
    if (isRequired) throw unavailable(config.MachineName, reason, error);
    logger.info(`It could not go on from the warm image and is booted instead: ${reason}`);
    return { restored: false, recipe };
  }
}

/** Has the image made that was missing; nobody waits for it. Never throws. */
export async function makeWarmForNext(context: MachineContext, recipe: WarmRecipe | undefined): Promise<void> {
  if (recipe === undefined || findUnfit(recipe.cache, warmKey(recipe.dependencies)) !== undefined) return;
  try {
    await makeWarmInBackground(recipe, machineProgram(context));
    context.logger.debug(`A warm image for the next machine is being made; see make-warm.log in ${recipe.cache}`);
  } catch (error) {
    context.logger.debug((error as Error).message);
  }
}

async function obtainImage(context: MachineContext, recipe: WarmRecipe, isRequired: boolean): Promise<FoundImage> {
  const { config, logger, signal } = context;
  const key = warmKey(recipe.dependencies);
  const found = await findImage(recipe.cache, key);
  if (found.found || !isRequired) return found;
  logger.info('Making a warm image first...');
  try {
    await makeWarm(recipe, machineProgram(context), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw unavailable(config.MachineName, (error as Error).message, error);
  }
  const made = await findImage(recipe.cache, key);
  if (!made.found) throw unavailable(config.MachineName, made.reason);
  return made;
}

/** The mark is there before the disk; the machine process removes it when its guest is like no other. */
async function restore(
  context: MachineContext,
  { spec, endpoint }: PreparedMachine,
  image: string,
  { publicKeyLine, offer }: WarmGifts,
): Promise<void> {
  const { paths, logger, signal } = context;
  const beganMs = performance.now();
  logger.info('Restoring the virtual machine...');
  await replaceFile(paths.unfinishedClone, 0o600, async () => undefined);
  try {
    await copyDisk(`${image}/${SAVED_DISK}`, paths.dataDisk, signal);
    const docker = await offer?.prepare(endpoint.address);
    const warm = { image, authorizedKeys: publicKeyLine, docker };
    const machine = { spec: { ...spec, warm }, endpoint };
    if (offer === undefined) await launchPrepared(context, machine, RESTORE_PATIENCE);
    else await launchAndProve(context, machine, offer);
    logger.info(`Restored from a warm image in ${((performance.now() - beganMs) / 1000).toFixed(1)} s`);
  } catch (error) {
    await rm(paths.dataDisk, { force: true });
    await rm(paths.unfinishedClone, { force: true });
    throw error;
  }
}

/** By the guest's own word its SSH server listens; what is asked is Docker. */
async function launchAndProve(context: MachineContext, machine: PreparedMachine, offer: DockerOffer): Promise<void> {
  await launch(context, machine, RESTORE_PATIENCE);
  try {
    await offer.prove(machine.endpoint.address);
  } catch (error) {
    await killMachine(context.paths.directory);
    throw error;
  }
}

function wishOf({ config }: MachineContext, { spec }: PreparedMachine) {
  return {
    vcpus: spec.vcpus,
    memoryMiB: spec.memoryMiB,
    diskBytes: diskBytes(config),
    commandLine: spec.boot.commandLine,
    hypervisor: spec.hypervisor,
    accelerator: spec.accelerator,
    extraDisks: config.ExtraDisks,
    outsideNetwork: spec.network.vpnkitSocket !== undefined,
  };
}

function unavailable(machineName: string, reason: string, cause?: unknown): DriverError {
  return new DriverError(
    'HK_WARM_UNAVAILABLE',
    `cannot start machine "${machineName}" from a warm image: ${reason}; --hyperkit-warm=auto boots it instead`,
    { cause },
  );
}
