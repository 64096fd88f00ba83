import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { describeWith, PROJECT } from '../../../support/peers';
import { run } from '../../../support/run';
import { temporaryFolder } from '../../../support/temporary-folder';

/** What fixtures/try-everything.ts prints. */
interface Findings {
  readonly log: readonly string[];
  /** Version of Landlock; 0 without. */
  readonly abi: number;
  readonly results: Readonly<Record<string, string>>;
  readonly threads: Readonly<Record<'before' | 'between' | 'after', Readonly<Record<string, string>>>>;
  readonly states: readonly string[];
}

const wrongHost =
  process.platform === 'linux' && process.arch === 'x64' ? undefined : 'the sandbox is for Linux on x86-64';

describeWith('a process in the sandbox', [wrongHost], () => {
  jest.setTimeout(60_000);
  let findings: Findings;
  /** Results that begin with a word. */
  const of = (word: string): readonly string[] =>
    Object.entries(findings.results)
      .filter(([name]) => name.startsWith(word))
      .map(([name, result]) => `${name} ${result}`);

  beforeAll(async () => {
    const folder = temporaryFolder();
    const program = path.join(folder, 'try-everything.cjs');
    buildSync({
      entryPoints: [path.join(__dirname, 'fixtures/try-everything.ts')],
      outfile: program,
      ...{ bundle: true, platform: 'node', target: 'node20', external: ['koffi'], logLevel: 'warning' },
    });
    const [inside, outside] = [path.join(folder, 'inside'), path.join(folder, 'outside')];
    for (const made of [inside, outside, path.join(outside, 'ids')]) mkdirSync(made);
    for (const file of ['old', 'disk', 'ids/pid']) writeFileSync(path.join(outside, file), 'text');
    const env = { ...process.env, NODE_PATH: path.join(PROJECT, 'node_modules') };
    const { code, stdout, stderr } = await run(process.execPath, [program, inside, outside], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    findings = JSON.parse(stdout) as Findings;
    if (findings.abi === 0) process.stderr.write(`without Landlock: ${findings.log.join(' ')}\n`);
  });

  test('says in one line what is in force', () => {
    const files = findings.abi > 0 ? `Landlock version ${findings.abi} guards the files` : 'no Landlock (';
    expect(findings.log).toEqual([expect.stringMatching(/^sandbox: seccomp refuses \d\d system calls; /) as string]);
    expect(findings.log[0]).toContain(files);
  });

  test('executes nothing and makes no process', () => {
    const { execFile, spawn, fork } = findings.results;
    expect({ execFile, spawn, fork }).toEqual({ execFile: 'EPERM', spawn: 'EPERM', fork: 'EPERM' });
  });

  test.each([
    'ptrace',
    'mount',
    'unshare',
    'setns',
    'bpf',
    'keyctl',
    'userfaultfd',
    'io_uring_setup',
    'personality',
    'getpid of x32',
  ])('is refused %s', (name) => {
    expect(findings.results[name]).toBe('EPERM');
  });

  test('goes on with what it needs: threads, sockets, devices, its own folder', () => {
    expect(findings.results).toMatchObject({
      ...{ clone3: 'ENOSYS', getpid: 'ok', 'own signal': 'ok' },
      ...{ TCP: 'ok', UDP: 'ok', 'unix socket': 'ok', '/dev/null': 'ok' },
    });
    expect(of('inside').filter((result) => !result.endsWith(' ok'))).toEqual([]);
  });

  test('in all its threads, whenever they were made', () => {
    // No new privileges, and a filter.
    expect(findings.states).toEqual(['1 2']);
    const { before, between, after } = findings.threads;
    expect([before, between, after].map(({ execute }) => execute)).toEqual(['EPERM', 'EPERM', 'EPERM']);
  });

  test('changes no files but its own', () => {
    if (findings.abi === 0) return;
    const { results, abi, threads } = findings;
    expect(results).toMatchObject({
      ...{ 'outside: read': 'ok', 'outside: list': 'ok', 'outside: write': 'EACCES', 'outside: append': 'EACCES' },
      ...{ 'outside: remove': 'EACCES', 'outside: folder': 'EACCES', 'outside: link': 'EACCES' },
      ...{ 'outside: by a link': 'EACCES', 'outside: write in the pool': 'EACCES' },
      ...{ 'disk: write': 'ok', 'disk: remove': 'EACCES', 'pid: write': 'EACCES', 'pid: remove': 'ok' },
    });
    for (const moved of [results['to the outside'], results['from the outside']]) {
      expect(['EACCES', 'EXDEV']).toContain(moved);
    }
    if (abi >= 3) expect(results['outside: truncate']).toBe('EACCES');
    if (abi >= 6) expect(results["another's signal"]).toBe('EPERM');
    expect([threads.between.write, threads.after.write]).toEqual(['EACCES', 'EACCES']);
    // Threads that were there before are bound since ABI 8 only.
    expect(threads.before.write).toBe(abi >= 8 ? 'EACCES' : 'ok');
  });
});
