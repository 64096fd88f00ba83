import type { Measurement } from './support/measurement';
import { runContest } from './support/vmm/contest';

const TOTAL = 'process start to init, s';
const KERNEL = 'kernel entry to init, s';
/** Says more than the wall's clock where others use the host, too. */
const CPU = 'CPU time of the process until then, s';

/** KVM counts the exits of all machines that run, by reason; there is one. schedstat: 1 is nanoseconds on a CPU. */
const TURN = `
read -r begun idle </proc/uptime
start
await INIT-STARTED
read -r ended idle </proc/uptime
figure '${TOTAL}' "$(awk "BEGIN { print $ended - $begun }")"
figure '${KERNEL}' "$rest"
figure '${CPU}' "$(cat /proc/$pid/task/*/schedstat | awk '{ sum += $1 } END { print sum / 1e9 }')"
for counter in /sys/kernel/debug/kvm/*exits; do figure "\${counter##*/}" "$(cat "$counter")"; done
finish
`;

/**
 * Boot of a stock kernel with an initramfs in the lab, no device but a serial line that says almost nothing: from the
 * process's start until the guest's first program has printed a line, and the part of it that the guest's own clock knows.
 * Against QEMU on the same KVM. The details hold the exits from guest to KVM until then, as KVM counts them.
 */
export async function measure(): Promise<Measurement> {
  const figures = await runContest({
    contestants: ['ours', 'q35', 'microvm'],
    rounds: 5,
    guest: 'sleep 3600',
    prepare: 'mount -t debugfs debug /sys/kernel/debug',
    turn: TURN,
    deadlineMs: 1_200_000,
  });
  return figures.compare({ name: 'vmm-boot', unit: TOTAL, better: 'lower' }, [TOTAL]);
}
