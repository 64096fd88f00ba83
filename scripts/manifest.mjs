#!/usr/bin/env node
// Writes plugin-manifest.json from driver/contract/manifest.ts; a unit test fails when the two differ.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ['driver/contract/manifest.ts'],
  bundle: true,
  format: 'esm',
  platform: 'node',
  write: false,
});
const { buildManifest } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
);
await writeFile(path.join(root, 'plugin-manifest.json'), `${JSON.stringify(buildManifest(), null, 2)}\n`);
