import type { Measurement } from './support/measurement';
import { RUN_GUEST, runContest } from './support/vmm/contest';
import { packProgram, unpackProgram } from './support/vmm/pack-program';

const DISK_MIB = 256;
/** On both sides: the code that serves requests is compiled, by V8 and by the lab's emulator, before time is taken. */
const WARM_UP_SECONDS = 6;
const SECONDS = 6;

/** What fio does, by name; each with O_DIRECT and 32 requests under way. */
const PATTERNS: Readonly<Record<string, string>> = {
  'read 128k': '--rw=read --bs=128k',
  'write 128k': '--rw=write --bs=128k',
  'randread 4k': '--rw=randread --bs=4k',
  'randwrite 4k': '--rw=randwrite --bs=4k',
};

/** fio's terse format: 3 is the job's name, 7 and 48 KiB/s of reads and writes. */
const GUEST = `
${unpackProgram('/dev/vdb', 'fio')}
run() { tool --thread --minimal --filename=/dev/vda --direct=1 --ioengine=libaio --iodepth=32 --time_based \\
  --ramp_time=${WARM_UP_SECONDS} --runtime=${SECONDS} --randrepeat=1 --norandommap --name="$1" $2 |
  awk -F ';' '{ printf "FIGURE;%s;%.3f\\n", $3, ($7 + $48) / 1024 }'; }
${Object.entries(PATTERNS)
  .map(([name, options]) => `run '${name}' '${options}'`)
  .join('\n')}
`;

/**
 * A disk under a stock kernel in the lab: MiB per second of sequential reads and writes of 128 KiB and random ones of 4 KiB,
 * and their geometric mean. Against QEMU on the same KVM, whose disk has a thread of its own, too.
 */
export async function measure(): Promise<Measurement> {
  const figures = await runContest({
    contestants: ['ours', 'q35', 'microvm'],
    rounds: 3,
    guest: GUEST,
    prepare: `${packProgram('fio')} dd if=/dev/zero bs=1M count=${DISK_MIB} 2>/dev/null | tr '\\0' x >disk.raw`,
    devices: {
      hyperkit: '-s 4,virtio-blk,disk.raw -s 5,virtio-blk,tools.raw,ro',
      qemu: `-object iothread,id=io
        -drive if=none,id=disk,format=raw,file=disk.raw -device virtio-blk-pci,drive=disk,iothread=io
        -drive if=none,id=tools,format=raw,readonly=on,file=tools.raw -device virtio-blk-pci,drive=tools`,
    },
    turn: RUN_GUEST,
    deadlineMs: 2_400_000,
  });
  return figures.compare({ name: 'vmm-blk', unit: 'MiB/s', better: 'higher' }, Object.keys(PATTERNS));
}
