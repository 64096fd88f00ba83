import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loopbackAddress } from '../driver/address/loopback-address';
import { ensureSshKey } from '../driver/ssh-key/ssh-key';
import { extractBootFiles } from '../engine/boot/extract-boot-files';
import { openGateway } from '../engine/net/open-gateway';
import { createDataDisk } from '../engine/storage/data-disk';
import { ISO } from '../test/support/machines';
import { run } from '../test/support/run';
import { compare, type Measurement, median } from './support/measurement';

const ROUNDS = 3;
const BYTES = 128 * 1024 * 1024;
const BOOT_DEADLINE_MS = 300_000;
const MTU = 65_520;
const OUR_MAC = '02:50:00:00:00:01';
/** Where the guest finds the host's loopback: our gateway's alias, and QEMU's own network's (slirp's `host`). */
const HOSTS = { ours: '192.168.65.2', 'qemu user': '10.0.2.2' } as const;
type NetworkName = keyof typeof HOSTS;

/** A process of its own, so that neither network shares its processor time: port A swallows, port B gives BYTES of zeros. */
const HOST_END = `
const net = require('node:net');
const chunk = Buffer.alloc(65536);
const swallow = net.createServer((s) => { s.resume(); s.on('error', () => {}); });
const give = net.createServer((s) => {
  let left = ${BYTES};
  const more = () => { while (left > 0) { const n = Math.min(left, chunk.length); left -= n; if (!s.write(chunk.subarray(0, n))) return; } s.end(); };
  s.on('drain', more); s.on('error', () => {}); more();
});
swallow.listen(0, '127.0.0.1', () => give.listen(0, '127.0.0.1', () => console.log(swallow.address().port, give.address().port)));
`;

/**
 * TCP between a real guest and this host: one guest with two NICs, one on our gateway and one on QEMU's own user network,
 * measured in turns. The figure is the geometric mean of both directions. Under emulation the guest's processor is the
 * limit, not the network.
 */
export async function measure(): Promise<Measurement> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hk-net-vm-'));
  const address = loopbackAddress(folder, 'net-vm', 0);
  const key = path.join(folder, 'id_rsa');
  const gateway = openGateway({
    network: { mtu: MTU, ipv6: false, guests: [{ mac: OUR_MAC, ip: '192.168.65.3' }] },
    hostAccess: 'all',
    log: () => undefined,
  });
  const children: ChildProcess[] = [];
  try {
    const { publicKeyLine } = await ensureSshKey(key);
    const disk = path.join(folder, 'disk.raw');
    await createDataDisk(disk, 4096 * 1024 * 1024, publicKeyLine);
    const { kernel, initrd, commandLine } = await extractBootFiles(ISO, folder);
    await gateway.forwarder.open({
      protocol: 'tcp',
      host: { address, port: 2222 },
      guest: { address: '192.168.65.3', port: 22 },
    });
    const plug = gateway.plugQemu(OUR_MAC, '192.168.65.3', MTU);
    const qemu = spawn(
      'qemu-system-x86_64',
      [
        ...[
          '-machine',
          'q35,hpet=off',
          '-accel',
          'tcg,thread=multi',
          '-cpu',
          'max,la57=off',
          '-smp',
          '2',
          '-m',
          '1024',
        ],
        ...['-nodefaults', '-display', 'none', '-kernel', kernel, '-initrd', initrd, '-append', commandLine],
        ...['-drive', `file=${disk},format=raw,if=virtio`, '-drive', `file=${ISO},format=raw,media=cdrom,readonly=on`],
        ...['-netdev', 'socket,id=ours,fd=3', '-device', `virtio-net-pci,netdev=ours,mac=${OUR_MAC},host_mtu=${MTU}`],
        ...['-netdev', 'user,id=theirs', '-device', 'virtio-net-pci,netdev=theirs'],
        ...['-device', 'virtio-rng-pci'],
      ],
      { stdio: ['ignore', 'ignore', 'inherit', plug.fd] },
    );
    children.push(qemu);
    plug.release();
    const hostEnd = spawn(process.execPath, ['-e', HOST_END], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(hostEnd);
    const [line] = (await once(hostEnd.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    const [swallowPort = '', givePort = ''] = String(line).trim().split(' ');
    await waitForGuest(address);
    const inGuest = async (command: string): Promise<number> => {
      const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
      const shell = [
        '-i',
        key,
        '-p',
        '2222',
        ...options.flatMap((option) => ['-o', option]),
        `docker@${address}`,
        command,
      ];
      const { code, stdout, output } = await run('ssh', shell, { deadlineMs: 300_000 });
      if (code !== 0) throw new Error(`in the guest: ${command}: exit ${code}\n${output}`);
      return Number(stdout.trim());
    };
    const timed = (command: string): string =>
      `read a _ </proc/uptime; ${command}; read b _ </proc/uptime; echo "$b $a" | awk '{ print $1 - $2 }'`;
    const up: Record<NetworkName, number[]> = { ours: [], 'qemu user': [] };
    const down: Record<NetworkName, number[]> = { ours: [], 'qemu user': [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of Object.keys(HOSTS) as NetworkName[]) {
        const host = HOSTS[name];
        const blocks = `bs=64k count=${BYTES / 65_536}`;
        const sending = `bash -c 'dd if=/dev/zero ${blocks} 2>/dev/null >/dev/tcp/${host}/${swallowPort}'`;
        const taking = `bash -c 'dd of=/dev/null bs=64k iflag=fullblock 2>/dev/null </dev/tcp/${host}/${givePort}'`;
        up[name].push(gigabits(await inGuest(timed(sending))));
        down[name].push(gigabits(await inGuest(timed(taking))));
      }
    }
    const figure = (name: NetworkName): number => round2(Math.sqrt(median(up[name]) * median(down[name])));
    return compare({
      name: 'net-vm',
      unit: 'Gbit/s',
      better: 'higher',
      ours: figure('ours'),
      peers: { 'qemu user': figure('qemu user') },
      details: { rounds: ROUNDS, bytes: BYTES, guestToHost: up, hostToGuest: down },
    });
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await gateway.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function waitForGuest(address: string): Promise<void> {
  const end = performance.now() + BOOT_DEADLINE_MS;
  while (!(await greets(address))) {
    if (performance.now() > end) throw new Error(`the guest did not answer within ${BOOT_DEADLINE_MS} ms`);
    await sleep(200);
  }
  // Its second network may need a moment more, and so may what else it starts.
  await sleep(20_000);
}

function greets(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: 2222 });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(60_000, () => done(false));
    socket.once('data', () => done(true));
    socket.once('error', () => done(false)).once('close', () => done(false));
  });
}

function gigabits(seconds: number): number {
  return round2((BYTES * 8) / 1e9 / seconds);
}

function round2(value: number): number {
  return Math.round(value * 1000) / 1000;
}
