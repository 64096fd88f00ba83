import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { extractBootFiles } from '../../../engine/boot/extract-boot-files';
import { tail } from '../../../engine/console/tail';
import { killMachine, pressPowerButton, waitForExit } from '../../../engine/machine/control';
import { launchMachine } from '../../../engine/machine/launch';
import { readMachineStatus } from '../../../engine/machine/state';
import type { VmSpec } from '../../../engine/spec/vm-spec';
import { createBlankDisk } from '../../../engine/storage/data-disk';
import { ISO as BUILT_ISO } from '../../support/machines';

/** A real guest under the QEMU of this computer. The ISO is what image/build makes, or HYPERKIT_TEST_ISO. */
const ISO = process.env.HYPERKIT_TEST_ISO ?? BUILT_ISO;
const PROGRAM = process.env.HYPERKIT_TEST_MACHINE_PROGRAM ?? path.join(__dirname, '../../../dist/hyperkit-machine.cjs');
const SSH_PORT = 2222;
const BOOT_MS = 240_000;

jest.setTimeout(600_000);

(existsSync(ISO) ? describe : describe.skip)('a real guest', () => {
  let folder: string;
  let spec: VmSpec;

  beforeAll(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'hk-guest-'));
    const boot = await extractBootFiles(ISO, folder);
    const disk = path.join(folder, 'disk.img');
    await createBlankDisk(disk, 1024 * 1024 * 1024);
    spec = {
      name: 'guest',
      stateDir: folder,
      uuid: '0b6d0f0a-8d1c-4a53-9a1e-0123456789ab',
      vcpus: 2,
      memoryMiB: 1024,
      boot,
      disks: [{ path: disk, readOnly: false }],
      cdroms: [ISO],
      network: {
        bindAddress: '127.0.0.1',
        forwards: [{ hostPort: SSH_PORT, guestPort: 22 }],
        macAddress: '52:54:00:12:34:56',
        hostname: 'guest',
      },
      hypervisor: 'auto',
      accelerator: 'auto',
    };
  });

  afterEach(async () => await killMachine(folder));

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test('boots, shows its console, answers on its port, and powers off by its button', async () => {
    const began = Date.now();
    // Our guest boots in silence; its kernel can be made to talk.
    const commandLine = spec.boot.commandLine.replace('loglevel=3', 'loglevel=7');
    const talkative = { ...spec, boot: { ...spec.boot, commandLine } };
    const { pid } = await launchMachine(talkative, { program: PROGRAM });
    const readyMs = Date.now() - began;
    await waitFor(async () => (await readGreeting()).startsWith('SSH-'), BOOT_MS);
    const bootMs = Date.now() - began;
    const rssKiB = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    const before = cpuTicks(pid);
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const ticks = cpuTicks(pid) - before;
    const figures = `ready ${readyMs} ms, SSH ${bootMs} ms, RSS ${Math.round(rssKiB / 1024)} MiB, CPU ${ticks} ticks in 5 s`;
    if (process.env.HYPERKIT_TEST_FIGURES !== undefined)
      writeFileSync(process.env.HYPERKIT_TEST_FIGURES, `${figures}\n`);
    expect(rssKiB).toBeLessThan(90 * 1024);
    expect(ticks).toBeLessThanOrEqual(5);
    const ring = readFileSync(path.join(folder, 'console-ring'));
    expect(ring.length).toBe(65_536);
    expect(ring.some((byte) => byte !== 0)).toBe(true);
    expect((await tail(folder, 5)).length).toBeGreaterThan(0);

    await pressPowerButton(folder);
    expect(await waitForExit(folder, 120_000)).toBe(true);
    expect(await readMachineStatus(folder)).toMatchObject({ state: 'stopped', lastExit: { kind: 'power-off' } });
  });

  test('a guest that panics and resets is started again, and given up at last', async () => {
    const commandLine = `${spec.boot.commandLine} init=/nothing rdinit=/nothing root=/dev/nothing panic=1`;
    const { pid } = await launchMachine({ ...spec, boot: { ...spec.boot, commandLine } }, { program: PROGRAM });
    await waitFor(async () => {
      const status = await readMachineStatus(folder);
      return status.state === 'running' && status.resets > 0 && status.pid === pid;
    }, BOOT_MS);
    await killMachine(folder);
    expect(await readMachineStatus(folder)).toMatchObject({ state: 'stopped', lastExit: { kind: 'killed' } });
    expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
  });
});

async function readGreeting(): Promise<string> {
  return await new Promise((resolve) => {
    const socket = connect(SSH_PORT, '127.0.0.1');
    socket.setTimeout(3000, () => socket.destroy());
    socket.on('data', (chunk) => {
      resolve(chunk.toString('latin1'));
      socket.destroy();
    });
    socket.on('error', () => resolve(''));
    socket.on('close', () => resolve(''));
  });
}

/** User and system time, in 1/100 s. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

async function waitFor(condition: () => Promise<boolean>, deadlineMs: number): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${deadlineMs / 1000} s: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
