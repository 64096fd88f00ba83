import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { resetOnPanic } from '../../driver/lifecycle/kernel-command-line';
import { extractBootFiles } from '../../engine/boot/extract-boot-files';
import { BUSYBOX, ISO } from '../support/machines';
import { buildPeer, describeWith, dockerClient, PROJECT } from '../support/peers';
import { labMissing, runInLab } from './lab';

// The main job on the native VMM: where KVM works, the unmodified docker-machine makes a Docker host without QEMU.
const client = buildPeer('docker-machine');
const docker = dockerClient();
const images = [ISO, BUSYBOX];

describeWith(
  'a Docker host from docker-machine on the native VMM',
  [
    labMissing(),
    client.available ? undefined : client.reason,
    docker.available ? undefined : docker.reason,
    ...images.map((image) => (existsSync(image) ? undefined : `no ${image} (image/build and image/busybox-image)`)),
  ],
  () => {
    jest.setTimeout(1_800_000);
    const folder = mkdtempSync(path.join(tmpdir(), 'hk-lab-'));
    afterAll(() => rmSync(folder, { recursive: true }));

    test('is created, runs a container, publishes a port, lets its user in, and stops', async () => {
      const [iso, busybox] = images.map((image) => realpathSync(image)) as [string, string];
      const programs = [client, docker].map((peer) => (peer.available ? peer.path : ''));
      const { commandLine } = await extractBootFiles(iso, folder);
      const { status, stdout, stderr } = await runInLab({
        command: [
          'sh',
          path.join(PROJECT, 'test/lab/jobs/docker-host.sh'),
          PROJECT,
          ...programs,
          iso,
          busybox,
          // The lab's CPU is one for which Linux looks for an AGP bridge on 256 buses.
          `${resetOnPanic(commandLine)} pci=noearly`,
        ],
        share: [...programs, iso, busybox],
        // Twice the ISO, the data disk and the guest.
        memoryMiB: 4096,
        deadlineMs: 900_000,
      });
      process.stderr.write(stdout.replaceAll(/^(?!STEP).*\n/gm, ''));
      if (status !== 0)
        throw new Error(`the job ended with ${status}:\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`);
      expect(stdout).toContain('(native/kvm)...');
      expect(stdout).toContain('BACKEND 0');
      expect(stdout).toContain('SAID hello from the machine');
      // The host's port is opened, and Docker's certificates are read, when the sandbox has long been closed.
      expect(stdout).toMatch(/^SANDBOX seccomp refuses \d+ system calls; Landlock version \d+ guards the files$/m);
      expect(stdout).toContain('PUBLISHED by a published port');
      expect(stdout).toContain('SSH Linux');
      expect(stdout).toContain('STATUS Stopped');
    });
  },
);
