#!/usr/bin/env node
// Writes the manual, driver/manual/ made into man(7), one file per page.
// usage: manual.mjs [FOLDER]     (dist/man unless told)
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { sourceDate } from './source-date.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Loads driver/manual, which shows the defaults of options: not those that somebody's environment gives them. */
async function loadManual() {
  for (const name of Object.keys(process.env)) if (name.startsWith('HYPERKIT_')) delete process.env[name];
  // Below the project, so that it finds node_modules.
  await mkdir(path.join(root, 'dist'), { recursive: true });
  const work = await mkdtemp(path.join(root, 'dist/manual-'));
  try {
    const outfile = path.join(work, 'manual.cjs');
    await build({
      absWorkingDir: root,
      entryPoints: ['driver/manual/index.ts'],
      outfile,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      target: 'node20',
      packages: 'external',
      define: { BUILD_COMMIT: '""' },
      logLevel: 'warning',
    });
    return createRequire(import.meta.url)(outfile);
  } finally {
    await rm(work, { recursive: true });
  }
}

const { renderManPage, writePages } = await loadManual();
const folder = path.resolve(process.argv[2] ?? path.join(root, 'dist/man'));
const { version } = createRequire(import.meta.url)('../package.json');
const edition = { version, date: new Date(sourceDate() * 1000).toISOString().slice(0, 10) };
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
for (const page of await writePages())
  await writeFile(path.join(folder, `${page.name}.1`), renderManPage(page, edition));
