import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from './network';

/** USER_HZ, in which /proc counts: 100 on every architecture Node runs on (proc(5), sysconf(_SC_CLK_TCK)). */
const TICKS_PER_SECOND = 100;
const IDLE_MS = 3_000;

/** CPU time of the processes since their start, user and kernel, all threads. */
export function cpuSeconds(processIds: readonly number[]): number {
  let ticks = 0;
  for (const pid of processIds) {
    // proc(5): the name in parentheses may hold anything; utime and stime are fields 14 and 15.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** What each network burns while nothing happens, in percent of one CPU over 3 s; all are watched at once. */
export async function idleCpuPercent(places: readonly Place[]): Promise<Readonly<Record<string, number>>> {
  // What the measurement left to do is not idleness yet.
  await sleep(1_000);
  const before = places.map(({ processIds }) => cpuSeconds(processIds));
  await sleep(IDLE_MS);
  return Object.fromEntries(
    places.map(({ name, processIds }, index) => [
      name,
      Math.round((cpuSeconds(processIds) - (before[index] ?? 0)) * (100_000 / IDLE_MS) * 100) / 100,
    ]),
  );
}

export interface Memory {
  readonly residentMB: number;
  /** The most since the start or since `forgetPeak`. */
  readonly peakMB: number;
}

/** Sums over the processes. */
export function memory(processIds: readonly number[]): Memory {
  let [residentKB, peakKB] = [0, 0];
  for (const pid of processIds) {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    residentKB += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN);
    peakKB += Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN);
  }
  return { residentMB: megabytes(residentKB), peakMB: megabytes(peakKB) };
}

/** proc(5), clear_refs: 5 sets the peak back to what is resident now. */
export function forgetPeak(processIds: readonly number[]): void {
  for (const pid of processIds) writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function megabytes(kilobytes: number): number {
  return Math.round(kilobytes / 102.4) / 10;
}
