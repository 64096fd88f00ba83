#!/usr/bin/env node
// Makes release/hyperkit-PLATFORM-ARCHITECTURE: one file that is docker-machine-driver-hyperkit, hyperkit and vpnkit, and needs no Node
// (a Node "single executable application"). For the system that this runs on, with the Node that runs it.
// usage: executable.mjs [--output FILE]
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { root, stage } from './stage.mjs';

/** Where Node looks for what was put into it; see Node's documentation of single executable applications. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const given = process.argv.indexOf('--output');
const output = path.resolve(
  given < 0 ? path.join(root, `release/hyperkit-${process.platform}-${process.arch}`) : process.argv[given + 1],
);
const work = await mkdtemp(path.join(tmpdir(), 'hyperkit-executable-'));
try {
  const folder = path.join(work, 'package');
  await stage(folder);
  await writeFile(path.join(folder, 'node-licence.txt'), await nodeLicence());
  const { list, assets } = await pack(folder);
  await writeFile(path.join(work, 'packing-list.json'), JSON.stringify(list));
  await build({
    absWorkingDir: root,
    entryPoints: ['driver/executable/main.ts'],
    outfile: path.join(work, 'main.cjs'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  });
  const config = {
    main: path.join(work, 'main.cjs'),
    output: path.join(work, 'blob'),
    disableExperimentalSEAWarning: true,
    assets: { ...assets, 'packing-list.json': path.join(work, 'packing-list.json') },
  };
  await writeFile(path.join(work, 'config.json'), JSON.stringify(config));
  quietly(process.execPath, '--experimental-sea-config', path.join(work, 'config.json'));
  await mkdir(path.dirname(output), { recursive: true });
  await join(config.output);
} finally {
  await rm(work, { recursive: true, force: true });
}
console.log(output);

/** Runs a program; what it says is shown when it fails. */
function quietly(program, ...words) {
  execFileSync(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Every file of a folder as an asset, with the list of them that driver/executable/packed-files.ts describes. */
async function pack(folder) {
  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const files = await Promise.all(
    paths.sort().map(async (file) => ({
      path: path.relative(folder, file).split(path.sep).join('/'),
      mode: (await stat(file)).mode & 0o100 ? 0o700 : 0o600,
      sha256: createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    })),
  );
  const digest = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 16);
  const assets = Object.fromEntries(files.map((file) => [file.path, path.join(folder, file.path)]));
  return { list: { id: `${version}-${digest}`, files }, assets };
}

/** Puts the blob into a copy of this Node. The name only ever stands for a whole file: it may be running. */
async function join(blob) {
  const draft = `${output}.${process.pid}.tmp`;
  const mac = process.platform === 'darwin';
  try {
    await copyFile(process.execPath, draft);
    await chmod(draft, 0o755);
    if (mac) quietly('codesign', '--remove-signature', draft);
    const segment = mac ? ['--macho-segment-name', 'NODE_SEA'] : [];
    const postject = path.join(root, 'node_modules/postject/dist/cli.js');
    quietly(process.execPath, postject, draft, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE, ...segment);
    if (mac) quietly('codesign', '--sign', '-', draft);
    await rename(draft, output);
  } catch (error) {
    await rm(draft, { force: true });
    throw new Error(
      `cannot put the programs into a copy of ${process.execPath}: ${error.message}; use the Node of https://nodejs.org`,
      { cause: error },
    );
  }
}

/** Node's own licence and those of its parts, which lie beside it wherever it comes from. */
async function nodeLicence() {
  const prefix = path.dirname(path.dirname(process.execPath));
  for (const file of ['LICENSE', 'share/doc/nodejs/LICENSE', 'share/doc/nodejs/copyright', 'share/doc/node/LICENSE']) {
    const text = await readFile(path.join(prefix, file), 'utf8').catch(() => undefined);
    if (text !== undefined) return text;
  }
  return `Node.js ${process.version}: https://github.com/nodejs/node/blob/${process.version}/LICENSE\n`;
}
