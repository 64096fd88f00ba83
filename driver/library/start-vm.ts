import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UNCONNECTED } from '../../engine/console/serial-line';
import { macOfBoard } from '../../engine/hyperkit/board-mac';
import type { RunningVm } from '../../engine/hypervisors/hypervisor';
import { chooseHypervisor, listHypervisors } from '../../engine/hypervisors/select';
import { ConsoleTap } from '../../engine/machine/console-tap';
import { openMachineNetwork } from '../../engine/machine/open-machine-network';
import { findPackagedProgram } from '../../engine/packaged-program';
import { parseVmSpec } from '../../engine/spec/validate';
import type { VmSpec } from '../../engine/spec/vm-spec';
import type { Vm, VmOptions } from './vm';

/** Starts a virtual machine in this process. @throws as Engine.start tells; nothing is left behind then */
export async function startVm(options: VmOptions): Promise<Vm> {
  const { signal, onConsole } = options;
  const spec = specification(options);
  const log = (line: string): void => options.onLog?.(line);
  signal?.throwIfAborted();
  const candidates = listHypervisors({
    machineProgram: findPackagedProgram('hyperkit-machine'),
    ...(signal !== undefined && { signal }),
    ownSession: true,
    log,
  });
  const hypervisor = await chooseHypervisor(spec, candidates);
  signal?.throwIfAborted();
  const console = new ConsoleTap(UNCONNECTED);
  // The bytes are lent; whoever listens here may keep them.
  if (onConsole !== undefined) console.listen((bytes) => onConsole(Uint8Array.from(bytes)));
  const network = await openMachineNetwork(spec, log);
  let vm: RunningVm;
  try {
    vm = await hypervisor.start(spec, { console, cable: network?.cable });
  } catch (error) {
    await network?.close();
    throw error;
  }
  const exited = vm.exited.then(async (exit) => {
    await network?.close();
    return exit;
  });
  return {
    backend: vm.backend,
    type: (input) => console.type(typeof input === 'string' ? Buffer.from(input) : input),
    powerButton: async () => await vm.powerButton(),
    kill: async () => {
      await vm.kill();
      await exited;
    },
    exited,
  };
}

/** @throws EngineError HK_SPEC_INVALID */
function specification(options: VmOptions): VmSpec {
  const { name = 'vm', disks = [], cdroms = [], forwards = [] } = options;
  const uuid = randomUUID();
  return parseVmSpec({
    name,
    // A machine process has its state there; this machine is of a process that needs none.
    stateDir: tmpdir(),
    uuid,
    vcpus: options.vcpus ?? 1,
    memoryMiB: options.memoryMiB ?? 512,
    boot: {
      kernel: path.resolve(options.kernel),
      initrd: path.resolve(options.initrd),
      commandLine: options.commandLine ?? 'console=ttyS0',
    },
    disks: disks.map((disk) => ({ path: path.resolve(disk.path), readOnly: disk.readOnly ?? false })),
    cdroms: cdroms.map((cdrom) => path.resolve(cdrom)),
    network: {
      bindAddress: options.bindAddress ?? '127.0.0.1',
      forwards,
      macAddress: macOfBoard(uuid, 0, 0),
      hostname: name,
      hostPorts: options.hostPorts,
    },
    hypervisor: options.hypervisor ?? 'auto',
    accelerator: options.accelerator ?? 'auto',
  });
}
