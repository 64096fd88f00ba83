import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from '../errors';
import { identifyOwnProcess } from '../machine/claim';
import { programEnvironment } from '../machine/program-environment';
import type { MakeRequest, WarmRecipe } from './make-request';
import { decodeMakeReport, MAKE_WARM_WORD } from './maker-words';
import { openCache } from './private-folder';

const LOG_NAME = 'make-warm.log';
const MAX_LOG_BYTES = 1024 * 1024;
/** Longer than the maker's own deadlines. */
const DEADLINE_MS = 480_000;
const MAX_REPORT_BYTES = 64 * 1024;
/** How long a maker may clean up after itself before it is killed. */
const CLEAN_UP_MS = 10_000;

/**
 * Has an image made by a process of its own that nobody waits for; it begins its work when this process has ended, or
 * after a minute. What comes of it is in the cache's make-warm.log.
 * @throws EngineError HK_WARM_FAILED when it could not even be started.
 */
export async function makeWarmInBackground(recipe: WarmRecipe, program: string): Promise<void> {
  await openCache(recipe.cache);
  const request: MakeRequest = { ...recipe, behind: await identifyOwnProcess() };
  const child = spawnMaker(recipe.cache, program, 'ignore');
  await new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => reject(failed(`its process did not start: ${cause.message}`, cause)));
    child.stdin?.once('error', () => resolve());
    child.stdin?.end(`${JSON.stringify(request)}\n`, () => resolve());
  });
  child.unref();
}

/**
 * Has an image made and waits for it.
 * @throws EngineError HK_WARM_FAILED; the signal's reason on abort. Nothing is left running.
 */
export async function makeWarm(recipe: WarmRecipe, program: string, signal: AbortSignal): Promise<'made' | 'found'> {
  signal.throwIfAborted();
  await openCache(recipe.cache);
  const child = spawnMaker(recipe.cache, program, 'pipe');
  let killTimer: NodeJS.Timeout | undefined;
  const giveUp = (): void => {
    child.stdin?.end();
    killTimer ??= setTimeout(() => child.kill('SIGKILL'), CLEAN_UP_MS);
  };
  const deadline = setTimeout(giveUp, DEADLINE_MS);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    child.stdin?.on('error', () => undefined);
    child.stdin?.write(`${JSON.stringify(recipe)}\n`);
    const report = decodeMakeReport(await lastWordsOf(child));
    signal.throwIfAborted();
    if (report === undefined)
      throw failed(`its process ended without a word; see ${path.join(recipe.cache, LOG_NAME)}`);
    if ('failed' in report) throw new EngineError('HK_WARM_FAILED', report.failed);
    return report.outcome;
  } finally {
    clearTimeout(deadline);
    clearTimeout(killTimer);
    signal.removeEventListener('abort', giveUp);
    child.stdin?.destroy();
  }
}

/** What it says until it ends. */
async function lastWordsOf(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text = `${text}${chunk}`.slice(0, MAX_REPORT_BYTES);
  });
  await new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => reject(failed(`its process did not start: ${cause.message}`, cause)));
    child.once('close', () => resolve());
  });
  return text;
}

/** In a session of its own: a terminal's Ctrl-C is for whoever waits, who then hangs up. */
function spawnMaker(cache: string, program: string, stdout: 'pipe' | 'ignore'): ChildProcess {
  const log = openLog(path.join(cache, LOG_NAME));
  try {
    return spawn(process.execPath, [path.resolve(program), MAKE_WARM_WORD], {
      detached: true,
      cwd: '/',
      env: programEnvironment(),
      stdio: ['pipe', stdout, log],
    });
  } finally {
    closeSync(log);
  }
}

/** Several processes append to it, so it is only made new between them. Errors of the file system become HK_WARM_FAILED. */
function openLog(file: string): number {
  try {
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES) renameSync(file, `${file}.1`);
    return openSync(file, 'a', 0o600);
  } catch (cause) {
    throw failed(`${file}: ${(cause as Error).message}`, cause);
  }
}

function failed(reason: string, cause?: unknown): EngineError {
  return new EngineError('HK_WARM_FAILED', `cannot make a warm image: ${reason}`, { cause });
}
