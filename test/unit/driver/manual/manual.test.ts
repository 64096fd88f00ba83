import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { COMMANDS } from '../../../../driver/cli/command-table';
import { type ManPage, renderManPage } from '../../../../driver/manual/man-page';
import { pageNameOf } from '../../../../driver/manual/verb-page';
import { bin, man } from '../../../../package.json';
import { PROJECT } from '../../../support/peers';
import { run } from '../../../support/run';
import { temporaryFolder } from '../../../support/temporary-folder';

// The manual as it is shipped, read by groff as `man` reads it.
const folder = temporaryFolder();
const file = (page: string): string => path.join(folder, `${page}.1`);

/** A page as people see it in a terminal, without backspaces and as one line. */
function read(page: string): string {
  const text = execFileSync('groff', ['-man', '-Tascii', '-P-c', file(page)], { encoding: 'utf8' });
  return text
    .replace(/.\x08/g, '')
    .replace(/\x1b\[[\d;]*m/g, '')
    .replace(/\s+/g, ' ');
}

beforeAll(async () => {
  const env = { ...process.env, HYPERKIT_MEMORY_SIZE: '4711', SOURCE_DATE_EPOCH: '86400' };
  const { code, output } = await run(process.execPath, ['scripts/manual.mjs', folder], { cwd: PROJECT, env });
  if (code !== 0) throw new Error(output);
});

test('every program and every verb has a page, and nothing else has', () => {
  const names = [...Object.keys(bin), ...COMMANDS.map(({ verb }) => pageNameOf(verb))];
  expect(readdirSync(folder).sort()).toEqual(names.map((name) => `${name}.1`).sort());
  // npm links what package.json names one by one.
  expect([...man].sort()).toEqual(names.map((name) => `dist/man/${name}.1`).sort());
});

test('groff finds nothing to warn of', () => {
  for (const name of readdirSync(folder)) {
    const words = ['-man', '-Tascii', '-ww', '-z', path.join(folder, name)];
    expect(spawnSync('groff', words, { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  }
});

test.each(COMMANDS.map(({ verb, load }) => ({ verb, load })))('$verb: its page has all its options', async (entry) => {
  const { describe, options } = await entry.load();
  const text = read(pageNameOf(entry.verb));
  expect(text).toContain(describe.replace(/\s+/g, ' '));
  for (const name of [...Object.keys(options), 'storage-path', 'json']) {
    expect(text).toMatch(new RegExp(` --?${name}[ ,]`));
  }
});

test("what somebody's environment says is no default", () => {
  const text = read('hyperkit-create');
  expect(text).toContain('Memory of the machine in MB [$HYPERKIT_MEMORY_SIZE] (default: 1024)');
  expect(readFileSync(file('hyperkit-create'), 'utf8')).toMatch(/^\.TH "HYPERKIT\\-CREATE" 1 "1970-01-02" /);
});

test('the pages of the programs have their own options', () => {
  expect(read('hyperkit')).toMatch(/-f what boots: kexec,KERNEL.*EXIT STATUS.* 4 there is no such machine/);
  expect(read('docker-machine-driver-hyperkit')).toMatch(
    /--hyperkit-disk-size VALUE .*default: 20000.* --tls-ca VALUE/,
  );
  expect(read('vpnkit')).toMatch(
    /--ethernet VALUE .*ADDRESSES .*--mtu N bytes of the longest packet \(default: 1500\)/,
  );
});

test('text is printed as it is, whatever roff would make of it', () => {
  const text = '.so /etc/passwd\n\'br \\n(.x "-" é';
  const page: ManPage = {
    name: 'x',
    summary: text.replace('\n', ' '),
    synopsis: ['x -y'],
    sections: [{ title: 'a "b"', blocks: [text, [{ term: '.B', text }]] }],
  };
  const roff = renderManPage(page, { version: '1', date: '2000-01-01' });
  const { stdout, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-P-c', '-ww'], { input: roff, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(
    stdout
      .replace(/.\x08/g, '')
      .replace(/\s+/g, ' ')
      .match(/\.so \/etc\/passwd 'br \\n\(\.x "-" é/g),
  ).toHaveLength(3);
});
