import { execFile } from 'node:child_process';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { KvmMeasurement } from '../../native/kvm-probe';

/** What `/dev/kvm` of this host turned out to be. */
export type KvmFinding =
  | { readonly kind: 'runs'; readonly instructionsPerSecond: number }
  /** The probe did not come back, or crashed. */
  | { readonly kind: 'hangs'; readonly detail: string }
  /** A call failed: `errno` is its name. */
  | { readonly kind: 'refused'; readonly call: string; readonly errno: string };

/** The machine program, started with this word, measures KVM and prints a {@link KvmMeasurement}. */
export const PROBE_WORD = '--probe-kvm';

const DEVICE = '/dev/kvm';
/** A healthy probe takes 0.1 s with Node's start, an interpreting one hardly more. */
const DEADLINE_MS = 5000;

/**
 * Measures how fast KVM runs guest code. A child process does it, because KVM_RUN may never return; the answer is
 * remembered until the next boot of the host or the next change of the device. Never throws.
 */
export async function measureKvmSpeed(machineProgram: string): Promise<KvmFinding> {
  try {
    closeSync(openSync(DEVICE, 'r+'));
  } catch (error) {
    return { kind: 'refused', call: `open(${DEVICE})`, errno: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
  const key = hostKey();
  const remembered = recall(key);
  if (remembered !== undefined) return { kind: 'runs', instructionsPerSecond: remembered };
  const finding = await runProbe(machineProgram);
  if (finding.kind === 'runs') remember(key, finding.instructionsPerSecond);
  return finding;
}

async function runProbe(machineProgram: string): Promise<KvmFinding> {
  const { NODE_OPTIONS: _dropped, ...env } = process.env;
  const options = { timeout: DEADLINE_MS, killSignal: 'SIGKILL', env, cwd: '/', maxBuffer: 65_536 } as const;
  return await new Promise((resolve) => {
    execFile(process.execPath, [machineProgram, PROBE_WORD], options, (error, stdout, stderr) => {
      const measured = error === null ? decodeMeasurement(stdout) : undefined;
      if (measured?.ok) resolve({ kind: 'runs', instructionsPerSecond: measured.instructionsPerSecond });
      else if (measured) resolve({ kind: 'refused', call: measured.call, errno: measured.errno });
      else if (error?.killed)
        resolve({ kind: 'hangs', detail: `a loop of 40,000 instructions did not end within ${DEADLINE_MS / 1000} s` });
      else
        resolve({
          kind: 'hangs',
          detail: `the probe failed: ${stderr.trim().split('\n').at(-1) || error?.message || 'no answer'}`,
        });
    });
  });
}

function decodeMeasurement(text: string): KvmMeasurement | undefined {
  try {
    const value = JSON.parse(text) as Partial<Record<'ok' | 'instructionsPerSecond' | 'call' | 'errno', unknown>>;
    if (value.ok === true && typeof value.instructionsPerSecond === 'number' && value.instructionsPerSecond > 0) {
      return { ok: true, instructionsPerSecond: value.instructionsPerSecond };
    }
    return value.ok === false ? { ok: false, call: String(value.call), errno: String(value.errno) } : undefined;
  } catch {
    return undefined;
  }
}

/** Another boot, kernel or device node (its module was loaded anew) means another measurement. */
function hostKey(): string {
  let boot = '';
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    // Without it the times below must do.
  }
  const { ctimeMs, rdev } = statSync(DEVICE);
  return [boot, os.release(), rdev, ctimeMs].join(' ');
}

function recall(key: string): number | undefined {
  try {
    const value = JSON.parse(readFileSync(path.join(privateFolder(), 'kvm-speed.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    const rate = value.instructionsPerSecond;
    return value.key === key && typeof rate === 'number' && rate > 0 ? rate : undefined;
  } catch {
    return undefined;
  }
}

function remember(key: string, instructionsPerSecond: number): void {
  try {
    const file = path.join(privateFolder(), 'kvm-speed.json');
    writeFileSync(`${file}.${process.pid}`, JSON.stringify({ key, instructionsPerSecond }), { mode: 0o600 });
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // It is measured again next time.
  }
}

/** A folder that only this user can write: what lies in it is believed. @throws Error when somebody else got there first. */
function privateFolder(): string {
  const uid = process.getuid?.() ?? 0;
  const runtime = process.env.XDG_RUNTIME_DIR ?? '';
  const folder = path.join(path.isAbsolute(runtime) ? runtime : os.tmpdir(), `hyperkit-${uid}`);
  if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o077) !== 0) throw new Error(`${folder} is not private`);
  return folder;
}
