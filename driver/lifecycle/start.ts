import { extractBootFiles } from '../../engine/boot/extract-boot-files';
import { tail } from '../../engine/console/tail';
import { killMachine } from '../../engine/machine/control';
import { launchMachine } from '../../engine/machine/launch';
import { describeExit, readMachineStatus } from '../../engine/machine/state';
import { parseVmSpec } from '../../engine/spec/validate';
import type { KernelBoot, VmSpec } from '../../engine/spec/vm-spec';
import { growDataDisk } from '../../engine/storage/data-disk';
import { chooseEndpoint, DOCKER_PORT, type Endpoint } from '../address/endpoint';
import { macAddressOf, uuidOfName } from '../address/loopback-address';
import { extraDiskPath } from '../config/machine-paths';
import { refuseUnsupported } from '../contract/hyperkit-flags';
import { DriverError } from '../errors';
import { startNetworkOf } from '../swarm/start-network';
import { findNetworkSocket } from '../swarm/swarm-network';
import { resetOnPanic } from './kernel-command-line';
import { findLikelyCause } from './likely-cause';
import { type MachineContext, machineProgram } from './machine-context';
import { lockMachine } from './machine-lock';
import { defaultsOf, diskBytes } from './machine-size';
import { waitForSsh } from './wait-for-ssh';

const LAUNCH_DEADLINE_MS = 60_000;
/** An emulated guest on a busy host took 40 s at worst; a physical one takes a few. */
const SSH_DEADLINE_MS = 240_000;
const LAST_WORDS_LINES = 12;
/** The cause stands before its consequences. */
const SEARCHED_LINES = 400;

/** Boots a stopped machine; one that runs already is left alone. */
export async function startMachine(context: MachineContext): Promise<void> {
  const lock = context.isLocked ? undefined : await lockMachine(context.paths, context.config.MachineName, 'start');
  try {
    const { state } = await readMachineStatus(context.paths.directory);
    if (state === 'running' || state === 'paused') return;
    await bootMachine(context);
  } finally {
    await lock?.release();
  }
}

/**
 * Boots a machine whose files are complete. Kernel and initrd come from the ISO that lies in the machine's folder now:
 * `docker-machine upgrade` replaces only that file. On failure the virtual machine is ended again.
 */
export async function bootMachine(context: MachineContext): Promise<void> {
  const { config, paths, logger, signal } = context;
  // Leftovers of a crash (a hypervisor without its machine process, a stale pid file) are cleared before the ports are tried.
  await killMachine(paths.directory);
  const boot = await extractBootFiles(paths.iso, paths.directory);
  await growDataDisk(paths.dataDisk, diskBytes(config));
  const endpoint = await chooseEndpoint({
    storePath: config.StorePath,
    machineName: config.MachineName,
    address: config.IPAddress,
    sshPort: config.SSHPort,
    bindAddress: config.BindAddress,
  });
  await startNetworkOf(config, context.programsDir, signal);
  const commandLine = resetOnPanic(config.Cmdline === '' ? boot.commandLine : config.Cmdline);
  const spec = await specOf(context, endpoint, { ...boot, commandLine });
  config.IPAddress = endpoint.address;
  config.SSHPort = endpoint.sshPort;
  config.UUID = spec.uuid;
  logger.info('Booting the virtual machine...');
  const launched = await launchMachine(spec, {
    program: machineProgram(context),
    deadlineMs: LAUNCH_DEADLINE_MS,
    signal,
  });
  try {
    logger.info(`Waiting for SSH on ${endpoint.address}:${endpoint.sshPort} (${launched.backend})...`);
    await waitForSsh({
      endpoint,
      deadlineMs: SSH_DEADLINE_MS,
      signal,
      whyDead: () => whyDead(paths.directory),
      lastWords: () => lastWords(paths.directory),
    });
  } catch (error) {
    await killMachine(paths.directory);
    throw error;
  }
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
