import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { bin, name, version } from '../../package.json';
import { which } from '../support/machines';
import { describeWith, PROJECT } from '../support/peers';
import { type Outcome, run } from '../support/run';
import { temporaryFolder } from '../support/temporary-folder';

// The Debian package, made, opened and run without root.
describeWith('the Debian package', [which('dpkg-deb') === undefined ? 'no dpkg-deb here' : undefined], () => {
  const folder = temporaryFolder();
  const root = path.join(folder, 'root');
  const home = path.join(folder, 'home');
  let file = '';
  const readText = (...parts: readonly string[]): string => readFileSync(path.join(root, ...parts), 'utf8');
  const call = (program: string, ...words: readonly string[]): Promise<Outcome> =>
    run(process.execPath, [path.join(root, 'usr/bin', program), ...words], {
      env: { PATH: '/usr/bin:/bin', HOME: home },
    });

  beforeAll(async () => {
    const words = ['scripts/debian-package.mjs', '--output', folder];
    const env = { ...process.env, HYPERKIT_DISK_SIZE: '4711' };
    const { code, stdout, output } = await run(process.execPath, words, { cwd: PROJECT, env });
    if (code !== 0) throw new Error(output);
    file = stdout.trim();
    execFileSync('dpkg-deb', ['--raw-extract', file, root]);
  });

  test('says what it is and what it needs', () => {
    const fields = execFileSync('dpkg-deb', ['--field', file], { encoding: 'utf8' });
    expect(path.basename(file)).toMatch(new RegExp(`^${name}_${version}_[a-z0-9]+\\.deb$`));
    expect(fields).toContain(`Package: ${name}\nVersion: ${version}\n`);
    expect(fields).toMatch(/^Depends: .*nodejs \(>= 20\)$/m);
    expect(fields).toMatch(/^Recommends: .*qemu-system-x86/m);
  });

  test('belongs to root, who alone may write to it, and sums say that it is whole', () => {
    const lines = execFileSync('dpkg-deb', ['--contents', file], { encoding: 'utf8' }).trim().split('\n');
    expect(lines.filter((line) => !/^(l|[d-]rw[x-]r-[x-]r-[x-]) *\S* root\/root /.test(line))).toEqual([]);
    const sums = readText('DEBIAN/md5sums').trim().split('\n');
    expect(sums).toHaveLength(lines.filter((line) => line.startsWith('-')).length);
    for (const line of sums) {
      const [sum = '', of = ''] = line.split('  ');
      expect(
        createHash('md5')
          .update(readFileSync(path.join(root, of)))
          .digest('hex'),
      ).toBe(sum);
    }
  });

  test('its programs run, with the Node of the system', async () => {
    for (const [program, target] of Object.entries(bin)) {
      expect(readlinkSync(path.join(root, 'usr/bin', program))).toBe(`../lib/${name}/${target}`);
      expect(readText('usr/lib', name, target)).toMatch(/^#!\/usr\/bin\/node\n/);
    }
    expect(await call('hyperkit', 'ls')).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^NAME/) });
    // It loads koffi, the one module that is not in the bundles.
    expect(await call('vpnkit', '--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('--ethernet') });
    const plugin = await call('docker-machine-driver-hyperkit', 'version');
    expect(plugin.stdout).toContain(`version: v${version}\n`);
    const build = await run(path.join(root, 'usr/lib', name, 'image/build'), ['--help']);
    expect(build.output).toContain('--output');
  });

  test('has the manual, completions, and the licences of all that is in it', async () => {
    expect(readdirSync(path.join(root, 'usr/share/man/man1'))).toEqual(
      expect.arrayContaining(['hyperkit.1.gz', 'hyperkit-create.1.gz', 'vpnkit.1.gz', `${name}.1.gz`]),
    );
    const page = gunzipSync(readFileSync(path.join(root, 'usr/share/man/man1/hyperkit-create.1.gz'))).toString();
    expect(page).toContain('(default: 20000)');
    const bash = await run('bash', [
      '-c',
      '. "$1"; complete -p hyperkit',
      '_',
      path.join(root, 'usr/share/bash-completion/completions/hyperkit'),
    ]);
    expect(bash.stdout).toContain('_hyperkit hyperkit');
    expect(readText('usr/share/zsh/vendor-completions/_hyperkit')).toMatch(/^#compdef hyperkit\n/);
    expect(readText('usr/share/fish/vendor_completions.d/hyperkit.fish')).toContain('complete -c hyperkit');
    const copyright = readText('usr/share/doc', name, 'copyright');
    for (const text of [
      'License: Apache-2.0',
      '\n koffi ',
      '\n @grpc/grpc-js ',
      '\n ssh2 ',
      'Permission is hereby granted',
    ]) {
      expect(copyright).toContain(text);
    }
  });
});
