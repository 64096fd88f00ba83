import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { extractBootFiles } from '../../engine/boot/extract-boot-files';
import { tail } from '../../engine/console/tail';
import { EngineError } from '../../engine/errors';
import { killMachine } from '../../engine/machine/control';
import { launchMachine } from '../../engine/machine/launch';
import { describeExit, type LiveMachine, readMachineStatus } from '../../engine/machine/state';
import { parseVmSpec } from '../../engine/spec/validate';
import type { KernelBoot, VmSpec } from '../../engine/spec/vm-spec';
import { createDataDisk, growDataDisk } from '../../engine/storage/data-disk';
import { chooseEndpoint, DOCKER_PORT, type Endpoint } from '../address/endpoint';
import { macAddressOf, uuidOfName } from '../address/loopback-address';
import { extraDiskPath } from '../config/machine-paths';
import { refuseUnsupported } from '../contract/hyperkit-flags';
import { DriverError } from '../errors';
import { ensureSshKey } from '../ssh-key/ssh-key';
import { startNetworkOf } from '../swarm/start-network';
import { findNetworkSocket } from '../swarm/swarm-network';
import { setGuestClock } from './guest-clock';
import { effectiveCommandLine } from './kernel-command-line';
import { findLikelyCause } from './likely-cause';
import { type MachineContext, machineProgram } from './machine-context';
import { lockMachine } from './machine-lock';
import { defaultsOf, diskBytes } from './machine-size';
import { waitForSsh } from './wait-for-ssh';

/** An emulated guest on a busy host took 40 s at worst to greet; a physical one takes a few. */
const BOOT_PATIENCE: LaunchPatience = { launchMs: 60_000, sshMs: 240_000 };
/** It has all of the guest's memory to read; the machine process has a deadline of its own for that. */
const RESUME_PATIENCE: LaunchPatience = { launchMs: 16 * 60_000, sshMs: 240_000 };
const LAST_WORDS_LINES = 12;
/** The cause stands before its consequences. */
const SEARCHED_LINES = 400;

/** Boots a stopped machine, or resumes one that is suspended; one that runs already is left alone. */
export async function startMachine(context: MachineContext): Promise<void> {
  const lock = context.isLocked ? undefined : await lockMachine(context.paths, context.config.MachineName, 'start');
  try {
    const status = await readMachineStatus(context.paths.directory);
    if (status.state === 'running' || status.state === 'paused') return;
    const isSuspended = status.state === 'stopped' && status.suspended === true;
    await (isSuspended ? resumeMachine : bootMachine)(context);
  } finally {
    await lock?.release();
  }
}

/** A machine that is ready to be launched. */
export interface PreparedMachine {
  readonly spec: VmSpec;
  readonly endpoint: Endpoint;
}

/** How long a machine may take to run, and then to greet by SSH. */
export interface LaunchPatience {
  readonly launchMs: number;
  readonly sshMs: number;
}

/** Boots a machine whose files are complete. On failure the virtual machine is ended again. */
export async function bootMachine(context: MachineContext): Promise<void> {
  const { config, paths } = context;
  const prepared = await prepareMachine(context);
  await discardUnfinishedClone(context);
  await growDataDisk(paths.dataDisk, diskBytes(config));
  await bootPrepared(context, prepared);
}

/**
 * Lets a suspended machine go on from where it was and sets its clock. As soon as it runs it is saved nowhere any more,
 * so it is left running then, whatever comes.
 */
async function resumeMachine(context: MachineContext): Promise<void> {
  const { config, paths, logger } = context;
  const prepared = await prepareMachine(context);
  logger.info('Resuming the virtual machine...');
  const resumed = { ...prepared, spec: { ...prepared.spec, resume: true } as const };
  const { backend } = await launch(context, resumed, RESUME_PATIENCE).catch((cause: EngineError) => {
    if (cause.code !== 'HK_RESUME_FAILED') throw cause;
    const mend = `"hyperkit kill ${config.MachineName}" drops what was saved, and it boots from its disk then`;
    throw new EngineError(cause.code, `${cause.message}; ${mend}`, { cause });
  });
  await awaitSsh(context, prepared, RESUME_PATIENCE, backend);
  const { address, sshPort } = prepared.endpoint;
  const user = config.SSHUser === '' ? 'docker' : config.SSHUser;
  await setGuestClock({ host: address, port: sshPort, user, keyPath: paths.sshKey }, context);
}

/** Boots a machine that was prepared. On failure the virtual machine is ended again. */
export async function bootPrepared(context: MachineContext, prepared: PreparedMachine): Promise<void> {
  context.logger.info('Booting the virtual machine...');
  await launchPrepared(context, prepared, BOOT_PATIENCE);
}

/**
 * Clears what a crash has left and finds out what to launch. Kernel and initrd come from the ISO that lies in the
 * machine's folder now: `docker-machine upgrade` replaces only that file.
 */
export async function prepareMachine(context: MachineContext): Promise<PreparedMachine> {
  const { config, paths } = context;
  // Leftovers of a crash (a hypervisor without its machine process, a stale pid file) are cleared before the ports are tried.
  await killMachine(paths.directory);
  const boot = await extractBootFiles(paths.iso, paths.directory);
  const endpoint = await chooseEndpoint({
    storePath: config.StorePath,
    machineName: config.MachineName,
    address: config.IPAddress,
    sshPort: config.SSHPort,
    bindAddress: config.BindAddress,
  });
  await startNetworkOf(config, context.programsDir, context.signal);
  const commandLine = effectiveCommandLine(config.Cmdline, boot.commandLine);
  const spec = await specOf(context, endpoint, { ...boot, commandLine });
  config.IPAddress = endpoint.address;
  config.SSHPort = endpoint.sshPort;
  config.UUID = spec.uuid;
  return { spec, endpoint };
}

/** Starts the machine process and returns when the guest's SSH server greets; on failure all is ended. */
export async function launchPrepared(
  context: MachineContext,
  prepared: PreparedMachine,
  patience: LaunchPatience,
): Promise<void> {
  const { backend } = await launch(context, prepared, patience);
  try {
    await awaitSsh(context, prepared, patience, backend);
  } catch (error) {
    await killMachine(context.paths.directory);
    throw error;
  }
}

/** Starts the machine process and returns when the guest runs. */
export async function launch(
  context: MachineContext,
  { spec }: PreparedMachine,
  { launchMs }: LaunchPatience,
): Promise<LiveMachine> {
  return await launchMachine(spec, {
    program: machineProgram(context),
    deadlineMs: launchMs,
    signal: context.signal,
  });
}

async function awaitSsh(
  { paths, logger, signal }: MachineContext,
  { endpoint }: PreparedMachine,
  { sshMs }: LaunchPatience,
  backend = '',
): Promise<void> {
  logger.info(`Waiting for SSH on ${endpoint.address}:${endpoint.sshPort} (${backend})...`);
  await waitForSsh({
    endpoint,
    deadlineMs: sshMs,
    signal,
    whyDead: () => whyDead(paths.directory),
    lastWords: () => lastWords(paths.directory),
  });
}

/**
 * A data disk that came from a warm image and never became this machine's own: its ids are other machines', too. There is
 * nothing of the user's on it.
 */
export async function discardUnfinishedClone({ config, paths }: MachineContext): Promise<void> {
  if (!existsSync(paths.unfinishedClone)) return;
  const key = await ensureSshKey(paths.sshKey);
  await rm(paths.dataDisk, { force: true });
  await createDataDisk(paths.dataDisk, diskBytes(config), key.publicKeyLine);
  await rm(paths.unfinishedClone, { force: true });
}

/** Which option sets a field of the specification that can be out of this host's bounds. */
const FLAG_OF_FIELD: Readonly<Record<string, string>> = {
  memoryMiB: 'hyperkit-memory-size',
  vcpus: 'hyperkit-cpu-count',
  'boot.commandLine': 'hyperkit-cmdline',
};

/** The specification speaks of its fields; who typed options reads of options. */
function validSpec(input: unknown): VmSpec {
  try {
    return parseVmSpec(input);
  } catch (cause) {
    const [, field = '', complaint] = /: ([\w.]+) (.*)$/s.exec((cause as Error).message) ?? [];
    const flag = FLAG_OF_FIELD[field];
    if (flag === undefined) throw cause;
    throw new DriverError('HK_FLAG_INVALID', `cannot use --${flag}: ${complaint}; choose less`, { cause });
  }
}

/** The machine's specification, validated. */
export async function specOf(context: MachineContext, endpoint: Endpoint, boot: KernelBoot): Promise<VmSpec> {
  const { config, paths } = context;
  refuseUnsupported({ vsockPorts: config.VSockPorts, nfsShares: config.NFSShares });
  const size = defaultsOf(config);
  const uuid = config.UUID === '' ? uuidOfName(config.MachineName) : config.UUID.toLowerCase();
  const disks = [paths.dataDisk];
  for (let index = 0; index < config.ExtraDisks; index++) disks.push(extraDiskPath(paths, config.MachineName, index));
  return validSpec({
    name: config.MachineName,
    stateDir: paths.directory,
    uuid,
    vcpus: size.cpus,
    memoryMiB: size.memoryMiB,
    boot,
    disks: disks.map((disk) => ({ path: disk, readOnly: false })),
    cdroms: [paths.iso],
    network: {
      bindAddress: endpoint.address,
      forwards: [
        { hostPort: endpoint.sshPort, guestPort: 22 },
        { hostPort: DOCKER_PORT, guestPort: DOCKER_PORT },
      ],
      macAddress: macAddressOf(uuid),
      hostname: config.MachineName,
      vpnkitSocket: findNetworkSocket(config.VpnKitSock, config.StorePath),
      hostPorts: config.HostPorts.includes('all') ? 'all' : config.HostPorts.map(Number),
    },
    hypervisor: config.Engine === '' ? 'auto' : config.Engine,
    accelerator: config.Accel === '' ? 'auto' : config.Accel,
  });
}

async function whyDead(stateDir: string): Promise<string | undefined> {
  const status = await readMachineStatus(stateDir);
  if (status.state !== 'stopped') return undefined;
  return [describeExit(status.lastExit), ...(await lastWords(stateDir))].join('\n  ');
}

/** The end of the guest's console, and what it means if that is known. */
async function lastWords(stateDir: string): Promise<readonly string[]> {
  const lines = await tail(stateDir, SEARCHED_LINES);
  const cause = findLikelyCause(lines);
  return [...lines.slice(-LAST_WORDS_LINES), ...(cause === undefined ? [] : [`Likely cause: ${cause}`])];
}
