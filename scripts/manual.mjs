#!/usr/bin/env node
// Writes the manual, driver/manual/ made into man(7), one file per page.
// usage: manual.mjs [FOLDER]     (dist/man unless told; then package.json names the pages for npm to link)
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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
const [, , given] = process.argv;
const folder = path.resolve(given ?? path.join(root, 'dist/man'));
const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
const edition = { version: manifest.version, date: new Date(sourceDate() * 1000).toISOString().slice(0, 10) };
const pages = await writePages();
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
for (const page of pages) await writeFile(path.join(folder, `${page.name}.1`), renderManPage(page, edition));
if (given === undefined) {
  const man = pages.map(({ name }) => `dist/man/${name}.1`).sort();
  if (String(man) !== String(manifest.man)) {
    await writeFile(path.join(root, 'package.json'), `${JSON.stringify({ ...manifest, man }, undefined, 2)}\n`);
  }
}
