import { readFileSync } from 'node:fs';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { MetricsSchema, ProcessMetricsSchema } from '../../../proto/generated/hyperkit/machine/v1/machine_pb';
import { isCounting } from '../../hypervisors/counting';
import type { RunningVm } from '../../hypervisors/hypervisor';
import type { MachineNetwork } from '../machine-network';

/** USER_HZ, which Linux shows to programs as 100 on every architecture (proc(5)). */
const TICKS_PER_SECOND = 100;

/** What the machine has used and moved so far. */
export function readMetrics(
  vm: RunningVm | undefined,
  network: MachineNetwork | undefined,
): MessageInitShape<typeof MetricsSchema> {
  const { user, system } = process.cpuUsage();
  const own = {
    pid: process.pid,
    name: 'machine',
    cpuSeconds: (user + system) / 1e6,
    residentBytes: BigInt(process.memoryUsage.rss()),
  };
  const children = (vm?.children ?? []).map(({ pid }) => readProcess(pid)).filter((found) => found !== undefined);
  const traffic = network?.traffic;
  return {
    processes: [own, ...children],
    ...(traffic !== undefined && {
      network: {
        guestSentBytes: BigInt(traffic.sentBytes),
        guestSentPackets: BigInt(traffic.sentPackets),
        guestReceivedBytes: BigInt(traffic.receivedBytes),
        guestReceivedPackets: BigInt(traffic.receivedPackets),
      },
    }),
    vcpus: vm !== undefined && isCounting(vm) ? vm.exitCounts().map((counts) => ({ exits: toCounts(counts) })) : [],
  };
}

function toCounts(counts: Readonly<Record<string, number>>): Record<string, bigint> {
  return Object.fromEntries(Object.entries(counts).map(([reason, count]) => [reason, BigInt(count)]));
}

/** Undefined when it has gone, or where there is no /proc. Fields of `stat` are counted after the name, see proc(5). */
function readProcess(pid: number): MessageInitShape<typeof ProcessMetricsSchema> | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[14 - 3]) + Number(fields[15 - 3]);
    const residentKiB = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0;
    return { pid, name, cpuSeconds: ticks / TICKS_PER_SECOND, residentBytes: BigInt(residentKiB) * 1024n };
  } catch {
    return undefined;
  }
}
