#!/usr/bin/env node
// The one door to every benchmark: `npm run bench -- --list`, `npm run bench -- NAME [--json]`.
// A benchmark is bench/NAME.ts and exports measure(): Promise<Measurement>, see bench/support/measurement.ts. Peers are
// measured in the same run, interleaved, because the machines these run on are shared and noisy.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const names = (await readdir(here))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3))
  .sort();
const args = process.argv.slice(2);
const json = args.includes('--json');
const name = args.find((arg) => !arg.startsWith('--'));

if (args.includes('--list')) {
  console.log(names.join('\n'));
} else if (name === undefined || !names.includes(name)) {
  console.error(
    `usage: npm run bench -- --list | NAME [--json]\n${name === undefined ? '' : `there is no benchmark "${name}"; `}names: ${names.join(', ')}`,
  );
  process.exitCode = 1;
} else {
  // The bundle lies below the project, so that it finds node_modules; the benchmark finds the project by its working folder.
  const directory = await mkdtemp(path.join(root, 'dist', 'bench-')).catch(async () => {
    await import('../scripts/build.mjs');
    return mkdtemp(path.join(root, 'dist', 'bench-'));
  });
  try {
    await import('../scripts/build.mjs');
    const outfile = path.join(directory, `${name}.cjs`);
    const { outputFiles } = await build({
      absWorkingDir: root,
      entryPoints: [`bench/${name}.ts`],
      bundle: true,
      format: 'cjs',
      platform: 'node',
      target: 'node20',
      packages: 'external',
      write: false,
    });
    await writeFile(outfile, outputFiles[0].contents);
    process.chdir(root);
    const { measure } = createRequire(import.meta.url)(outfile);
    const measurement = await measure();
    if (json) console.log(JSON.stringify(measurement));
    else {
      const { ours, peers, ratio, unit, better, details } = measurement;
      console.log(`${name} (${unit}, ${better} is better)`);
      console.log(`  ours  ${ours}`);
      for (const [peer, value] of Object.entries(peers)) console.log(`  ${peer}  ${value}`);
      console.log(`  ratio ${ratio}`);
      if (details !== undefined) console.log(JSON.stringify(details, null, 2));
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
