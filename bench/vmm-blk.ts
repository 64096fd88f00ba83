import path from 'node:path';
import { labGuests, runInLab } from '../test/lab/lab';
import { compare, type Measurement, median } from './support/measurement';

const ROUNDS = 2;
const DISK_MIB = 256;
const SECONDS = 4;

/** What fio does, by name; each with O_DIRECT and 32 requests under way. */
const PATTERNS: Readonly<Record<string, string>> = {
  'read 128k': '--rw=read --bs=128k',
  'write 128k': '--rw=write --bs=128k',
  'randread 4k': '--rw=randread --bs=4k',
  'randwrite 4k': '--rw=randwrite --bs=4k',
};

/** In the guest: fio comes as a tar archive on the second disk, with the libraries that it wants. */
const GUEST = `
mkdir /tools; tar xf /dev/vdb -C /tools
fio() { /tools/ld.so --library-path /tools /tools/fio --thread --minimal --filename=/dev/vda --direct=1 \\
  --ioengine=libaio --iodepth=32 --time_based --runtime=${SECONDS} --randrepeat=1 --norandommap --name="$1" $2; }
${Object.entries(PATTERNS)
  .map(([name, options]) => `fio '${name}' '${options}' | cut -d ';' -f 3,7,48 | sed 's/^/FIO;/'`)
  .join('\n')}
`;

/** In the lab: $1 is the project, $2 the folder of guests, $3 the guest's script; then the names of contestants, in turn. */
const JOB = `
project=$1 guests=$2 script=$3; shift 3
cd /tmp
export HYPERKIT_ENGINE=native
libraries=/bench/usr/lib/x86_64-linux-gnu
mkdir tools
/bench/usr/lib64/ld-linux-x86-64.so.2 --library-path $libraries:$libraries/ceph --list /bench/usr/bin/fio |
  sed -n 's/.* => \\(.*\\) (.*/\\1/p' | while read -r library; do cp -L "$library" tools; done
cp -L /bench/usr/bin/fio tools
cp -L /bench/usr/lib64/ld-linux-x86-64.so.2 tools/ld.so
tar cf tools.raw -C tools . && rm -r tools
dd if=/dev/zero bs=1M count=${DISK_MIB} 2>/dev/null | tr '\\0' x >disk.raw
line="console=ttyS0 quiet panic=-1 pci=noearly hk.run=sh:$script"
qemu() { # MACHINE
  /bench/bin/qemu-system-x86_64 -M "$1" -accel kvm -cpu host -m 512 -nodefaults -display none -no-reboot -serial stdio \\
    -kernel "$guests/cloud-bzimage" -initrd "$guests/cloud-initramfs" -append "$line" \\
    -object iothread,id=io -drive if=none,id=disk,format=raw,file=disk.raw -device virtio-blk-pci,drive=disk,iothread=io \\
    -drive if=none,id=tools,format=raw,readonly=on,file=tools.raw -device virtio-blk-pci,drive=tools </dev/null
}
hyperkit() {
  node "$project/dist/hyperkit.cjs" -A -u -c 1 -m 512M -s 0:0,hostbridge -s 31,lpc -l com1,stdio \\
    -s 4,virtio-blk,disk.raw -s 5,virtio-blk,tools.raw,ro -f "kexec,$guests/cloud-bzimage,$guests/cloud-initramfs,$line"
}
for name; do
  case $name in
    ours) hyperkit ;;
    q35) qemu q35 ;;
    microvm) qemu microvm,pcie=on,acpi=on ;;
  esac | tr -d '\\r' | sed -n "s/^FIO;/FIO;$name;/p"
done
`;

/**
 * A disk under a stock kernel in the lab: MiB per second of sequential reads and writes of 128 KiB and random ones of 4 KiB,
 * and their geometric mean. Against QEMU on the same KVM, whose disk has a thread of its own, too. Everything in there is
 * emulated, so the figures are good for comparison only.
 */
export async function measure(): Promise<Measurement> {
  const { folder } = labGuests();
  const order = ['ours', 'q35', 'microvm'];
  const turns = Array.from({ length: ROUNDS }, (_, round) => (round % 2 === 0 ? order : order.toReversed())).flat();
  const words = [path.resolve('.'), folder, Buffer.from(GUEST).toString('base64'), ...turns];
  const outcome = await runInLab({
    command: ['sh', '-c', JOB, 'sh', ...words],
    share: [folder],
    bench: true,
    deadlineMs: 2_400_000,
  });
  const samples = new Map<string, number[]>();
  for (const line of outcome.stdout.split('\n')) {
    const [mark, who, pattern, readKib, writeKib] = line.split(';');
    if (mark !== 'FIO') continue;
    const key = `${who} ${pattern}`;
    samples.set(key, [...(samples.get(key) ?? []), (Number(readKib) + Number(writeKib)) / 1024]);
  }
  const speed = (who: string, pattern: string): number => {
    const found = samples.get(`${who} ${pattern}`);
    // The emulated machine may die in the middle of the last round; what was measured stays good.
    if (found === undefined) throw new Error(`${who} did not finish: ${outcome.stdout}\n${outcome.stderr}`);
    return Number(median(found).toFixed(2));
  };
  const patterns = Object.keys(PATTERNS);
  const mean = (who: string): number => {
    const logs = patterns.map((pattern) => Math.log(speed(who, pattern)));
    return Number(Math.exp(logs.reduce((sum, one) => sum + one, 0) / logs.length).toFixed(2));
  };
  return compare({
    name: 'vmm-blk',
    unit: 'MiB/s',
    better: 'higher',
    ours: mean('ours'),
    peers: { 'QEMU q35': mean('q35'), 'QEMU microvm': mean('microvm') },
    details: Object.fromEntries(
      patterns.map((pattern) => [pattern, Object.fromEntries(order.map((who) => [who, speed(who, pattern)]))]),
    ),
  });
}
