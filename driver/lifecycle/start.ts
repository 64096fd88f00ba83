import { extractBootFiles } from '../../engine/boot/extract-boot-files';
import { tail } from '../../engine/console/tail';
import { EngineError } from '../../engine/errors';
import { killMachine } from '../../engine/machine/control';
import { launchMachine } from '../../engine/machine/launch';
import { describeExit, type LiveMachine, readMachineStatus } from '../../engine/machine/state';
import { parseVmSpec } from '../../engine/spec/validate';
import type { KernelBoot, VmSpec } from '../../engine/spec/vm-spec';
import { growDataDisk } from '../../engine/storage/data-disk';
import { chooseEndpoint, DOCKER_PORT, type Endpoint } from '../address/endpoint';
import { macAddressOf, uuidOfName } from '../address/loopback-address';
import { extraDiskPath } from '../config/machine-paths';
import { findVpnkitSocket } from '../config/vpnkit-socket';
import { refuseUnsupported } from '../contract/hyperkit-flags';
import { DriverError } from '../errors';
import { setGuestClock } from './guest-clock';
import { resetOnPanic } from './kernel-command-line';
import { findLikelyCause } from './likely-cause';
import { type MachineContext, machineProgram } from './machine-context';
import { lockMachine } from './machine-lock';
import { defaultsOf, diskBytes } from './machine-size';
import { waitForSsh } from './wait-for-ssh';

const LAUNCH_DEADLINE_MS = 60_000;
/** It has all of the guest's memory to read; the machine process has a deadline of its own for that. */
const RESUME_DEADLINE_MS = 16 * 60_000;
/** An emulated guest on a busy host took 40 s at worst; a physical one takes a few. */
const SSH_DEADLINE_MS = 240_000;
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

/**
 * Boots a machine whose files are complete. Kernel and initrd come from the ISO that lies in the machine's folder now:
 * `docker-machine upgrade` replaces only that file. On failure the virtual machine is ended again.
 */
export async function bootMachine(context: MachineContext): Promise<void> {
  const { config, paths, logger } = context;
  const spec = await prepareStart(context);
  await growDataDisk(paths.dataDisk, diskBytes(config));
  logger.info('Booting the virtual machine...');
  const { backend } = await launch(context, spec);
  try {
    await awaitSsh(context, spec, backend);
  } catch (error) {
    await killMachine(paths.directory);
    throw error;
  }
}

/**
 * Lets a suspended machine go on from where it was and sets its clock. As soon as it runs it is saved nowhere any more,
 * so it is left running then, whatever comes.
 */
async function resumeMachine(context: MachineContext): Promise<void> {
  const { config, paths, logger } = context;
  const spec = await prepareStart(context);
  logger.info('Resuming the virtual machine...');
  const { backend } = await launch(context, { ...spec, resume: true }).catch((cause: EngineError) => {
    if (cause.code !== 'HK_RESUME_FAILED') throw cause;
    const mend = `"hyperkit kill ${config.MachineName}" drops what was saved, and it boots from its disk then`;
    throw new EngineError(cause.code, `${cause.message}; ${mend}`, { cause });
  });
  await awaitSsh(context, spec, backend);
  const user = config.SSHUser === '' ? 'docker' : config.SSHUser;
  const target = { host: spec.network.bindAddress, port: config.SSHPort, user, keyPath: paths.sshKey };
  await setGuestClock(target, context);
}

/** Everything before a virtual machine starts: its boot files, its address, its specification. */
async function prepareStart(context: MachineContext): Promise<VmSpec> {
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
  const commandLine = resetOnPanic(config.Cmdline === '' ? boot.commandLine : config.Cmdline);
  const spec = await specOf(context, endpoint, { ...boot, commandLine });
  config.IPAddress = endpoint.address;
  config.SSHPort = endpoint.sshPort;
  config.UUID = spec.uuid;
  return spec;
}

async function launch(context: MachineContext, spec: VmSpec): Promise<LiveMachine> {
  const deadlineMs = spec.resume === true ? RESUME_DEADLINE_MS : LAUNCH_DEADLINE_MS;
  return await launchMachine(spec, { program: machineProgram(context), deadlineMs, signal: context.signal });
}

async function awaitSsh({ config, paths, logger, signal }: MachineContext, spec: VmSpec, backend = ''): Promise<void> {
  const endpoint = { address: spec.network.bindAddress, sshPort: config.SSHPort };
  logger.info(`Waiting for SSH on ${endpoint.address}:${endpoint.sshPort} (${backend})...`);
  await waitForSsh({
    endpoint,
    deadlineMs: SSH_DEADLINE_MS,
    signal,
    whyDead: () => whyDead(paths.directory),
    lastWords: () => lastWords(paths.directory),
  });
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
      vpnkitSocket: findVpnkitSocket(config.VpnKitSock),
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
