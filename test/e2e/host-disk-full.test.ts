import { rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { mountSmallDisk, whyNoMounts } from '../support/host';
import { ISO, missingForMachines, Store } from '../support/machines';
import { describeWith, PROJECT } from '../support/peers';
import { run } from '../support/run';
import { until } from '../support/until';

// A machine runs, and the disk of this computer fills up under it.
describeWith('a host whose disk fills up', [...missingForMachines(), whyNoMounts()], () => {
  jest.setTimeout(600_000);
  let disk: ReturnType<typeof mountSmallDisk>;
  let store: Store;

  beforeAll(() => {
    // The ISO twice, kernel and initrd, what create insists on, and what a guest writes while it boots.
    disk = mountSmallDisk(Math.ceil((statSync(ISO).size / 1024 / 1024) * 2) + 350);
    store = new Store(path.join(PROJECT, 'dist/bin/hyperkit'), {}, disk.path);
  });
  afterAll(async () => {
    await store.dispose();
    disk.unmount();
  });

  test('the guest is halted, says why, and goes on without loss when there is space', async () => {
    await store.succeed(['create', 'm']);
    const ballast = path.join(disk.path, 'ballast');
    const freeKiB = Number((await run('df', ['--output=avail', '-k', disk.path])).stdout.trim().split('\n').at(-1));
    await run('fallocate', ['-l', `${freeKiB - 8 * 1024}KiB`, ballast]);

    const write =
      'sudo dd if=/dev/urandom of=/mnt/vda1/big bs=1M count=40 conv=fsync 2>/dev/null && sha256sum /mnt/vda1/big';
    const writing = store.machine(['ssh', 'm', write], { deadlineMs: 400_000 });
    const status = async (): Promise<string> => (await store.machine(['status', 'm'])).stdout.trim();
    await until('the guest is halted', async () => (await status()) === 'Paused', 120_000);
    expect(await store.succeed(['ls', '-f', '{{.Name}} {{.State}}'])).toBe('m Paused');
    const state = path.join(store.folder('m'), 'machine-state.json');
    expect(await run('cat', [state])).toMatchObject({ stdout: expect.stringMatching(/"notice":"[^"]*disk[^"]*full/) });

    rmSync(ballast);
    await until('the guest goes on', async () => (await status()) === 'Running', 120_000);
    const written = await writing;
    expect(written.code).toBe(0);
    await store.succeed(['restart', 'm']);
    expect(await store.succeed(['ssh', 'm', 'sha256sum /mnt/vda1/big'])).toBe(written.stdout.trim());
    await store.succeed(['rm', '-y', 'm']);
    await store.becomesQuiet(60_000);
  });
});
