import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PROJECT } from '../support/peers';
import { type RunOptions, run } from '../support/run';

/** Something to run where `/dev/kvm` works; see test/lab/README.md. */
export interface LabJob extends Pick<RunOptions, 'started' | 'heard'> {
  readonly command: readonly string[];
  /** Folders and files that it sees, beside the project, read-only and at the same path. */
  readonly share?: readonly string[];
  /** A folder it may write to, at the same path. */
  readonly out?: string;
  /** 2048 unless told; each size that is used boots once and is then kept. */
  readonly memoryMiB?: number;
  /** 2 unless told. */
  readonly cpus?: number;
  /** The job is ended after this time, with status {@link DEADLINE_PASSED}; 300 s unless told. */
  readonly deadlineMs?: number;
  /** Also has qemu-system-x86_64, fio and iperf3. */
  readonly bench?: boolean;
}

export interface LabOutcome {
  /** The job's exit status, {@link DEADLINE_PASSED} or {@link LAB_FAILED}. */
  readonly status: number;
  readonly stdout: string;
  /** The job's, and behind it in lines with "lab: " why the lab failed. */
  readonly stderr: string;
  /** What the lab's kernel said. */
  readonly console: string;
}

export const DEADLINE_PASSED = 124;
/** The machine did not come up, panicked or went down. */
export const LAB_FAILED = 125;

const RUNNER = path.join(PROJECT, 'test/lab/run');
/** A first run fetches packages and boots once. */
const PREPARATION_MS = 900_000;

/** Why the lab can't run here; undefined when it can. Builds what it boots when that is not there yet. */
export function labMissing(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return `the lab runs on x86-64 Linux, this is ${process.platform} on ${process.arch}`;
  }
  for (const program of ['qemu-system-x86_64', 'setpriv']) {
    if (spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status !== 0) {
      return `no ${program} (scripts/requirements lab installs it)`;
    }
  }
  const built = spawnSync(path.join(PROJECT, 'test/lab/image'), { encoding: 'utf8', timeout: PREPARATION_MS });
  if (built.status === 0) return undefined;
  return built.stderr.trim().split('\n').at(-1) ?? 'test/lab/image failed';
}

/**
 * Paths of the guests that a hypervisor in the lab can boot, by name: two kernels and an initramfs for each. Share
 * their folder with the job.
 */
export function labGuests(): Readonly<Record<`${'cloud' | 'generic'}-${'bzimage' | 'initramfs'}` | 'folder', string>> {
  const built = spawnSync(path.join(PROJECT, 'test/lab/guests'), { encoding: 'utf8', timeout: PREPARATION_MS });
  const paths = new Map(built.stdout.split('\n').map((line) => [line.split(' ', 1)[0], line.replace(/^\S+ /, '')]));
  const pathOf = (name: string): string => {
    const found = paths.get(name);
    if (found === undefined) throw new Error(`cannot build the guest ${name}: exit ${built.status}\n${built.stderr}`);
    return found;
  };
  return {
    'cloud-bzimage': pathOf('cloud-bzimage'),
    'cloud-initramfs': pathOf('cloud-initramfs'),
    'generic-bzimage': pathOf('generic-bzimage'),
    'generic-initramfs': pathOf('generic-initramfs'),
    folder: path.dirname(pathOf('cloud-bzimage')),
  };
}

/**
 * Runs a job in the lab to its end. A job that fails is an outcome, not an error. When a kernel panicked, the lab's own or
 * that of a guest in it, the job is run once more: emulation with several threads now and then executes code that a
 * kernel is just patching.
 */
export async function runInLab(job: LabJob): Promise<LabOutcome> {
  const outcome = await runOnce(job);
  const said = `${outcome.console}${outcome.stderr}`;
  if (outcome.status === 0 || !said.includes('Kernel panic')) return outcome;
  process.stderr.write(`lab: a kernel panicked, the job is run once more: ${job.command.join(' ')}\n`);
  return await runOnce(job);
}

async function runOnce(job: LabJob): Promise<LabOutcome> {
  const deadlineMs = job.deadlineMs ?? 300_000;
  const folder = mkdtempSync(path.join(tmpdir(), 'hk-lab-'));
  const consoleFile = path.join(folder, 'console');
  try {
    const args = [
      ...(job.share ?? []).flatMap((shared) => ['--share', shared]),
      ...(job.out === undefined ? [] : ['--out', job.out]),
      ...(job.memoryMiB === undefined ? [] : ['--memory', String(job.memoryMiB)]),
      ...(job.cpus === undefined ? [] : ['--cpus', String(job.cpus)]),
      ...(job.bench ? ['--with', 'bench'] : []),
      ...['--deadline', String(deadlineMs / 1000), '--console', consoleFile],
      ...['--', ...job.command],
    ];
    const { code, stdout, stderr } = await run(RUNNER, args, {
      cwd: PROJECT,
      deadlineMs: deadlineMs + PREPARATION_MS,
      ...(job.started && { started: job.started }),
      ...(job.heard && { heard: job.heard }),
    });
    if (code === null) throw new Error(`the lab's runner was killed; it had said:\n${stderr}`);
    return { status: code, stdout, stderr, console: readFileSync(consoleFile, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
