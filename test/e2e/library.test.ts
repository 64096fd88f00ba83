import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { extractBootFiles } from '../../engine/boot/extract-boot-files';
import { ISO, missingForMachines, processesNaming, Store } from '../support/machines';
import { describeWith, PROJECT } from '../support/peers';
import { type Outcome, run } from '../support/run';
import { temporaryFolder } from '../support/temporary-folder';
import { until } from '../support/until';

const DEADLINE_MS = 900_000;

// The examples as a user has them: modules in a project of their own that has this package as a dependency.
describeWith('the library', missingForMachines(), () => {
  jest.setTimeout(2 * DEADLINE_MS);
  const store = new Store(path.join(PROJECT, 'dist/bin/hyperkit'));
  let project: string;

  const example = async (name: string, ...words: string[]): Promise<Outcome> =>
    await run(process.execPath, [path.join(project, `${name}.js`), ...words], {
      env: store.env,
      deadlineMs: DEADLINE_MS,
    });

  beforeAll(async () => {
    project = temporaryFolder();
    mkdirSync(path.join(project, 'node_modules'));
    symlinkSync(PROJECT, path.join(project, 'node_modules/docker-machine-driver-hyperkit'));
    writeFileSync(path.join(project, 'package.json'), JSON.stringify({ type: 'module' }));
    const sources = ['throw-away-docker-host', 'four-hosts', 'vm-without-docker'].map((name) =>
      path.join(PROJECT, 'examples', `${name}.ts`),
    );
    const esbuild = path.join(PROJECT, 'node_modules/.bin/esbuild');
    const { code, output } = await run(esbuild, [...sources, `--outdir=${project}`, '--target=node20']);
    if (code !== 0) throw new Error(output);
  });
  afterAll(() => store.dispose());

  test('a kernel and an initrd run in a machine of the program, until the guest switches itself off', async () => {
    const { kernel, initrd } = await extractBootFiles(ISO, project);
    // The initrd's shell as the first program; the kernel shows its command line, but not the sum.
    const program = 'echo guest-says-$((40 + 2)); /bin/busybox sleep 1; exec /bin/busybox poweroff -f';
    const commandLine = `console=ttyS0 panic=-1 rdinit=/bin/busybox -- sh -c "${program}"`;
    const { code, stdout, stderr } = await example('vm-without-docker', kernel, initrd, commandLine);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('the machine ended: power-off') });
    expect(stdout).toContain('Linux version');
    expect(stdout).toContain('guest-says-42');
    await until('no hypervisor is left', () => processesNaming(kernel).length === 0, 60_000);
  });

  test('a Docker host is made, used over TLS and SSH, and gone', async () => {
    const { code, stdout, stderr } = await example('throw-away-docker-host', 'suite');
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('verify...') });
    expect(stdout).toMatch(/^Docker \d+\.\S+ at tcp:\/\/127\.\S+:2376$/m);
    expect(stdout).toMatch(/^its kernel: Linux \d/m);
    expect(store.machines()).toEqual([]);
    await store.becomesQuiet(60_000);
  });

  test('four Docker hosts at the same time do a part each, and are gone', async () => {
    const { code, stdout, stderr } = await example('four-hosts', '1024');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const parts = stdout.trim().split('\n');
    expect(parts).toHaveLength(4);
    for (const [index, part] of parts.entries()) {
      expect(part).toMatch(new RegExp(`^part-\\d+-${index + 1}: \\d+\\.\\S+, 1 CPU$`));
    }
    expect(store.machines()).toEqual([]);
    await store.becomesQuiet(60_000);
  });
});
