import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { BUSYBOX, missingForMachines, processesNaming } from '../support/machines';
import { describeWith, PROJECT } from '../support/peers';
import { run } from '../support/run';

/** Installing takes the registry, as `npm install` of this project did. */
const registry = spawnSync('npm', ['view', 'koffi', 'version'], { encoding: 'utf8', timeout: 60_000 });

describeWith(
  'README as a newcomer follows it',
  [
    ...missingForMachines(),
    existsSync(BUSYBOX) ? undefined : `no test image at ${BUSYBOX} (image/busybox-image makes it)`,
    registry.status === 0 ? undefined : 'the npm registry does not answer',
  ],
  () => {
    test('install, create, copy a file in, serve it on a published port, remove', async () => {
      const { code, stdout, output } = await run(path.join(PROJECT, 'scripts/newcomer'), [], {
        env: { ...process.env, NEWCOMER_IMAGE: BUSYBOX, HYPERKIT_WARM_CACHE_MB: '0' },
        deadlineMs: 1_200_000,
      });
      if (code !== 0) throw new Error(output);
      // What the container served, and not the command that made it.
      expect(stdout).toContain('\nHello from a virtual machine\n');
      const steps = stdout.slice(stdout.indexOf('| s | command |')).split('\n');
      for (const word of ['npm install', 'hyperkit create dev', 'hyperkit scp', 'curl', 'hyperkit rm -y dev']) {
        expect(steps).toContainEqual(expect.stringMatching(new RegExp(`^\\| +\\d+\\.\\d \\| \`${word}`)));
      }
      expect(processesNaming('USER=newcomer')).toEqual([]);
    }, 1_300_000);
  },
);
