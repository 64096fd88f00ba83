import path from 'node:path';
import { labGuests, runInLab } from '../test/lab/lab';
import { compare, type Measurement, median } from './support/measurement';

const ROUNDS = 2;
const SECONDS = 4;
/** The host as guests find it: through a user-mode network, and over the tap device. */
const HOST = '10.8.0.1';
const TAP_HOST = '10.9.0.1';
/** iperf3's view from the guest. */
const RUNS = ['user up', 'user down', 'tap up', 'tap down'] as const;

/** In the guest: eth0 is the user-mode network, eth1 the tap device; iperf3 comes as a tar archive on the disk. */
const GUEST = `
mkdir /tools; tar xf /dev/vda -C /tools
cat >/tmp/lease <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
ip route add default via $router
END
chmod +x /tmp/lease
iperf() { /tools/ld.so --library-path /tools /tools/iperf3 -c "$2" -t ${SECONDS} -O 1 -f k $3 |
  awk -v "name=$1" '/receiver/ { print "NET;" name ";" $7 }'; }
ip link set eth0 up && udhcpc -q -n -i eth0 -s /tmp/lease
iperf 'user up' ${HOST}
iperf 'user down' ${HOST} -R
ip link set eth0 down
ip link set eth1 up && ip addr add 10.9.0.2/24 dev eth1
iperf 'tap up' ${TAP_HOST}
iperf 'tap down' ${TAP_HOST} -R
`;

/** In the lab: $1 is the project, $2 the folder of guests, $3 the guest's script; then the names of contestants, in turn. */
const JOB = `
project=$1 guests=$2 script=$3; shift 3
cd /tmp
export HYPERKIT_ENGINE=native
libraries=/bench/usr/lib/x86_64-linux-gnu
iperf3() { /bench/usr/lib64/ld-linux-x86-64.so.2 --library-path $libraries /bench/usr/bin/iperf3 "$@"; }
mkdir tools
/bench/usr/lib64/ld-linux-x86-64.so.2 --library-path $libraries --list /bench/usr/bin/iperf3 |
  sed -n 's/.* => \\(.*\\) (.*/\\1/p' | while read -r library; do cp -L "$library" tools; done
cp -L /bench/usr/bin/iperf3 tools
cp -L /bench/usr/lib64/ld-linux-x86-64.so.2 tools/ld.so
# What threads that are cancelled load when it comes to that.
cp -L $libraries/libgcc_s.so.1 tools
tar cf tools.raw -C tools . && rm -r tools
ip addr add ${HOST}/32 dev lo
iperf3 -s >/dev/null 2>&1 &
line="console=ttyS0 quiet panic=-1 pci=noearly hk.run=sh:$script"
# The device comes with whoever opens it, and goes with it.
dress() { until ip addr add ${TAP_HOST}/24 dev tap0 2>/dev/null; do sleep 0.1; done; ip link set tap0 up; }
qemu() { # MACHINE
  /bench/bin/qemu-system-x86_64 -M "$1" -accel kvm -cpu host -m 512 -nodefaults -display none -no-reboot -serial stdio \\
    -kernel "$guests/cloud-bzimage" -initrd "$guests/cloud-initramfs" -append "$line" \\
    -netdev user,id=user -device virtio-net-pci,netdev=user,romfile= \\
    -netdev tap,id=tap,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=tap,romfile= \\
    -drive if=none,id=tools,format=raw,readonly=on,file=tools.raw -device virtio-blk-pci,drive=tools </dev/null
}
hyperkit() {
  node "$project/dist/hyperkit.cjs" -A -u -c 1 -m 512M -s 0:0,hostbridge -s 31,lpc -l com1,stdio \\
    -s 2,virtio-net -s 3,virtio-tap,tap0 -s 4,virtio-blk,tools.raw,ro \\
    -f "kexec,$guests/cloud-bzimage,$guests/cloud-initramfs,$line"
}
for name; do
  dress &
  case $name in
    ours) hyperkit ;;
    q35) qemu q35 ;;
  esac >console 2>&1
  cat console >&2
  tr -d '\\r' <console | sed -n "s/^NET;/NET;$name;/p"
done
kill $(jobs -p) 2>/dev/null
exit 0
`;

/**
 * TCP between a stock kernel in the lab and its host, by iperf3: Gbit/s in each direction through the user-mode network and
 * over a tap device, and their geometric mean. Against QEMU on the same KVM, with its own user network (slirp) and without
 * vhost. Everything in there is emulated, so the figures are good for comparison only.
 */
export async function measure(): Promise<Measurement> {
  const { folder } = labGuests();
  const order = ['ours', 'q35'];
  const turns = Array.from({ length: ROUNDS }, (_, round) => (round % 2 === 0 ? order : order.toReversed())).flat();
  const words = [path.resolve('.'), folder, Buffer.from(GUEST).toString('base64'), ...turns];
  const outcome = await runInLab({
    command: ['sh', '-c', JOB, 'sh', ...words],
    share: [folder],
    bench: true,
    deadlineMs: 1_200_000,
  });
  const samples = new Map<string, number[]>();
  for (const line of outcome.stdout.split('\n')) {
    const [mark, who, run, kilobits] = line.split(';');
    if (mark !== 'NET') continue;
    const key = `${who} ${run}`;
    samples.set(key, [...(samples.get(key) ?? []), Number(kilobits) / 1e6]);
  }
  const speed = (who: string, run: string): number => {
    const found = samples.get(`${who} ${run}`);
    if (found?.length !== ROUNDS) throw new Error(`${who} did not finish: ${outcome.stdout}\n${outcome.stderr}`);
    return Number(median(found).toFixed(3));
  };
  const mean = (who: string): number => {
    const logs = RUNS.map((run) => Math.log(speed(who, run)));
    return Number(Math.exp(logs.reduce((sum, one) => sum + one, 0) / logs.length).toFixed(3));
  };
  return compare({
    name: 'vmm-net',
    unit: 'Gbit/s',
    better: 'higher',
    ours: mean('ours'),
    peers: { 'QEMU q35': mean('q35') },
    details: Object.fromEntries(
      RUNS.map((run) => [run, Object.fromEntries(order.map((who) => [who, speed(who, run)]))]),
    ),
  });
}
