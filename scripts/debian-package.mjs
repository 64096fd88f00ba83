#!/usr/bin/env node
// Makes release/docker-machine-driver-hyperkit_VERSION_ARCHITECTURE.deb for the system that this runs on: the programs as
// they are in the npm package, run by Debian's Node, with manual and completions. Needs dpkg-deb and no root.
// usage: debian-package.mjs [--output FOLDER]
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { sourceDate } from './source-date.mjs';
import { root, stage } from './stage.mjs';

const { name, version, bin } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));

const given = process.argv.indexOf('--output');
const release = path.resolve(given < 0 ? path.join(root, 'release') : process.argv[given + 1]);
const architecture = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
const output = path.join(release, `${name}_${version}_${architecture}.deb`);

const work = await mkdtemp(path.join(tmpdir(), 'hyperkit-debian-'));
const at = (...parts) => path.join(work, ...parts);
const programs = at('usr/lib', name);
const doc = at('usr/share/doc', name);
try {
  await stage(programs);
  await layPrograms();
  await layManual();
  await layCompletions();
  await layDocumentation();
  await layControl();
  await mkdir(release, { recursive: true });
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', work, output], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(sourceDate()) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
} finally {
  await rm(work, { recursive: true, force: true });
}
console.log(output);

/** /usr/bin leads to the programs; they run with the Node that the package depends on, whatever else is in PATH. */
async function layPrograms() {
  for (const file of await readdir(path.join(programs, 'dist'))) {
    if (!file.endsWith('.cjs')) continue;
    const target = path.join(programs, 'dist', file);
    const text = await readFile(target, 'utf8');
    await writeFile(target, text.replace(/^#!.*/, '#!/usr/bin/node'));
  }
  await rm(path.join(programs, 'dist/bin'), { recursive: true });
  await mkdir(at('usr/bin'), { recursive: true });
  for (const [program, file] of Object.entries(bin)) await symlink(`../lib/${name}/${file}`, at('usr/bin', program));
  // koffi brings both C libraries, and this system has one of them.
  const native = path.join(programs, 'node_modules/@koromix', `koffi-${process.platform}-${process.arch}`);
  for (const folder of await readdir(native)) {
    if (folder.startsWith('musl')) await rm(path.join(native, folder), { recursive: true });
  }
}

async function layManual() {
  const folder = at('usr/share/man/man1');
  execFileSync(process.execPath, [path.join(root, 'scripts/manual.mjs'), folder], { stdio: 'inherit' });
  for (const page of await readdir(folder)) {
    await compress(path.join(folder, page), await readFile(path.join(folder, page)));
    await rm(path.join(folder, page));
  }
}

async function layCompletions() {
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('HYPERKIT_')));
  for (const [shell, file] of [
    ['bash', 'usr/share/bash-completion/completions/hyperkit'],
    ['zsh', 'usr/share/zsh/vendor-completions/_hyperkit'],
    ['fish', 'usr/share/fish/vendor_completions.d/hyperkit.fish'],
  ]) {
    await mkdir(path.dirname(at(file)), { recursive: true });
    const words = [path.join(programs, 'dist/hyperkit.cjs'), 'completion', shell];
    await writeFile(at(file), execFileSync(process.execPath, words, { env }));
  }
}

async function layDocumentation() {
  await mkdir(doc, { recursive: true });
  await cp(path.join(root, 'docs'), path.join(doc, 'docs'), { recursive: true });
  for (const file of ['README.md', 'SECURITY.md']) await cp(path.join(root, file), path.join(doc, file));
  await compress(path.join(doc, 'changelog'), await readFile(path.join(root, 'CHANGELOG.md')));
  const others = path.join(programs, 'dist/third-party-licences.txt');
  const own = [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    `Upstream-Name: ${name}`,
    '',
    'Files: *',
    `Copyright: the maintainers of ${name}`,
    'License: Apache-2.0',
    ' On Debian systems, the text of this licence is in /usr/share/common-licenses/Apache-2.0.',
    'Comment:',
  ].join('\n');
  const text = (await readFile(others, 'utf8')).trimEnd();
  await writeFile(
    path.join(doc, 'copyright'),
    `${own}\n${text.replace(/^(.*)$/gm, (line) => ` ${line.trimEnd() || '.'}`)}\n`,
  );
  for (const file of [others, path.join(programs, 'LICENSE')]) await rm(file);
}

async function layControl() {
  const entries = await readdir(work, { recursive: true, withFileTypes: true });
  await chmod(work, 0o755);
  const sums = [];
  let bytes = 0;
  for (const entry of entries) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) continue;
    const { mode, size } = await stat(file);
    await chmod(file, entry.isDirectory() || mode & 0o100 ? 0o755 : 0o644);
    if (!entry.isFile()) continue;
    bytes += size;
    const sum = createHash('md5')
      .update(await readFile(file))
      .digest('hex');
    sums.push(`${sum}  ${path.relative(work, file)}\n`);
  }
  await mkdir(at('DEBIAN'), { mode: 0o755 });
  await writeFile(at('DEBIAN/md5sums'), sums.sort().join(''), { mode: 0o644 });
  await writeFile(at('DEBIAN/control'), control(Math.ceil(bytes / 1024)), { mode: 0o644 });
}

function control(sizeKib) {
  return `Package: ${name}
Version: ${version}
Architecture: ${architecture}
Maintainer: maintainers of ${name} <maintainers@${name}.invalid>
Installed-Size: ${sizeKib}
Section: admin
Priority: optional
Depends: libc6, libstdc++6, nodejs (>= 20)
Recommends: openssh-client, qemu-system-x86
Suggests: binutils, docker-cli | docker-ce-cli, isolinux, mmdebstrap, squashfs-tools, syslinux-common, util-linux, xorriso, xz-utils, zstd
Description: Docker hosts in light virtual machines
 hyperkit makes virtual machines in which Docker runs, each with an address of
 its own, without root; docker-machine does the same with the driver of this
 package, on the same machines. The hypervisor is part of it where KVM works,
 elsewhere QEMU emulates. vpnkit gives other virtual machines the same network.
 .
 The suggested packages build the guest image ("hyperkit image build").
`;
}

async function compress(file, content) {
  await writeFile(`${file}.gz`, gzipSync(content, { level: 9 }));
}
