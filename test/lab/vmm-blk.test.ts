import { describeWith, PROJECT } from '../support/peers';
import { type LabOutcome, labGuests, labMissing, runInLab } from './lab';

/** The hyperkit program on the native engine: $1 is the project, $2 the folder of guests, $3 the guest's script. */
const START = `
export HYPERKIT_ENGINE=native
start() { # SCRIPT OPTION...
  script=$1; shift
  node "$project/dist/hyperkit.cjs" -A -u -c 2 -m 384M -s 0:0,hostbridge -s 31,lpc -l com1,stdio "$@" \\
    -f "kexec,$guests/cloud-bzimage,$guests/cloud-initramfs,console=ttyS0 quiet panic=-1 pci=noearly hk.run=sh:$script"
}
project=$1; guests=$2
cd /tmp
`;

function sections(output: string): ReadonlyMap<string, string> {
  const parts = output.replaceAll('\r', '').split(/^== (.*)$/m);
  const found = new Map<string, string>();
  for (let index = 1; index < parts.length; index += 2) found.set(parts[index]!, parts[index + 1]!.trim());
  return found;
}

const encode = (script: string): string => Buffer.from(script).toString('base64');

async function inLab(job: string, ...words: readonly string[]): Promise<LabOutcome> {
  const { folder } = labGuests();
  const command = ['sh', '-c', START + job, 'sh', PROJECT, folder, ...words];
  return await runInLab({ command, share: [folder], deadlineMs: 400_000 });
}

describeWith('virtio-blk on the native VMM, with a stock kernel', [labMissing()], () => {
  jest.setTimeout(1_800_000);

  // One machine for everything: a boot takes most of the time.
  test('disks hold what the guest writes, even when the machine is killed, and belong to one machine at a time', async () => {
    const guest = `
echo "== disks"
for disk in vda vdb; do
  for file in ro size queue/write_cache queue/logical_block_size queue/max_segments queue/discard_max_bytes; do
    echo "$disk $file $(cat /sys/block/$disk/$file)"
  done
  echo "$disk queues $(ls /sys/block/$disk/mq | wc -l)"
done
echo "== vda before"; md5sum </dev/vda
echo "== vdb"; md5sum </dev/vdb
echo "== write to vdb"; dd if=/dev/zero of=/dev/vdb bs=4k count=1 2>&1 | head -n 1
dd if=/dev/urandom of=/tmp/bytes bs=1M count=2 2>/dev/null
dd if=/tmp/bytes of=/dev/vda bs=64k seek=32 conv=fsync 2>/dev/null
dd if=/tmp/bytes of=/dev/vda bs=64k seek=96 oflag=direct 2>/dev/null
echo 3 >/proc/sys/vm/drop_caches
echo "== read back"; dd if=/dev/vda bs=64k skip=32 count=32 2>/dev/null | cmp - /tmp/bytes && echo same
blkdiscard -o 8388608 -l 8388608 /dev/vda
echo "== discarded"; dd if=/dev/vda bs=1M skip=8 count=8 2>/dev/null | tr -d '\\0' | wc -c
echo "== interrupts"; grep -c 'PCI-MSIX.*virtio.-req' /proc/interrupts
echo "== vda after"; md5sum </dev/vda
echo "== synced"
sleep 1000
`;
    const job = `
dd if=/dev/urandom of=disk.raw bs=1M count=16 2>/dev/null
dd if=/dev/urandom of=locked.raw bs=1M count=4 2>/dev/null
echo "== host before"; md5sum <disk.raw; md5sum <locked.raw; stat -c %b disk.raw
start "$3" -s 4,virtio-blk,disk.raw -s 5,virtio-blk,locked.raw,ro >guest 2>&1 &
until grep -q '== synced' guest; do
  kill -0 $! || break
  sleep 0.2
done
cat guest
echo "== second machine"
start "$3" -s 4,virtio-blk,disk.raw 2>&1
code=$?; echo "== its status"; echo $code
kill -9 $(pidof node)
wait
echo "== host after"; md5sum <disk.raw; md5sum <locked.raw; stat -c %b disk.raw
`;
    const { stdout } = await inLab(job, encode(guest));
    const found = sections(stdout);
    const [diskBefore, lockedBefore, blocksBefore] = found.get('host before')!.split('\n') as [string, string, string];
    const [diskAfter, lockedAfter, blocksAfter] = found.get('host after')!.split('\n') as [string, string, string];
    expect(found.get('disks')?.split('\n')).toEqual([
      'vda ro 0',
      'vda size 32768',
      'vda queue/write_cache write back',
      'vda queue/logical_block_size 512',
      'vda queue/max_segments 254',
      'vda queue/discard_max_bytes 1073741824',
      'vda queues 2',
      'vdb ro 1',
      'vdb size 8192',
      'vdb queue/write_cache write through',
      'vdb queue/logical_block_size 512',
      'vdb queue/max_segments 254',
      'vdb queue/discard_max_bytes 0',
      'vdb queues 2',
    ]);
    expect(found.get('vda before')).toBe(diskBefore);
    expect(found.get('vdb')).toBe(lockedBefore);
    expect(found.get('write to vdb')).toMatch(/not permitted|Read-only/);
    expect(found.get('read back')).toBe('same');
    expect(found.get('discarded')).toBe('0');
    expect(found.get('interrupts')).toBe('4');
    expect(found.get('vda after')).toBe(diskAfter);
    expect(diskAfter).not.toBe(diskBefore);
    expect(lockedAfter).toBe(lockedBefore);
    expect(Number(blocksBefore) - Number(blocksAfter)).toBeGreaterThanOrEqual(16_000);
    expect(found.get('second machine')).toMatch(
      /cannot lock disk .*disk\.raw: another virtual machine uses it \(process \d+\)/,
    );
    expect(found.get('its status')).not.toBe('0');
  });
});
