import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { version } from '../../package.json';
import { PROJECT } from '../support/peers';
import { run } from '../support/run';
import { temporaryFolder } from '../support/temporary-folder';

// The package as npm makes it. The bundles are those that the tests have built; the types are made by prepack, so here
// their sources stand for them; so is the manual, which has a test of its own.

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly files: readonly string[];
}

const manifest = JSON.parse(readFileSync(path.join(PROJECT, 'package.json'), 'utf8')) as Manifest;
const exported = Object.values(manifest.exports);
let files: readonly string[];
let unpacked: string;

beforeAll(async () => {
  const folder = temporaryFolder();
  const options = ['--ignore-scripts', '--json', '--pack-destination', folder];
  const { code, stdout, output } = await run('npm', ['pack', ...options], { cwd: PROJECT });
  if (code !== 0) throw new Error(output);
  const [packed] = JSON.parse(stdout) as readonly {
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  files = packed?.files.map((file) => file.path) ?? [];
  execFileSync('tar', ['-xzf', path.join(folder, packed?.filename ?? ''), '-C', folder]);
  unpacked = path.join(folder, 'package');
  // What npm would install beside it.
  symlinkSync(path.join(PROJECT, 'node_modules'), path.join(unpacked, 'node_modules'));
});

test('every program and every entry that package.json names is in it', () => {
  const programs = Object.values(manifest.bin);
  const entries = exported.map((target) => (typeof target === 'string' ? target : target.default));
  for (const target of [...programs, ...entries]) expect(files).toContain(path.normalize(target));
});

test('the types of every entry are made before it is packed', () => {
  const config = readFileSync(path.join(PROJECT, 'tsconfig.types.json'), 'utf8');
  const sources = (JSON.parse(config) as { readonly files: readonly string[] }).files;
  for (const target of exported) {
    if (typeof target === 'string') continue;
    const source = path.relative('dist/types', target.types).replace(/\.d\.ts$/, '.ts');
    expect(sources).toContain(source);
    expect(existsSync(path.join(PROJECT, source))).toBe(true);
  }
});

test('all that its list of files names is there, and nothing else is in it', () => {
  const folders = manifest.files.map((pattern) => pattern.replace(/\/\*.*$/, ''));
  for (const folder of folders) {
    expect(files.filter((file) => file === folder || file.startsWith(`${folder}/`))).not.toEqual([]);
  }
  const strange = files.filter((file) => {
    const [top = ''] = file.split('/');
    if (top === 'dist') return !/\.(cjs|d\.ts)$|^dist\/man\/[^/]+\.1$|^dist\/third-party-licences\.txt$/.test(file);
    if (top === 'proto') return !file.endsWith('.proto');
    return !folders.includes(top) && top !== 'package.json';
  });
  expect(strange).toEqual([]);
  expect(files).toEqual(
    expect.arrayContaining([
      ...['image/build', 'image/initramfs/init', 'docs/library.md', 'README.md'],
      'dist/third-party-licences.txt',
    ]),
  );
});

test('its command runs, and builds its image with the scripts that it carries', async () => {
  const { stdout } = await run(process.execPath, ['dist/hyperkit.cjs', 'version', '--json'], { cwd: unpacked });
  expect(stdout).toContain(version);
  const help = await run('image/build', ['--help'], { cwd: unpacked });
  expect(help.output).toContain('--output');
});

test('its library is imported and required, and loads nothing that it does not need yet', async () => {
  const script = `
    const required = require('docker-machine-driver-hyperkit');
    const loaded = Object.keys(require.cache).map((file) => require('node:path').basename(file));
    import('docker-machine-driver-hyperkit').then(async ({ Engine, Machines, DriverError }) => {
      const error = await Machines.open({ storagePath: '/nowhere' }).get('dev').catch((error) => error);
      console.log(JSON.stringify({
        same: required.Engine === Engine, typed: error instanceof DriverError, code: error.code, loaded,
      }));
    });`;
  const { stdout, output } = await run(process.execPath, ['--eval', script], { cwd: unpacked });
  if (stdout === '') throw new Error(output);
  const said = JSON.parse(stdout) as { readonly loaded: readonly string[] };
  expect(said).toMatchObject({ same: true, typed: true, code: 'HK_MACHINE_UNKNOWN' });
  expect(said.loaded[0]).toBe('library.cjs');
  expect(said.loaded.slice(1).filter((file) => !file.startsWith('chunk-'))).toEqual([]);
});
