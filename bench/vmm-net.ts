import type { Measurement } from './support/measurement';
import { RUN_GUEST, runContest } from './support/vmm/contest';
import { packProgram, unpackProgram } from './support/vmm/pack-program';

/** On both sides: the code that moves frames is compiled, by V8 and by the lab's emulator, before time is taken. */
const WARM_UP_SECONDS = 4;
const SECONDS = 6;
/** The host as guests find it: through a user-mode network, and over the tap device. */
const HOST = '10.8.0.1';
const TAP_HOST = '10.9.0.1';
/** iperf3's view from the guest. */
const RUNS = ['user up', 'user down', 'tap up', 'tap down'];

/** In the guest: eth0 is the user-mode network, eth1 the tap device. */
const GUEST = `
${unpackProgram('/dev/vda', 'iperf3')}
run() { tool -c "$2" -t ${SECONDS} -O ${WARM_UP_SECONDS} -f k $3 |
  awk -v "name=$1" '/receiver/ { printf "FIGURE;%s;%.4f\\n", name, $7 / 1e6 }'; }
dhcp
run 'user up' ${HOST}
run 'user down' ${HOST} -R
ip link set eth0 down
ip link set eth1 up && ip addr add 10.9.0.2/24 dev eth1
run 'tap up' ${TAP_HOST}
run 'tap down' ${TAP_HOST} -R
`;

/** Threads that are cancelled load libgcc_s when it comes to that. */
const PREPARE = `
${packProgram('iperf3', ['libgcc_s.so.1'])}
ip addr add ${HOST}/32 dev lo
$loader --library-path $libraries /bench/usr/bin/iperf3 -s >/dev/null 2>&1 &
# The device comes with whoever opens it, and goes with it.
dress() { until ip addr add ${TAP_HOST}/24 dev tap0 2>/dev/null; do sleep 0.1; done; ip link set tap0 up; }
`;

/**
 * TCP between a stock kernel in the lab and its host, by iperf3: Gbit/s in each direction through the user-mode network and
 * over a tap device, and their geometric mean. Against QEMU on the same KVM, with its own user network (slirp) and without
 * vhost.
 */
export async function measure(): Promise<Measurement> {
  const figures = await runContest({
    contestants: ['ours', 'q35'],
    rounds: 3,
    guest: GUEST,
    prepare: PREPARE,
    devices: {
      hyperkit: '-s 2,virtio-net -s 3,virtio-tap,tap0 -s 4,virtio-blk,tools.raw,ro',
      qemu: `-netdev user,id=user -device virtio-net-pci,netdev=user,romfile=
        -netdev tap,id=tap,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=tap,romfile=
        -drive if=none,id=tools,format=raw,readonly=on,file=tools.raw -device virtio-blk-pci,drive=tools`,
    },
    turn: `dress & ${RUN_GUEST}`,
    deadlineMs: 1_800_000,
  });
  return figures.compare({ name: 'vmm-net', unit: 'Gbit/s', better: 'higher' }, RUNS);
}
