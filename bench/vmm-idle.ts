import type { Measurement } from './support/measurement';
import { runContest } from './support/vmm/contest';

const SETTLE_SECONDS = 5;
const SECONDS = 15;
const CPU = `CPU time in ${SECONDS} s, ms`;

/** schedstat: 1 is nanoseconds on a CPU, the guest's included. */
const TURN = `
cpu() { cat /proc/$pid/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f", sum / 1000 }'; }
start
await INIT-REACHED
sleep ${SETTLE_SECONDS}
before=$(cpu)
sleep ${SECONDS}
after=$(cpu)
figure '${CPU}' "$(awk "BEGIN { print ($after - $before) / 1000 }")"
finish
`;

/**
 * CPU time that the process of a machine with one CPU takes in the lab while its guest, booted, sleeps in a shell: that of
 * all threads, the guest's own included. Against QEMU with the same guest.
 */
export async function measure(): Promise<Measurement> {
  const figures = await runContest({
    contestants: ['ours', 'q35', 'microvm'],
    rounds: 3,
    guest: 'sleep 3600',
    turn: TURN,
    deadlineMs: 1_200_000,
  });
  return figures.compare({ name: 'vmm-idle', unit: CPU, better: 'lower' }, [CPU]);
}
