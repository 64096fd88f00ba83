import { parseVmSpec } from '../spec/validate';
import type { KernelBoot, VmSpec } from '../spec/vm-spec';
import type { WarmRecipe } from './make-request';

/** Name of the machine that is saved; whoever goes on from it has another. */
const NAME = 'template';
const UUID = '00000000-0000-4000-8000-000000000001';
/** Locally administered. */
const MAC_ADDRESS = '52:54:00:00:00:01';

/**
 * The machine whose guest is saved: as the machines that will go on from it are, with a name, addresses and files of its
 * own, and nothing that leads to it.
 */
export function templateSpec(recipe: WarmRecipe, boot: KernelBoot, stateDir: string, disk: string): VmSpec {
  const { dependencies, iso, hypervisor, accelerator } = recipe;
  return parseVmSpec({
    name: NAME,
    stateDir,
    uuid: UUID,
    vcpus: dependencies.vcpus,
    memoryMiB: dependencies.memoryMiB,
    boot: { ...boot, commandLine: dependencies.commandLine },
    disks: [{ path: disk, readOnly: false }],
    cdroms: [iso],
    network: { bindAddress: '127.0.0.1', forwards: [], macAddress: MAC_ADDRESS, hostname: NAME },
    hypervisor,
    accelerator,
  });
}
