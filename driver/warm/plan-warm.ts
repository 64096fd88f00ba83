import { hasIdentityMarker } from '../../engine/boot/identity-marker';
import { chooseHypervisor, listHypervisors } from '../../engine/hypervisors/select';
import { isWarm } from '../../engine/hypervisors/warm-starts';
import type { AcceleratorChoice, HypervisorChoice } from '../../engine/spec/vm-spec';
import { digestOfIso } from '../../engine/warm/iso-digest';
import type { WarmRecipe } from '../../engine/warm/make-request';
import { openCache } from '../../engine/warm/private-folder';
import { WARM_FORMAT } from '../../engine/warm/warm-key';
import { packageVersion } from '../version';
import { warmCache, warmLimitBytes } from './warm-settings';

/** What of a machine decides which warm image it can go on from. */
export interface WarmWish {
  /** Path of the ISO, and of the same content where it will still be when the machine is gone. */
  readonly iso: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly diskBytes: number;
  /** Kernel arguments, all of them. */
  readonly commandLine: string;
  readonly hypervisor: HypervisorChoice;
  readonly accelerator: AcceleratorChoice;
  readonly extraDisks: number;
  /** It joins a network that another program has. */
  readonly outsideNetwork: boolean;
}

export type WarmPlan =
  | { readonly possible: true; readonly recipe: WarmRecipe }
  | { readonly possible: false; readonly reason: string };

/** Which warm image a machine can go on from, or why it can from none. Never throws. */
export async function planWarm(wish: WarmWish, machineProgram: string): Promise<WarmPlan> {
  try {
    return await plan(wish, machineProgram);
  } catch (error) {
    return { possible: false, reason: (error as Error).message };
  }
}

async function plan(wish: WarmWish, machineProgram: string): Promise<WarmPlan> {
  const no = (reason: string): WarmPlan => ({ possible: false, reason });
  const cache = warmCache();
  const limitBytes = warmLimitBytes();
  if (limitBytes === 0) return no('HYPERKIT_WARM_CACHE_MB is 0');
  if (wish.extraDisks > 0) return no('it has more than one disk');
  if (wish.outsideNetwork) return no('it joins a network of another program');
  if (!(await hasIdentityMarker(wish.iso))) {
    return no('the guest of this ISO cannot become another machine; those that image/build makes can');
  }
  const hypervisor = await chooseHypervisor(wish, listHypervisors({ machineProgram }));
  if (!isWarm(hypervisor)) return no(`the ${hypervisor.name} engine does not save and restore guests here`);
  await openCache(cache);
  const [fingerprint, iso] = await Promise.all([hypervisor.warm.fingerprint(wish), digestOfIso(wish.iso, cache)]);
  const { vcpus, memoryMiB, diskBytes, commandLine } = wish;
  const dependencies = {
    format: WARM_FORMAT,
    gateway: packageVersion,
    iso,
    hypervisor: fingerprint,
    vcpus,
    memoryMiB,
    diskBytes,
    commandLine,
  };
  const recipe = { cache, limitBytes, iso: wish.iso, dependencies, hypervisor: wish.hypervisor };
  return { possible: true, recipe: { ...recipe, accelerator: wish.accelerator } };
}
