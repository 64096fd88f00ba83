import { mkdirSync } from 'node:fs';
import { mkdir, readdir, rm, statfs } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { extractBootFiles } from '../boot/extract-boot-files';
import { openMachineConsole } from '../console/machine-console';
import { tail } from '../console/tail';
import { EngineError } from '../errors';
import { chooseHypervisor, listHypervisors } from '../hypervisors/select';
import { isWarm } from '../hypervisors/warm-starts';
import { claimMachine, findClaimant, identifyOwnProcess } from '../machine/claim';
import { endChildren } from '../machine/control';
import { STATE_DIR_VARIABLE } from '../machine/leftovers';
import { MACHINE_FILES } from '../machine/machine-files';
import { openMachineNetwork } from '../machine/open-machine-network';
import { isSameProcess, type ProcessIdentity } from '../machine/process-identity';
import type { VmSpec } from '../spec/vm-spec';
import { createTemplateDisk } from '../storage/data-disk';
import { digestOfIso } from './iso-digest';
import type { MakeRequest } from './make-request';
import { openCache } from './private-folder';
import { templateSpec } from './template-spec';
import { findUnfit, forgetUnfit, noteUnfit } from './unfit-note';
import { draftFolder, findImage, placeImage, pruneImages, removeFolder, sweepCache } from './warm-cache';
import { SAVED_DISK, sealImage } from './warm-image';
import { warmKey } from './warm-key';

const MIB = 1024 * 1024;
/** What the template's disk and the rest take beside the memory, and what a host should keep free. */
const SPARE_BYTES = 768 * MIB;
/** A guest that could not be saved today cannot tomorrow, unless something was mended that the key does not tell. */
const UNFIT_MS = 24 * 60 * 60 * 1000;
/** Provisioning of the machine that was just made should not have to share the CPUs. */
const MAX_BEHIND_MS = 60_000;
const LOOK_EVERY_MS = 200;
const LAST_WORDS_LINES = 12;

export interface Making {
  readonly machineProgram: string;
  /** Ends it; nothing is left behind. */
  readonly signal: AbortSignal;
  /** For the guest to become quiet and be saved. */
  readonly deadlineMs: number;
  readonly log: (line: string) => void;
}

/**
 * Makes the image of a request, unless it is there; one that another process is making is waited for. Answers what was
 * the case.
 * @throws EngineError HK_WARM_FAILED, also when another process makes it and this one works behind.
 */
export async function makeImage(request: MakeRequest, making: Making): Promise<'made' | 'found'> {
  const { cache, dependencies, behind } = request;
  const key = warmKey(dependencies);
  await openCache(cache);
  const draft = draftFolder(cache, key);
  await claimDraft(draft, request, making);
  try {
    if (behind === undefined) await forgetUnfit(cache, key);
    const obstacle = findUnfit(cache, key);
    if (obstacle !== undefined) throw failed(obstacle);
    if (behind !== undefined) await waitForEnd(behind, making.signal);
    if ((await findImage(cache, key)).found) return 'found';
    await clearDraft(draft);
    await sweepCache(cache);
    await checkSpace(cache, dependencies.memoryMiB);
    await makeIn(draft, request, making);
    await placeImage(cache, key, finishedIn(draft));
  } finally {
    await removeFolder(cache, draft);
  }
  const removed = await pruneImages(cache, request.limitBytes, key);
  for (const gone of removed) making.log(`removed image ${gone} for lack of room`);
  if (removed.includes(key)) {
    const reason = `it is larger than all images together may be (${Math.floor(request.limitBytes / MIB)} MiB)`;
    await noteUnfit(cache, key, reason, UNFIT_MS);
    throw failed(reason);
  }
  return 'made';
}

const finishedIn = (draft: string): string => path.join(draft, 'image');

/** Takes the draft for this process. Of several that want the same image one makes it. */
async function claimDraft(draft: string, { behind }: MakeRequest, { signal, log }: Making): Promise<void> {
  const own = await identifyOwnProcess();
  for (let told = false; ; told = true) {
    signal.throwIfAborted();
    try {
      await mkdir(draft, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      await claimMachine(draft, own);
      return;
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      // ENOENT: its maker has just finished and taken the folder away.
      if (code !== 'HK_MACHINE_RUNNING' && code !== 'ENOENT') throw failed((error as Error).message, error);
      const maker = await findClaimant(draft);
      if (behind !== undefined) throw failed(`process ${maker?.pid ?? 'of another command'} is making it already`);
      if (!told) log(`process ${maker?.pid ?? 'of another command'} is making this image; waiting for it`);
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
  }
}

async function waitForEnd(starter: ProcessIdentity, signal: AbortSignal): Promise<void> {
  const end = performance.now() + MAX_BEHIND_MS;
  while (performance.now() < end && (await isSameProcess(starter))) await sleep(LOOK_EVERY_MS, undefined, { signal });
}

/** What a maker left that was killed; its claims stay. */
async function clearDraft(draft: string): Promise<void> {
  await endChildren(draft);
  for (const name of await readdir(draft)) {
    if (name.startsWith(MACHINE_FILES.claimPrefix)) continue;
    await rm(path.join(draft, name), { recursive: true, force: true });
  }
}

async function checkSpace(cache: string, memoryMiB: number): Promise<void> {
  const { blocks, bavail, bsize } = await statfs(cache);
  const needed = memoryMiB * MIB + SPARE_BYTES;
  // A file system that does not tell is tried.
  if (blocks === 0 || bavail * bsize >= needed) return;
  const free = Math.floor((bavail * bsize) / MIB);
  throw failed(`only ${free} MiB are free for it in ${cache}, and ${Math.ceil(needed / MIB)} MiB are wanted`);
}

async function makeIn(draft: string, request: MakeRequest, making: Making): Promise<void> {
  const { cache, dependencies, iso } = request;
  const image = finishedIn(draft);
  mkdirSync(image, { mode: 0o700 });
  if ((await digestOfIso(iso, cache)) !== dependencies.iso) throw failed(`${iso} is another one by now`);
  const boot = await extractBootFiles(iso, draft);
  await createTemplateDisk(path.join(image, SAVED_DISK), dependencies.diskBytes);
  const spec = templateSpec(request, boot, draft, path.join(image, SAVED_DISK));
  await saveTemplate(spec, image, request, making);
  await sealImage(image, dependencies);
}

async function saveTemplate(spec: VmSpec, image: string, request: MakeRequest, making: Making): Promise<void> {
  const { machineProgram, signal, deadlineMs, log } = making;
  const { cache, dependencies } = request;
  const candidates = listHypervisors({
    machineProgram,
    signal,
    childEnvironment: { [STATE_DIR_VARIABLE]: spec.stateDir },
    log,
  });
  const hypervisor = await chooseHypervisor(spec, candidates);
  if (!isWarm(hypervisor)) throw failed(`the ${hypervisor.name} engine cannot save guests`);
  const fingerprint = await hypervisor.warm.fingerprint(spec);
  if (warmKey({ ...dependencies, hypervisor: fingerprint }) !== warmKey(dependencies)) {
    throw failed('the hypervisor is another one by now');
  }
  const console = await openMachineConsole(spec.stateDir, log);
  const network = await openMachineNetwork(spec, log);
  try {
    await hypervisor.warm.save(spec, { console, cable: network?.cable }, { folder: image, deadlineMs });
  } catch (cause) {
    signal.throwIfAborted();
    const reason = (cause as Error).message;
    await noteUnfit(cache, warmKey(dependencies), reason, UNFIT_MS);
    throw failed([reason, ...(await tail(spec.stateDir, LAST_WORDS_LINES))].join('\n  '), cause);
  } finally {
    await network?.close();
    await console.close();
  }
}

function failed(reason: string, cause?: unknown): EngineError {
  return new EngineError('HK_WARM_FAILED', `cannot make a warm image: ${reason}`, { cause });
}
