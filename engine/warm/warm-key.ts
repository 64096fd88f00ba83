import { createHash } from 'node:crypto';

/** Layout of a warm image and of what a guest and its host say to each other; images of another are made anew. */
export const WARM_FORMAT = 1;

/** Everything that a saved guest depends on. Only a machine for which all of it is the same can go on from the image. */
export interface WarmDependencies {
  readonly format: number;
  /** Version of this package: the network that the guest has joined is part of it. */
  readonly gateway: string;
  /** SHA-256 of the ISO. */
  readonly iso: string;
  /** What the hypervisor says that its saved guests depend on. */
  readonly hypervisor: Readonly<Record<string, string>>;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly diskBytes: number;
  readonly commandLine: string;
}

export const WARM_KEY = /^[0-9a-f]{32}$/;

/** The image's name in the cache: the same dependencies have the same, others another one. */
export function warmKey(dependencies: WarmDependencies): string {
  return createHash('sha256').update(canonicalJson(dependencies)).digest('hex').slice(0, 32);
}

/** JSON whose text does not depend on the order in which keys were set. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}
