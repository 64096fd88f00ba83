#!/usr/bin/env node
// Builds dist/: one small CommonJS file per program, with everything behind a dynamic import() in chunks of its own,
// so that a program parses only what it runs (start-up time is a promise, see docs/performance.md).
//
// esbuild splits chunks for ES modules only, and ES modules start slower under Node 20; so the sources are first
// bundled and split as ES modules, then each output file is turned into CommonJS by itself.
// usage: build.mjs [--outdir FOLDER]
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';
import { readLicences } from './licences.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const given = process.argv.indexOf('--outdir');
const outdir = given < 0 ? path.join(root, 'dist') : path.resolve(process.argv[given + 1]);

/** Output name -> source entry. Programs (with a shebang) first, then library entries. */
const programs = {
  'docker-machine-driver-hyperkit': 'driver/plugin/main.ts',
  hyperkit: 'driver/cli/main.ts',
  'hyperkit-machine': 'engine/machine/main.ts',
  'hyperkit-network': 'engine/shared-network/main.ts',
  vpnkit: 'engine/net/main.ts',
  'quickstart-client': 'driver/client/main.ts',
};
/** Threads: each is one file without chunks, since a machine waits for it to be read. */
const workers = {
  'vcpu-worker': 'engine/vmm/vcpu/vcpu-worker.ts',
  'io-worker': 'engine/vmm/io/io-worker.ts',
};
const libraries = {
  library: 'driver/library/index.ts',
  gob: 'driver/gob/index.ts',
  rpc: 'driver/rpc/index.ts',
  client: 'driver/grpc/client/index.ts',
};

/** What the plugin's `version` tells minikube; a source archive has no repository. */
function commit() {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}

const common = {
  absWorkingDir: root,
  outdir,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  outExtension: { '.js': '.cjs' },
  chunkNames: 'chunks/[name]-[hash]',
  // grpc-js asks for the loader only for statistics that nobody switches on.
  external: ['koffi', '@grpc/proto-loader', 'cpu-features', './crypto/build/Release/sshcrypto.node'],
  // Its ES module variant breaks help texts in the middle of words.
  alias: { yargs: path.join(root, 'node_modules/yargs/index.cjs') },
  define: { BUILD_COMMIT: JSON.stringify(commit()) },
  mainFields: ['main', 'module'],
  conditions: ['node', 'require'],
  write: false,
  metafile: true,
  logLevel: 'warning',
};
const builds = await Promise.all([
  build({ ...common, entryPoints: { ...programs, ...libraries }, splitting: true }),
  build({ ...common, entryPoints: workers }),
]);

// Everything is written beside dist/ and moved in file by file, entries last: a program that starts during a build
// finds either the old files or the new ones.
const files = await Promise.all(
  builds
    .flatMap(({ outputFiles }) => outputFiles)
    .map(async (file) => {
      const name = path.relative(outdir, file.path);
      const program = Object.keys(programs).includes(name.replace(/\.cjs$/, ''));
      const { code } = await transform(file.text, {
        format: 'cjs',
        platform: 'node',
        target: 'node20',
        supported: { 'dynamic-import': false },
        banner: program ? '#!/usr/bin/env node' : '',
      });
      return { name, code, program };
    }),
);
await mkdir(path.join(outdir, 'chunks'), { recursive: true });
const inputs = builds.flatMap(({ metafile }) => Object.keys(metafile.inputs));
files.push({ name: 'third-party-licences.txt', code: await readLicences(root, inputs), program: false });
for (const { name, code, program } of files.sort((a, b) => Number(a.program) - Number(b.program))) {
  const target = path.join(outdir, name);
  const temporary = `${target}.${process.pid}.tmp`;
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(temporary, code);
  if (program) await chmod(temporary, 0o755);
  await rename(temporary, target).catch(async (error) => {
    await rm(temporary, { force: true });
    throw error;
  });
}

// Programs find each other by name in PATH (docker-machine looks for docker-machine-driver-hyperkit), npm makes such
// links at installation; dist/bin serves whoever runs from the source folder.
await mkdir(path.join(outdir, 'bin'), { recursive: true });
for (const program of ['docker-machine-driver-hyperkit', 'hyperkit', 'vpnkit']) {
  await symlink(`../${program}.cjs`, path.join(outdir, 'bin', program)).catch((error) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

// Chunks of earlier builds go when no program that started before this build can still want them.
const LONGEST_START_MS = 60 * 60 * 1000;
const current = new Set(files.map(({ name }) => path.basename(name)));
for (const name of await readdir(path.join(outdir, 'chunks'))) {
  const file = path.join(outdir, 'chunks', name);
  if (!current.has(name) && Date.now() - (await stat(file)).mtimeMs > LONGEST_START_MS) await rm(file, { force: true });
}
