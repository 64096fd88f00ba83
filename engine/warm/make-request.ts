import path from 'node:path';
import * as v from 'valibot';
import { EngineError } from '../errors';
import { parseJsonObject } from '../json-object';
import type { ProcessIdentity } from '../machine/process-identity';
import type { AcceleratorChoice, HypervisorChoice } from '../spec/vm-spec';
import { dependenciesSchema } from './warm-image';
import type { WarmDependencies } from './warm-key';

/** What an image is made of and where it goes. */
export interface WarmRecipe {
  /** Folder of all warm images. */
  readonly cache: string;
  /** How much of the disk they may take together. */
  readonly limitBytes: number;
  /** Path of the ISO. */
  readonly iso: string;
  readonly dependencies: WarmDependencies;
  readonly hypervisor: HypervisorChoice;
  readonly accelerator: AcceleratorChoice;
}

/** What a maker process is asked for. */
export interface MakeRequest extends WarmRecipe {
  /** Nobody waits for the image: it is made with what the computer has left, when this process has ended. */
  readonly behind?: ProcessIdentity | undefined;
}

const absolute = v.pipe(
  v.string(),
  v.check((value) => path.isAbsolute(value), 'must be an absolute path'),
);
const schema = v.strictObject({
  cache: absolute,
  limitBytes: v.pipe(v.number(), v.integer(), v.minValue(1)),
  iso: absolute,
  dependencies: dependenciesSchema,
  hypervisor: v.picklist(['auto', 'native', 'qemu']),
  accelerator: v.picklist(['auto', 'kvm', 'hvf', 'tcg']),
  behind: v.optional(v.strictObject({ pid: v.number(), startTime: v.string(), bootId: v.string() })),
});

/** Reads one line of JSON. @throws EngineError HK_WARM_FAILED */
export function parseMakeRequest(line: string): MakeRequest {
  const result = v.safeParse(schema, parseJsonObject(line));
  if (result.success) return result.output;
  const field = v.getDotPath(result.issues[0]) ?? 'the request';
  throw new EngineError('HK_WARM_FAILED', `cannot make a warm image: ${field}: ${result.issues[0].message}`);
}
