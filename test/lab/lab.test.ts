import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeWith } from '../support/peers';
import { until } from '../support/until';
import { DEADLINE_PASSED, LAB_FAILED, labMissing, runInLab } from './lab';

/** Processes that have a text in their command line. */
function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
      } catch {
        return false; // it ended meanwhile
      }
    })
    .map(Number);
}

describeWith('the lab', [labMissing()], () => {
  jest.setTimeout(600_000);
  const folder = mkdtempSync(path.join(tmpdir(), 'hk-lab-test-'));
  const out = path.join(folder, 'out');
  mkdirSync(out);
  afterAll(() => rmSync(folder, { recursive: true }));
  // The first job of all says that the machine is booted for it.
  beforeAll(() => runInLab({ command: ['true'] }));

  test("a job's output and exit status come back", async () => {
    const script = 'console.log("to", "stdout"); console.error("to stderr"); process.exitCode = 42';
    const outcome = await runInLab({ command: ['node', '-e', script] });
    expect(outcome).toMatchObject({ status: 42, stdout: 'to stdout\n', stderr: 'to stderr\n' });
  });

  test('words of the command arrive as they are', async () => {
    const words = ["it's", '$HOME `id` "quoted"', '', 'two\nlines', 'über'];
    const outcome = await runInLab({
      command: ['node', '-p', 'JSON.stringify(process.argv.slice(1))', '--', ...words],
    });
    expect(JSON.parse(outcome.stdout)).toEqual(words);
  });

  test('large output is complete and in order', async () => {
    const script = 'for (let line = 0; line < 100000; line++) process.stdout.write("line " + line + "\\n")';
    const { status, stdout } = await runInLab({ command: ['node', '-e', script] });
    const expected = Array.from({ length: 100_000 }, (_, line) => `line ${line}\n`).join('');
    const sum = (text: string): string => createHash('sha256').update(text).digest('hex');
    expect(status).toBe(0);
    expect([stdout.length, sum(stdout)]).toEqual([expected.length, sum(expected)]);
  });

  test('KVM runs guest code, called through koffi', async () => {
    const outcome = await runInLab({ command: ['node', 'dist/hyperkit-machine.cjs', '--probe-kvm'] });
    expect(JSON.parse(outcome.stdout)).toMatchObject({ ok: true });
  });

  test('what is shared can be read, only the output folder can be written', async () => {
    const file = path.join(folder, 'one file');
    writeFileSync(file, 'shared\n');
    writeFileSync(path.join(folder, 'not shared'), '');
    const script = `cat "$0"; echo back >"$1/result"; echo spoiled >"$0"; ls "$(dirname "$0")"`;
    const outcome = await runInLab({ command: ['sh', '-c', script, file, out], share: [file], out });
    expect(outcome.stdout).toBe('shared\none file\nout\n');
    expect(outcome.stderr).toContain('Read-only file system');
    expect(readFileSync(file, 'utf8')).toBe('shared\n');
    expect(readFileSync(path.join(out, 'result'), 'utf8')).toBe('back\n');
  });

  test("a panic of the machine's kernel is told", async () => {
    const outcome = await runInLab({ command: ['sh', '-c', 'echo before; echo c >/proc/sysrq-trigger'] });
    expect(outcome.status).toBe(LAB_FAILED);
    expect(outcome.stdout).toBe('before\n');
    expect(outcome.stderr).toContain("lab: the machine's kernel panicked: Kernel panic - not syncing: sysrq");
    expect(outcome.console).toContain('sysrq: Trigger a crash');
  });

  test('a machine that goes down is told', async () => {
    const outcome = await runInLab({ command: ['poweroff', '-f'] });
    expect(outcome.status).toBe(LAB_FAILED);
    expect(outcome.stderr).toContain('lab: the machine went down before the command ended');
  });

  test('a job that hangs is ended at its deadline and leaves no process', async () => {
    const outcome = await runInLab({ command: ['sh', '-c', 'echo begun; sleep 1000'], out, deadlineMs: 5000 });
    expect(outcome.status).toBe(DEADLINE_PASSED);
    expect(outcome.stderr).toContain('lab: the command still ran after 5 s');
    expect(processesWith(out)).toEqual([]);
  });

  test('a runner that is killed takes its one machine with it', async () => {
    let runner = 0;
    let machines: number[] = [];
    const job = runInLab({
      command: ['sh', '-c', 'echo up; sleep 1000'],
      out,
      started: (child) => {
        runner = child.pid ?? 0;
      },
      heard: (text) => {
        if (!/^up$/m.test(text)) return;
        machines = processesWith(out).filter((pid) => pid !== runner);
        process.kill(runner, 'SIGKILL');
      },
    });
    await expect(job).rejects.toThrow('was killed');
    expect(machines).toHaveLength(1);
    await until('the machine is gone', () => processesWith(out).length === 0);
  });
});
