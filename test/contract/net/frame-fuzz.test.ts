import { whyNoNamespaces, withNamespace } from '../../support/namespace';
import { describeWith } from '../../support/peers';
import { temporaryFolder } from '../../support/temporary-folder';
import { bundle, ENVIRONMENT } from './fixtures/bundle';

const FRAMES = 100_000;

// In a namespace without any way out, because the frames ask for all kinds of addresses.
describeWith('a hundred thousand damaged frames', [whyNoNamespaces()], () => {
  test('change nothing for other guests, and leave nothing behind', async () => {
    const program = bundle('frame-fuzz', temporaryFolder());
    await withNamespace(async (namespace) => {
      const seed = Date.now() % 0x7fff_ffff;
      const { stdout, output } = await namespace.run(process.execPath, [program, `${FRAMES}`, `${seed}`], {
        env: ENVIRONMENT,
        deadlineMs: 60_000,
      });
      if (stdout === '') throw new Error(`seed ${seed}: ${output}`);
      expect({ seed, ...(JSON.parse(stdout) as object) }).toEqual({
        seed,
        frames: FRAMES,
        served: [true, true],
        thrown: 0,
        faults: [],
        connections: 0,
        memoryBytes: 0,
        more: 0,
      });
    });
  }, 70_000);
});
