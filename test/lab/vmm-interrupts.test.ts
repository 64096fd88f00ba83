import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { describeWith, PROJECT } from '../support/peers';
import { labMissing, runInLab } from './lab';

describeWith('guests that look at interrupt controllers and timers', [labMissing()], () => {
  jest.setTimeout(1_200_000);
  // Inside of the project, where Node finds koffi.
  const folder = mkdtempSync(path.join(PROJECT, 'dist/lab-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('see what they should where KVM is as on real hardware', async () => {
    buildSync({
      absWorkingDir: PROJECT,
      entryPoints: {
        'interrupt-guests': 'test/lab/jobs/interrupt-guests.ts',
        'vcpu-worker': 'engine/vmm/vcpu/vcpu-worker.ts',
      },
      outdir: folder,
      outExtension: { '.js': '.cjs' },
      bundle: true,
      platform: 'node',
      external: ['koffi'],
    });
    const { status, stdout, stderr } = await runInLab({
      command: ['node', path.join(folder, 'interrupt-guests.cjs')],
      deadlineMs: 900_000,
    });
    if (status !== 0) throw new Error(`the job ended with ${status}:\n${stderr.slice(-4000)}`);
    const outcomes = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly name: string; readonly wrong?: string });
    expect(outcomes.filter(({ wrong }) => wrong !== undefined)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(30);
  });
});
