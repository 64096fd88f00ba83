import type { Measurement } from './support/measurement';
import { GUEST_MEMORY, runContest } from './support/vmm/contest';

const BESIDE = 'resident beside guest memory, MiB';
const SETTLE_SECONDS = 5;

/**
 * Guest memory is the one mapping that is as large as it (all machines have it below 3 GiB, in one piece). Everything else
 * that is resident counts, shared pages of the program's file and of libraries too.
 */
const TURN = `
start
await INIT-REACHED
sleep ${SETTLE_SECONDS}
awk '
  $1 == "Size:" { size = $2 }
  $1 == "Rss:" { all += $2; if (size == ${GUEST_MEMORY * 1024}) { guest += $2; found++ } }
  $1 == "Anonymous:" && size != ${GUEST_MEMORY * 1024} { anonymous += $2 }
  END {
    if (found != 1) exit
    printf "FIGURE;${BESIDE};%.1f\\n", (all - guest) / 1024
    printf "FIGURE;of which anonymous, MiB;%.1f\\n", anonymous / 1024
    printf "FIGURE;guest memory, MiB;%.1f\\n", guest / 1024
  }' /proc/$pid/smaps
finish
`;

/**
 * What a machine with one CPU costs in the lab beside its guest's memory: resident pages of its process when the guest has
 * booted and sleeps, without the mapping that is the guest's memory. Against QEMU with the same guest.
 */
export async function measure(): Promise<Measurement> {
  const figures = await runContest({
    contestants: ['ours', 'q35', 'microvm'],
    rounds: 2,
    guest: 'sleep 3600',
    turn: TURN,
    deadlineMs: 1_200_000,
  });
  return figures.compare({ name: 'vmm-memory', unit: BESIDE, better: 'lower' }, [BESIDE]);
}
