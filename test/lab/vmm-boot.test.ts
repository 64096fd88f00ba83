import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { describeWith, PROJECT } from '../support/peers';
import { labGuests, labMissing, runInLab } from './lab';

/** What jobs/boot-guests.ts prints for each scenario. */
interface Outcome {
  readonly name: string;
  readonly exit: { readonly kind: string };
  readonly lines: readonly string[];
  readonly exits: readonly Readonly<Record<string, number>>[];
  readonly heardIt?: boolean;
  readonly still?: boolean;
  readonly goneOn?: boolean;
  readonly hvc?: string;
}

describeWith('stock kernels on the native VMM', [labMissing()], () => {
  jest.setTimeout(1_800_000);
  // Inside of the project, where Node finds koffi.
  const folder = mkdtempSync(path.join(PROJECT, 'dist/lab-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  beforeAll(() => {
    buildSync({
      absWorkingDir: PROJECT,
      entryPoints: {
        'boot-guests': 'test/lab/jobs/boot-guests.ts',
        'run-machine': 'test/lab/jobs/run-machine.ts',
        'vcpu-worker': 'engine/vmm/vcpu/vcpu-worker.ts',
      },
      outdir: folder,
      outExtension: { '.js': '.cjs' },
      bundle: true,
      platform: 'node',
      external: ['koffi'],
    });
  });

  const run = async (...scenarios: readonly string[]): Promise<readonly Outcome[]> => {
    const { folder: guests } = labGuests();
    const { status, stdout, stderr } = await runInLab({
      command: ['node', path.join(folder, 'boot-guests.cjs'), guests, ...scenarios],
      share: [guests],
      deadlineMs: 600_000,
    });
    if (status !== 0) throw new Error(`the job ended with ${status}:\n${stderr.slice(-4000)}`);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Outcome);
  };
  const said = (outcome: Outcome | undefined): string | undefined =>
    outcome?.lines.find((line) => line.startsWith('SAID '))?.slice(5);

  test('reach their init, with one CPU or two, and switch off or reset', async () => {
    const [cloud, generic] = await run('cloud', 'generic, 2 CPUs, reboot');
    expect(cloud?.exit).toEqual({ kind: 'power-off' });
    expect(cloud?.lines.join(' ')).toMatch(/INIT-STARTED .*INIT-REACHED .*HK-DONE 0/);
    expect(said(cloud)).toBe('1 BHYVE');
    // Neither the clock nor the keyboard controller lets a kernel spin: its console is most of what it exits for.
    expect(cloud?.exits[0]?.['io']).toBeLessThan(20_000);
    expect(generic?.exit).toEqual({ kind: 'reset' });
    expect(said(generic)).toBe('2');
  });

  test('hear the power button', async () => {
    const [outcome] = await run('power button');
    expect(outcome).toMatchObject({ heardIt: true, exit: { kind: 'power-off' } });
    expect(outcome?.lines).toEqual(expect.arrayContaining(['BUTTON-PRESSED', 'HK-DONE 0']));
  });

  test('have a console over virtio', async () => {
    const [outcome] = await run('a console over virtio');
    // The guest's terminal echoes what is typed.
    expect(outcome?.hvc).toBe('hello\r\nhello to you\r\n');
    expect(outcome?.exit).toEqual({ kind: 'power-off' });
  });

  test('do without ACPI, and reset by the keyboard controller', async () => {
    const [outcome] = await run('without ACPI, by the MP table');
    expect(said(outcome)).toBe('2');
    expect(outcome?.exit).toEqual({ kind: 'reset' });
  });

  test('stand still when they are told to, go on, and can be killed', async () => {
    expect(await run('pause, resume, kill')).toMatchObject([{ still: true, goneOn: true, exit: { kind: 'killed' } }]);
  });

  test('run in a machine process that found KVM good, in its sandbox, and start again after a reset', async () => {
    const guests = labGuests();
    const { status, stdout, stderr } = await runInLab({
      command: [
        ...['node', path.join(folder, 'run-machine.cjs'), path.join(PROJECT, 'dist/hyperkit-machine.cjs')],
        ...[guests['generic-bzimage'], guests['generic-initramfs']],
      ],
      share: [guests.folder],
      deadlineMs: 400_000,
    });
    if (status !== 0) throw new Error(`the job ended with ${status}:\n${stderr.slice(-4000)}`);
    expect(JSON.parse(stdout)).toMatchObject({
      backend: 'native/kvm',
      sameDisk: true,
      resets: 1,
      // All threads, those of the second start with them. The lab's kernel has Landlock.
      sandbox: {
        threads: ['1 2'],
        said: [
          expect.stringMatching(/^sandbox: seccomp refuses \d+ system calls; Landlock version \d+ guards the files$/),
        ],
      },
      ended: true,
      status: { state: 'stopped', lastExit: { kind: 'power-off' } },
    });
  });

  test('that are old are entered in 32-bit mode', async () => {
    const [outcome] = await run('32-bit entry');
    expect(said(outcome)).toBe('x86_64');
    expect(outcome?.exit).toEqual({ kind: 'power-off' });
  });
});
