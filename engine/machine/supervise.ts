import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { SerialLine } from '../console/serial-line';
import { EngineError } from '../errors';
import type { ExitReason, Hypervisor, RunningVm } from '../hypervisors/hypervisor';
import { isPausable } from '../hypervisors/pausable';
import { isResuming } from '../hypervisors/suspendable';
import { isWarm } from '../hypervisors/warm-starts';
import { newIdentity } from '../identity/new-identity';
import type { PortPublisher } from '../ports/port-publisher';
import type { VmSpec } from '../spec/vm-spec';
import { syncFolder } from '../storage/atomic-file';
import { MACHINE_FILES } from './machine-files';
import type { MachineNetwork } from './machine-network';
import { openPublishedPorts } from './published-ports';
import { ResetGuard } from './reset-guard';
import type { StateKeeper } from './state-keeper';
import { dropSuspension, requireSuspension, suspendMachine } from './suspension';
import type { VmControls } from './vm-controls';

/** Emulated on a busy host a copy takes some seconds; one that takes longer is given up, and its machine boots. */
const RESTORE_DEADLINE_MS = 40_000;

export interface Supervision {
  readonly spec: VmSpec;
  readonly hypervisor: Hypervisor;
  readonly console: SerialLine;
  /** The machine's own network; undefined: the hypervisor's. */
  readonly network: MachineNetwork | undefined;
  readonly keeper: StateKeeper;
  readonly controls: VmControls;
  readonly log: (line: string) => void;
  /** Called once, when the guest runs for the first time. */
  readonly onReady: () => Promise<void>;
}

/**
 * Runs a machine's VM until it ends for good; after a reset it is started again. Rejects only when the first start
 * fails: there is somebody to tell then.
 */
export async function superviseVm(supervision: Supervision): Promise<ExitReason> {
  const { keeper, controls, log } = supervision;
  const guard = new ResetGuard();
  for (let resets = 0; ; resets++) {
    let vm: RunningVm;
    try {
      vm = await (resets === 0 ? enterVm : startVm)(supervision);
    } catch (error) {
      if (resets === 0) throw error;
      if (controls.stopped.aborted) return { kind: 'killed' };
      return { kind: 'failed', detail: `after a reset of the guest: ${(error as Error).message}` };
    }
    const exit = await runVm(vm, resets, supervision);
    log(`the virtual machine ended: ${exit.kind}${exit.kind === 'failed' ? `: ${exit.detail}` : ''}`);
    keeper.update({ children: [] });
    if (exit.kind !== 'reset') return exit;
    if (!guard.allows(performance.now())) return { kind: 'failed', detail: ResetGuard.complaint };
  }
}

/** The first start, from where the specification says. */
async function enterVm(supervision: Supervision): Promise<RunningVm> {
  const { spec } = supervision;
  if (spec.resume === true) return await resumeVm(supervision);
  await dropSuspension(spec.stateDir);
  return await (spec.warm === undefined ? startVm : restoreVm)(supervision);
}

async function startVm(supervision: Supervision): Promise<RunningVm> {
  const { hypervisor, console, network } = supervision;
  return await hypervisor.start(knownSpec(supervision), { console, cable: network?.cable });
}

/** With the MAC address that the network knows. */
function knownSpec({ spec, network }: Supervision): VmSpec {
  const macAddress = network?.macAddress ?? spec.network.macAddress;
  return { ...spec, network: { ...spec.network, macAddress } };
}

async function resumeVm(supervision: Supervision): Promise<RunningVm> {
  const { hypervisor, console, network } = supervision;
  const spec = knownSpec(supervision);
  const suspension = requireSuspension(spec);
  if (!isResuming(hypervisor)) {
    const text = `cannot resume machine "${spec.name}": ${hypervisor.name} can't do it here`;
    throw new EngineError('HK_RESUME_FAILED', text);
  }
  const taken = async (): Promise<void> => await dropSuspension(spec.stateDir);
  return await hypervisor.resume(spec, { console, cable: network?.cable }, { ...suspension, taken });
}

async function restoreVm(supervision: Supervision): Promise<RunningVm> {
  const { spec, hypervisor, console, network, log } = supervision;
  const { warm } = spec;
  if (warm === undefined || !isWarm(hypervisor) || network === undefined) {
    throw new EngineError(
      'HK_RESTORE_FAILED',
      `cannot restore machine "${spec.name}": ${hypervisor.name} can't do it here`,
    );
  }
  const saved = { folder: warm.image, deadlineMs: RESTORE_DEADLINE_MS };
  const identity = newIdentity(spec, network.macAddress, warm);
  const { vm, facts } = await hypervisor.warm.restore(spec, { console, cable: network.cable }, saved, identity);
  // Here and not by who launched it, whom a crash may keep from it: from now on there is a user's data on the disk.
  await rm(path.join(spec.stateDir, MACHINE_FILES.unfinishedClone), { force: true });
  await syncFolder(spec.stateDir);
  const keys = Object.entries(identity.hostKeys).map(([type, { fingerprint }]) => `hostkey-${type} ${fingerprint}`);
  const told = [...facts].map(([key, value]) => `${key} ${value}`);
  log(`restored from ${warm.image}; ${[...keys, ...told].join(', ')}`);
  return vm;
}

async function runVm(vm: RunningVm, resets: number, supervision: Supervision): Promise<ExitReason> {
  const { spec, keeper, controls, log, onReady } = supervision;
  controls.attach(vm, async (signal) => await suspendMachine(vm, knownSpec(supervision), signal));
  let publisher: PortPublisher | undefined;
  try {
    const { bindAddress, forwards } = spec.network;
    keeper.update({
      state: 'running',
      backend: vm.backend,
      ports: forwards.map((forward) => ({ protocol: 'tcp', address: bindAddress, ...forward, container: false })),
      resets,
      notice: undefined,
    });
    const ports = vm.ports ?? supervision.network?.ports;
    if (ports !== undefined) publisher = openPublishedPorts(ports, spec, keeper, log);
    if (isPausable(vm)) {
      vm.onRunState(({ paused, notice }) => {
        log(paused ? `paused${notice === undefined ? '' : `: ${notice}`}` : 'running');
        keeper.update({ state: paused ? 'paused' : 'running', notice });
      });
    }
    if (controls.stopped.aborted) await vm.kill();
    else if (resets === 0) await onReady();
    return await vm.exited;
  } finally {
    publisher?.stop();
    controls.attach(undefined);
  }
}
