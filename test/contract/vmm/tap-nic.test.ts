// The NIC on a tap device and the kernel at its other end.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { whyNoNamespaces, withNamespace } from '../../support/namespace';
import { describeWith, PROJECT } from '../../support/peers';

const noTap = existsSync('/dev/net/tun') ? undefined : 'there is no /dev/net/tun here';

describeWith('a NIC on a tap device', [whyNoNamespaces(), noTap], () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hk-tap-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('hands the kernel segments of 50 kB in one piece and takes the like of them, over as many buffers as they fill', async () => {
    const outfile = path.join(folder, 'tap-guest.cjs');
    buildSync({
      entryPoints: [path.join(__dirname, 'fixtures/tap-guest.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      external: ['koffi'],
    });
    await withNamespace(async (namespace) => {
      const env = { ...process.env, NODE_PATH: path.join(PROJECT, 'node_modules') };
      const { stdout, output } = await namespace.run(process.execPath, [outfile], { env, deadlineMs: 60_000 });
      if (stdout === '') throw new Error(output);
      const { longest, buffers, ...result } = JSON.parse(stdout) as { longest: number; buffers: number };
      expect(result).toEqual({ heard: true, received: 200_000, faults: [] });
      expect(longest).toBeGreaterThan(5 * 1460);
      expect(buffers).toBe(Math.ceil((longest + 54 + 12) / 1526));
    });
  });
});
