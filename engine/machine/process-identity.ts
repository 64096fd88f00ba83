import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

/**
 * One process for good: a pid alone is reused by the kernel, a pid with the time its process began is not,
 * and the boot id tells start times of one boot from those of the next.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Linux: clock ticks since boot (`/proc/PID/stat` field 22, proc(5)). macOS: what `ps -o lstart=` prints. */
  readonly startTime: string;
  readonly bootId: string;
}

/** The identity of a living process; undefined when there is none (a zombie is none: nothing of it runs or is open). */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  const startTime = process.platform === 'linux' ? readLinuxStartTime(pid) : await readPsStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime, bootId: readBootId() };
}

/** Whether exactly this process still lives. */
export async function isSameProcess(identity: ProcessIdentity): Promise<boolean> {
  const found = await identifyProcess(identity.pid);
  return found !== undefined && found.startTime === identity.startTime && found.bootId === identity.bootId;
}

/**
 * Fields of `/proc/PID/stat` are counted after the last `)`: the second one is the program's name and may hold anything.
 * While a killed process of many threads goes, its first one may be a zombie already and another still holds its ports.
 */
function readLinuxStartTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const threads = Number(fields[20 - 3]);
  return (state === 'Z' || state === 'X') && threads <= 1 ? undefined : fields[22 - 3];
}

async function readPsStartTime(pid: number): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      env: { PATH: '/bin:/usr/bin', LC_ALL: 'C', TZ: 'UTC' },
      timeout: 5000,
    });
    const [, state, startTime] = /^\s*(\S+)\s+(.*\S)\s*$/.exec(stdout) ?? [];
    return state === undefined || state.startsWith('Z') ? undefined : startTime;
  } catch {
    return undefined;
  }
}

let bootId: string | undefined;

/** Names this boot of the host. macOS needs none: `lstart` is a date. */
export function readBootId(): string {
  if (bootId === undefined) {
    try {
      bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    } catch {
      bootId = '';
    }
  }
  return bootId;
}
