import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { loopbackAddress } from '../driver/address/loopback-address';
import { launchPlugin } from '../driver/client';
import { ensureSshKey } from '../driver/ssh-key/ssh-key';
import { extractBootFiles } from '../engine/boot/extract-boot-files';
import { createDataDisk } from '../engine/storage/data-disk';
import { ISO, Store } from '../test/support/machines';
import { buildPeer } from '../test/support/peers';
import { compare, type Measurement, median } from './support/measurement';

const ROUNDS = 3;
const DEADLINE_MS = 300_000;
const MEMORY_MB = 1024;
const CPUS = 2;
const DISK_BYTES = 20_000 * 1024 * 1024;

/**
 * From nothing to a guest whose SSH server greets: the driver's PreCreateCheck and Create, against QEMU started by hand
 * with the same ISO, key and disk. The rest of `docker-machine create` (provisioning over SSH) is in the details.
 */
export async function measure(): Promise<Measurement> {
  const driver: number[] = [];
  const byHand: GuestTimes[] = [];
  const phases: Record<string, number>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const split = await createByDriver();
    phases.push(split);
    driver.push((split['preCreateCheck'] ?? 0) + (split['create'] ?? 0));
    byHand.push(await bootByHand());
  }
  const details: Record<string, unknown> = { rounds: ROUNDS, driverPhasesSeconds: phases, byHandSeconds: byHand };
  const client = buildPeer('docker-machine');
  if (client.available) details['dockerMachineCreateSeconds'] = await createByDockerMachine(client.path);
  return compare({
    name: 'create',
    unit: 's to SSH',
    better: 'lower',
    ours: round2(median(driver)),
    peers: { 'qemu by hand': round2(median(byHand.map(({ ssh }) => ssh))) },
    details,
  });
}

async function createByDriver(): Promise<Record<string, number>> {
  const store = await mkdtemp(path.join(tmpdir(), 'hk-bench-'));
  const split: Record<string, number> = {};
  const timed = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const begun = performance.now();
    await work();
    split[name] = round2((performance.now() - begun) / 1000);
  };
  try {
    await mkdir(path.join(store, 'machines', 'bench'), { recursive: true });
    const plugin = await launchPlugin(path.resolve('dist/docker-machine-driver-hyperkit.cjs'));
    try {
      const config = { MachineName: 'bench', StorePath: store };
      await plugin.driver.setConfigRaw(Buffer.from(JSON.stringify(config)));
      await plugin.driver.setConfigFromFlags(
        new Map<string, string | number>([
          ['hyperkit-cpu-count', CPUS],
          ['hyperkit-memory-size', MEMORY_MB],
          ['hyperkit-boot2docker-url', ISO],
        ]),
      );
      await timed('preCreateCheck', () => plugin.driver.preCreateCheck());
      await timed('create', () => plugin.driver.create());
      await timed('remove', () => plugin.driver.remove());
    } finally {
      await plugin.close();
    }
  } finally {
    await rm(store, { recursive: true, force: true });
  }
  return split;
}

/** Seconds from QEMU's start until the guest's servers answer. */
interface GuestTimes {
  readonly ssh: number;
  /** A TLS handshake on Docker's port. */
  readonly tls: number;
}

async function bootByHand(): Promise<GuestTimes> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hk-by-hand-'));
  const address = loopbackAddress(folder, 'by-hand', 0);
  let qemu: ChildProcess | undefined;
  try {
    const { publicKeyLine } = await ensureSshKey(path.join(folder, 'id_rsa'));
    const disk = path.join(folder, 'disk.raw');
    await createDataDisk(disk, DISK_BYTES, publicKeyLine);
    const { kernel, initrd, commandLine } = await extractBootFiles(ISO, folder);
    const begun = performance.now();
    qemu = spawn(
      'qemu-system-x86_64',
      [
        ['-machine', 'pc', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', String(CPUS), '-m', String(MEMORY_MB)],
        [
          '-nodefaults',
          '-display',
          'none',
          '-serial',
          'null',
          '-kernel',
          kernel,
          '-initrd',
          initrd,
          '-append',
          commandLine,
        ],
        ['-drive', `file=${disk},format=raw,if=virtio`, '-drive', `file=${ISO},format=raw,media=cdrom,readonly=on`],
        [
          '-netdev',
          `user,id=n,hostfwd=tcp:${address}:2222-:22,hostfwd=tcp:${address}:2376-:2376`,
          '-device',
          'virtio-net-pci,netdev=n',
        ],
        ['-device', 'virtio-rng-pci'],
      ].flat(),
      { stdio: 'ignore' },
    );
    const ended = new Promise<never>((_resolve, reject) => {
      qemu?.once('exit', (code) => reject(new Error(`QEMU by hand ended with ${code}`)));
      qemu?.once('error', reject);
    });
    ended.catch(() => undefined);
    const seconds = (): number => round2((performance.now() - begun) / 1000);
    await Promise.race([until(() => sshGreets(address, 2222)), ended]);
    const ssh = seconds();
    await Promise.race([until(() => tlsAnswers(address, 2376)), ended]);
    return { ssh, tls: seconds() };
  } finally {
    qemu?.removeAllListeners().kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

async function createByDockerMachine(client: string): Promise<Record<string, number>> {
  const store = new Store(client);
  try {
    const created = await store.machine(['create', '-d', 'hyperkit', '--hyperkit-cpu-count', String(CPUS), 'bench']);
    if (created.code !== 0) throw new Error(created.output);
    return { create: round2(created.seconds) };
  } finally {
    await store.dispose();
  }
}

async function until(answers: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!(await answers())) {
    if (performance.now() > end) throw new Error(`the guest did not answer within ${DEADLINE_MS} ms`);
    await sleep(100);
  }
}

function sshGreets(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(5_000, () => done(false));
    socket.once('data', (bytes) => done(bytes.subarray(0, 4).toString('latin1') === 'SSH-'));
    socket.once('error', () => done(false)).once('close', () => done(false));
  });
}

function tlsAnswers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    // The guest's first certificate is of its own making.
    const socket = connectTls({ host, port, rejectUnauthorized: false });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(5_000, () => done(false));
    socket.once('secureConnect', () => done(true));
    socket.once('error', () => done(false)).once('close', () => done(false));
  });
}

function round2(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
