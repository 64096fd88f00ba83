import path from 'node:path';
import { BoundedLog } from '../console/bounded-log';
import { openMachineConsole } from '../console/machine-console';
import { EngineError } from '../errors';
import type { ExitReason } from '../hypervisors/hypervisor';
import { chooseHypervisor, listHypervisors } from '../hypervisors/select';
import { enterSandbox } from '../sandbox/enter-sandbox';
import type { WritablePlaces } from '../sandbox/file-rules';
import { parseVmSpec } from '../spec/validate';
import type { VmSpec } from '../spec/vm-spec';
import { claimMachine, identifyOwnProcess } from './claim';
import { ConsoleTap } from './console-tap';
import { endChildren } from './control';
import { type ControlSocket, openControlSocket } from './control-socket';
import { readHyperkitJson, writeHyperkitJson } from './hyperkit-json';
import { type LauncherLink, openLauncherLink, readSpecificationFromLauncher } from './launcher-link';
import { STATE_DIR_VARIABLE } from './leftovers';
import { MACHINE_FILES } from './machine-files';
import { openMachineNetwork } from './open-machine-network';
import { toEngineError } from './report';
import { StateKeeper } from './state-keeper';
import { superviseVm } from './supervise';
import { readSuspension } from './suspension';
import { VmControls } from './vm-controls';

const LOG_BYTES = 1024 * 1024;

/** The whole life of a machine process. Resolves with its exit status; never rejects. */
export async function runMachine(stateDir: string, machineProgram: string): Promise<number> {
  process.umask(0o077);
  const launcher = openLauncherLink();
  try {
    const spec = readSpecification(stateDir);
    process.title = `hyperkit: ${spec.name}`;
    // Whoever launched it may unmount or delete the folder that it was in.
    process.chdir('/');
    const exit = await runClaimed(spec, machineProgram, launcher);
    return exit.kind === 'failed' ? 1 : 0;
  } catch (error) {
    const { code, message } = toEngineError(error);
    await launcher.report({ failed: { code, message } });
    return 1;
  }
}

function readSpecification(stateDir: string): VmSpec {
  const spec = parseVmSpec(readSpecificationFromLauncher() ?? readHyperkitJson(stateDir));
  if (path.resolve(stateDir) === path.resolve(spec.stateDir)) return spec;
  const text = `cannot use this machine specification: stateDir ${spec.stateDir} is not the folder it was given, ${stateDir}`;
  throw new EngineError('HK_SPEC_INVALID', text);
}

/** @throws whatever went wrong before the guest ran; by then nothing is left but logs and the record of the failure. */
async function runClaimed(spec: VmSpec, machineProgram: string, launcher: LauncherLink): Promise<ExitReason> {
  const { stateDir } = spec;
  const own = await identifyOwnProcess();
  await claimMachine(stateDir, own);
  // What a predecessor that was killed left running would hold the ports and the disks.
  await endChildren(stateDir);
  const keeper = new StateKeeper(stateDir, own);
  let control: ControlSocket | undefined;
  try {
    writeHyperkitJson(spec, { pid: own.pid, argv: process.argv });
    const journal = new BoundedLog(path.join(stateDir, MACHINE_FILES.log), { maxBytes: LOG_BYTES });
    const log = (line: string): void => journal.write(`${new Date().toISOString()} ${line}\n`);
    log(`machine process ${own.pid} starts "${spec.name}"`);
    const controls = new VmControls(log);
    launcher.abandoned.addEventListener('abort', () => controls.stop(launcher.abandoned.reason as Error));
    const candidates = listHypervisors({
      machineProgram,
      signal: controls.stopped,
      onChild: (pid) => void keeper.addChild(pid),
      childEnvironment: { [STATE_DIR_VARIABLE]: stateDir },
      log,
    });
    const hypervisor = await chooseHypervisor(withItsHypervisor(spec), candidates);
    const probe = await hypervisor.probe(spec);
    if (probe.usable) log(probe.summary);
    const console = new ConsoleTap(await openMachineConsole(stateDir, log));
    const network = await openMachineNetwork(spec, log);
    control = await openControlSocket({ name: spec.name, stateDir, keeper, controls, console, network, log });
    const closeSandbox = hypervisor.inProcess ? enterSandbox(writablePlaces(spec), log) : undefined;
    const exit = await superviseVm({
      spec,
      network,
      hypervisor,
      console,
      keeper,
      controls,
      log,
      onReady: async () => {
        closeSandbox?.();
        await launcher.report({ ready: keeper.machine });
      },
    }).finally(async () => {
      await network?.close();
      await console.close();
    });
    keeper.finish(exit);
    await control.close();
    return exit;
  } catch (error) {
    keeper.finish({ kind: 'failed', detail: (error as Error).message });
    await control?.close();
    throw error;
  }
}

/** A suspended guest goes on where it was, also when another hypervisor would be chosen today. */
function withItsHypervisor(spec: VmSpec): VmSpec {
  const before = spec.resume === true ? readSuspension(spec.stateDir)?.traits.hypervisor : undefined;
  return before === 'qemu' ? { ...spec, hypervisor: before } : spec;
}

/** Its folder holds all that a machine process writes itself; disks may lie elsewhere. */
function writablePlaces({ stateDir, disks }: VmSpec): WritablePlaces {
  const files = disks.filter(({ readOnly }) => !readOnly).map((disk) => disk.path);
  return { folders: [stateDir], files, removed: [] };
}
