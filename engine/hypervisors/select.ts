import { realpathSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from '../errors';
import type { HypervisorChoice, VmSpec } from '../spec/vm-spec';
import type { Hypervisor, ProbeResult } from './hypervisor';
import { createNativeHypervisor } from './native/native-hypervisor';
import { createQemuHypervisor } from './qemu/qemu-hypervisor';
import type { Surroundings } from './surroundings';

/** Every back end; a new one is one more line. */
export function listHypervisors(surroundings: Surroundings): readonly Hypervisor[] {
  return [createNativeHypervisor(surroundings), createQemuHypervisor(surroundings)];
}

/**
 * Finds out, by running, what would execute a machine here; the answer is for people, e.g. `QEMU 7.2.22, KVM`.
 * @throws EngineError HK_NO_HYPERVISOR with every back end's reason.
 */
export async function checkHypervisor(
  spec: Pick<VmSpec, 'hypervisor' | 'accelerator'>,
  machineProgram = defaultMachineProgram(),
): Promise<string> {
  const hypervisor = await chooseHypervisor(spec, listHypervisors({ machineProgram }));
  const result = await hypervisor.probe(spec);
  return result.usable ? result.summary : result.reason;
}

/** What each back end's probe says about this host. */
export async function probeHypervisors(
  accelerator: VmSpec['accelerator'] = 'auto',
  machineProgram = defaultMachineProgram(),
): Promise<ReadonlyArray<{ readonly name: string; readonly result: ProbeResult }>> {
  return await Promise.all(
    listHypervisors({ machineProgram }).map(async (hypervisor) => ({
      name: hypervisor.name,
      result: await hypervisor.probe({ accelerator }),
    })),
  );
}

/** All programs of this package are built into one folder. */
function defaultMachineProgram(): string {
  return path.join(path.dirname(realpathSync(process.argv[1] ?? '.')), 'hyperkit-machine.cjs');
}

/** The back end that was asked for, or with `auto` the best that can run. @throws EngineError HK_NO_HYPERVISOR */
export async function chooseHypervisor(
  spec: Pick<VmSpec, 'hypervisor' | 'accelerator'>,
  candidates: readonly Hypervisor[],
): Promise<Hypervisor> {
  let best: { readonly hypervisor: Hypervisor; readonly rank: number } | undefined;
  const reasons: string[] = [];
  for (const hypervisor of candidates.filter(({ name }) => isWanted(spec.hypervisor, name))) {
    const result = await hypervisor.probe(spec);
    if (!result.usable) reasons.push(result.reason);
    else if (!best || result.rank > best.rank) best = { hypervisor, rank: result.rank };
  }
  if (best) return best.hypervisor;
  // What KVM lacks is said once, by the back end that says most.
  const distinct = reasons.filter(
    (reason, index) => !reasons.some((other, at) => other.startsWith(reason) && (other !== reason || at < index)),
  );
  throw new EngineError('HK_NO_HYPERVISOR', `cannot run virtual machines here: ${distinct.join('; ')}`);
}

function isWanted(choice: HypervisorChoice, name: Hypervisor['name']): boolean {
  return choice === 'auto' || choice === name;
}
