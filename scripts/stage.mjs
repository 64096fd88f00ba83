import { execFileSync } from 'node:child_process';
import { cp, readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/**
 * Lays out in `folder` what runs on this system without npm: dist/, image/ and node_modules with koffi, the one package
 * that is not part of the bundles.
 */
export async function stage(folder) {
  execFileSync(process.execPath, [path.join(root, 'scripts/build.mjs'), '--outdir', path.join(folder, 'dist')], {
    stdio: 'inherit',
  });
  // Of koffi what runs: the rest are its sources, its documentation, and the same once more for ES modules.
  const native = `@koromix/koffi-${process.platform}-${process.arch}`;
  for (const [name, wanted] of [
    ['koffi', /\.cjs$|^package\.json$|^LICENSE/],
    [native, /\.(js|node)$|^package\.json$/],
  ]) {
    const from = path.join(root, 'node_modules', name);
    for (const file of (await readdir(from, { recursive: true })).filter((it) => wanted.test(it))) {
      await cp(path.join(from, file), path.join(folder, 'node_modules', name, file));
    }
  }
  for (const name of ['image', 'LICENSE', 'package.json']) {
    await cp(path.join(root, name), path.join(folder, name), { recursive: true });
  }
}
