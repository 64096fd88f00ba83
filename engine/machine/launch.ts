import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { toPlainLines } from '../console/plain-text';
import { readEnd, tail } from '../console/tail';
import { EngineError } from '../errors';
import { parseVmSpec } from '../spec/validate';
import type { VmSpec } from '../spec/vm-spec';
import { findClaimant } from './claim';
import { killMachine } from './control';
import { MACHINE_FILES } from './machine-files';
import { programEnvironment } from './program-environment';
import { decodeReport, toEngineError } from './report';
import { type LiveMachine, readMachineStatus } from './state';

export interface LaunchOptions {
  /** Path of the machine program, dist/hyperkit-machine.cjs. */
  readonly program: string;
  /** How long to wait for `ready`; 60 s unless told. */
  readonly deadlineMs?: number;
  /** Gives up the launch; nothing is left running. */
  readonly signal?: AbortSignal;
}

const DEADLINE_MS = 60_000;
const MAX_REPORT_BYTES = 64 * 1024;
/** How long a machine process may take to clean up after itself before it is killed. */
const CLEAN_UP_MS = 3000;

/**
 * Starts the machine in a process of its own and resolves when its guest runs and its ports are bound.
 * When it rejects (failure, abort, deadline) nothing of the machine is left but its logs.
 * @throws EngineError with the machine's own reason: HK_SPEC_INVALID, HK_MACHINE_RUNNING, HK_NO_HYPERVISOR,
 * HK_HYPERVISOR_FAILED, HK_ADDRESS_IN_USE, HK_STATE_UNREADABLE, HK_MACHINE_FAILED, HK_MACHINE_TIMEOUT.
 * An abort rejects with HK_MACHINE_FAILED whose cause is the signal's reason.
 */
export async function launchMachine(spec: VmSpec, options: LaunchOptions): Promise<LiveMachine> {
  const { stateDir, name } = parseVmSpec(spec);
  if (options.signal?.aborted) throw aborted(name, options.signal);
  const status = await readMachineStatus(stateDir);
  if (status.state !== 'stopped') {
    throw new EngineError(
      'HK_MACHINE_RUNNING',
      `cannot start machine "${name}": it runs already, as process ${status.pid}`,
    );
  }
  const child = spawnMachine(stateDir, options.program);
  try {
    sendSpecification(child, spec);
    return await waitForReport(child, spec, options);
  } catch (error) {
    await endLaunch(child, stateDir);
    throw error;
  } finally {
    // From here on the machine and its launcher know nothing of each other.
    for (const stream of child.stdio) stream?.destroy();
    child.unref();
  }
}

/** In a session of its own, with nothing of ours: no terminal, no working folder, no open files. */
function spawnMachine(stateDir: string, program: string): ChildProcess {
  let log: number;
  try {
    makeFolder(stateDir);
    log = openSync(path.join(stateDir, MACHINE_FILES.log), 'a', 0o600);
  } catch (error) {
    throw toEngineError(error);
  }
  try {
    return spawn(process.execPath, [path.resolve(program), stateDir], {
      detached: true,
      cwd: '/',
      env: programEnvironment(),
      stdio: ['pipe', log, log, 'pipe'],
    });
  } finally {
    closeSync(log);
  }
}

/** Not with its parents: Node's recursive mkdir never returns where the kernel answers ENOENT, in /proc for one. */
function makeFolder(stateDir: string): void {
  try {
    mkdirSync(stateDir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function sendSpecification(child: ChildProcess, spec: VmSpec): void {
  // A process that dies early breaks the pipe; its exit is what counts.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(JSON.stringify(spec));
}

async function waitForReport(child: ChildProcess, spec: VmSpec, options: LaunchOptions): Promise<LiveMachine> {
  const { signal, deadlineMs = DEADLINE_MS } = options;
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  try {
    const line = await new Promise<string | undefined>((resolve, reject) => {
      child.once('error', (cause) => {
        reject(new EngineError('HK_MACHINE_FAILED', `cannot start the machine process: ${cause.message}`, { cause }));
      });
      onAbort = () => reject(aborted(spec.name, signal));
      signal?.addEventListener('abort', onAbort, { once: true });
      timer = setTimeout(() => {
        lateError(spec, deadlineMs).then(reject, reject);
      }, deadlineMs);
      readLine(child.stdio[3] as Duplex, resolve);
    });
    const report = line === undefined ? undefined : decodeReport(line);
    if (!report) throw await wordlessError(spec);
    if ('ready' in report) return report.ready;
    throw new EngineError(report.failed.code, report.failed.message);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener('abort', onAbort);
  }
}

/** The first line, or what came of it before the stream ended. */
function readLine(stream: Duplex, done: (line: string | undefined) => void): void {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    text += chunk;
    const end = text.indexOf('\n');
    if (end >= 0) done(text.slice(0, end));
    else if (text.length > MAX_REPORT_BYTES) done(undefined);
  });
  stream.on('error', () => done(undefined));
  stream.on('close', () => done(undefined));
}

/** The machine process cleans up by itself when its launcher hangs up; one that does not is killed with all it started. */
async function endLaunch(child: ChildProcess, stateDir: string): Promise<void> {
  for (const stream of child.stdio) stream?.destroy();
  if (child.pid === undefined) return;
  if (!(await waitForChild(child, CLEAN_UP_MS))) child.kill('SIGKILL');
  await waitForChild(child, CLEAN_UP_MS);
  // Its own last words done, nothing is left of it. Killed, it may leave children; but they may be another launch's, too.
  if ((await findClaimant(stateDir)) === undefined) await killMachine(stateDir);
}

async function waitForChild(child: ChildProcess, deadlineMs: number): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return true;
  return await new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), deadlineMs);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

function aborted(name: string, signal: AbortSignal | undefined): EngineError {
  return new EngineError('HK_MACHINE_FAILED', `the start of machine "${name}" was given up`, { cause: signal?.reason });
}

async function lateError(spec: VmSpec, deadlineMs: number): Promise<EngineError> {
  const lines = await tail(spec.stateDir, 5);
  const text = `machine "${spec.name}" did not start within ${deadlineMs / 1000} s`;
  return new EngineError('HK_MACHINE_TIMEOUT', [text, ...lines].join('\n  '));
}

async function wordlessError(spec: VmSpec): Promise<EngineError> {
  const lines = toPlainLines(await readEnd(path.join(spec.stateDir, MACHINE_FILES.log))).slice(-12);
  const text = `the machine process of "${spec.name}" ended without giving a reason; its log ends with:`;
  return new EngineError('HK_MACHINE_FAILED', [text, ...lines].join('\n  '));
}
