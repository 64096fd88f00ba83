import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { freemem } from 'node:os';
import { pathToFileURL } from 'node:url';
import { checkHypervisor } from '../../engine/hypervisors/select';
import { createBlankDisk, createDataDisk } from '../../engine/storage/data-disk';
import { chooseEndpoint } from '../address/endpoint';
import { extraDiskPath } from '../config/machine-paths';
import type { DockerOffer } from '../contract/machine-driver';
import { type InstalledIso, installIso, planIso } from '../iso/resolve';
import { ensureSshKey, type SshKeyPair } from '../ssh-key/ssh-key';
import { builtIso, isoRequest } from './iso-request';
import { type MachineContext, machineProgram } from './machine-context';
import { lockMachine } from './machine-lock';
import { defaultsOf, diskBytes } from './machine-size';
import { bootPrepared, discardUnfinishedClone, type PreparedMachine, prepareMachine, specOf } from './start';
import { makeWarmForNext, tryWarmStart } from './warm-start';

/**
 * Everything that can be found out before anything exists: options, hypervisor, ISO, address. docker-machine leaves
 * no trace of a machine whose check failed.
 */
export async function checkBeforeCreate(context: MachineContext): Promise<void> {
  const { config, paths, logger } = context;
  const size = defaultsOf(config);
  const plan = await planIso(isoRequest(context));
  const endpoint = await chooseEndpoint({
    storePath: config.StorePath,
    machineName: config.MachineName,
    address: config.IPAddress,
    sshPort: config.SSHPort,
    bindAddress: config.BindAddress,
  });
  // The specification is validated here for its bounds (memory, CPUs); the kernel's paths are not known yet.
  const boot = { kernel: paths.iso, initrd: paths.iso, commandLine: config.Cmdline };
  const spec = await specOf(context, endpoint, boot);
  logger.debug(`hypervisor: ${await checkHypervisor(spec, machineProgram(context))}`);
  if (size.memoryMiB * 1024 * 1024 > freemem()) {
    logger.warn(`The host has less free memory than the ${size.memoryMiB} MB of this machine; it may swap`);
  }
  config.IPAddress = endpoint.address;
  config.SSHPort = endpoint.sshPort;
  config.UUID = spec.uuid;
  // `docker-machine upgrade` takes the ISO from this URL, in whatever folder it is run: so it is the place where a newer
  // one will be built. Left empty it would ask for boot2docker's last release of 2020.
  if (plan.kind === 'cache')
    config.Boot2DockerURL = pathToFileURL(existsSync(builtIso()) ? builtIso() : plan.path).href;
  if (plan.kind === 'file') config.Boot2DockerURL = pathToFileURL(plan.path).href;
}

/**
 * Makes the machine's files, boots it or has it go on from a warm image, and returns when its SSH server answers. On failure
 * no process is left.
 */
export async function createMachine(context: MachineContext, offer?: DockerOffer): Promise<void> {
  const { config, paths, signal } = context;
  await mkdir(paths.directory, { recursive: true, mode: 0o700 });
  const lock = context.isLocked ? undefined : await lockMachine(paths, config.MachineName, 'create');
  try {
    const making = [makeSshKey(context), installAndPrepare(context)] as const;
    // Neither still writes into the machine's folder when the other has failed.
    await Promise.allSettled(making);
    const [{ publicKeyLine }, { iso, prepared }] = await Promise.all(making);
    await discardUnfinishedClone(context);
    const start = await tryWarmStart(context, prepared, iso, { publicKeyLine, offer });
    if (start.restored) return;
    await createDataDisk(paths.dataDisk, diskBytes(config), publicKeyLine);
    for (let index = 0; index < config.ExtraDisks; index++) {
      await createBlankDisk(extraDiskPath(paths, config.MachineName, index), diskBytes(config));
    }
    signal.throwIfAborted();
    await bootPrepared(context, prepared);
    await makeWarmForNext(context, start.recipe);
  } finally {
    await lock?.release();
  }
}

async function makeSshKey({ paths, logger }: MachineContext): Promise<SshKeyPair> {
  logger.info('Creating SSH key...');
  return await ensureSshKey(paths.sshKey);
}

async function installAndPrepare(
  context: MachineContext,
): Promise<{ readonly iso: InstalledIso; readonly prepared: PreparedMachine }> {
  const { paths, logger, signal } = context;
  logger.info('Installing the boot2docker ISO...');
  const request = isoRequest(context);
  const iso = await installIso(await planIso(request), paths.directory, request);
  logger.info(`Using boot2docker ${iso.version ?? 'of unknown version'}`);
  signal.throwIfAborted();
  return { iso, prepared: await prepareMachine(context) };
}
