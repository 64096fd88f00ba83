import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { measureKvmSpeed, PROBE_WORD } from '../../../engine/hypervisors/kvm-speed';
import { libc } from '../../../native/libc';
import { MACHINE_PROGRAM } from '../engine/machine/fixtures/machine-bench';

const hasKvm = (() => {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
})();

(process.platform === 'linux' ? describe : describe.skip)('the C library', () => {
  test('fails with the name of the call and of the error', () => {
    expect(() => libc.open('/nowhere', 0)).toThrow('open(/nowhere): ENOENT');
    const fd = libc.open('/dev/null', 0);
    expect(() => libc.ioctl('KVM_CREATE_VM', fd, 0xae01, 0)).toThrow('ioctl(KVM_CREATE_VM): ENOTTY');
    libc.close(fd);
    expect(() => libc.close(fd)).toThrow('close: EBADF');
    expect(() => libc.mmap(4096, 9999)).toThrow('mmap: EBADF');
  });

  test('maps memory that can be written', () => {
    const mapping = libc.mmap(8192, -1);
    mapping.bytes[8191] = 7;
    expect(mapping.bytes[8191]).toBe(7);
    expect(mapping.address % 4096n).toBe(0n);
    mapping.unmap();
  });
});

(hasKvm ? describe : describe.skip)('KVM on this computer', () => {
  let folder: string;
  const runtime = process.env.XDG_RUNTIME_DIR;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'hk-kvm-'));
    process.env.XDG_RUNTIME_DIR = folder;
  });
  afterEach(() => {
    if (runtime === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = runtime;
    rmSync(folder, { recursive: true });
  });
  const cache = (): string => path.join(folder, `hyperkit-${process.getuid?.()}`);

  test('runs a guest loop and says how fast', () => {
    const text = execFileSync(process.execPath, [MACHINE_PROGRAM, PROBE_WORD], { encoding: 'utf8', timeout: 20_000 });
    const found = JSON.parse(text) as { ok: boolean; instructionsPerSecond: number };
    expect(found.ok).toBe(true);
    expect(found.instructionsPerSecond).toBeGreaterThan(10_000);
  });

  test('is measured once and then remembered, in a private file', async () => {
    const first = await measureKvmSpeed(MACHINE_PROGRAM);
    expect(first.kind).toBe('runs');
    expect(statSync(cache()).mode & 0o777).toBe(0o700);
    expect(readdirSync(cache())).toEqual(['kvm-speed.json']);
    expect(statSync(path.join(cache(), 'kvm-speed.json')).mode & 0o777).toBe(0o600);
    expect(await measureKvmSpeed('/no/such/program')).toEqual(first);
  });

  test('a probe that hangs is given up', async () => {
    const program = path.join(folder, 'hang.cjs');
    writeFileSync(program, 'for (;;);');
    expect(await measureKvmSpeed(program)).toMatchObject({
      kind: 'hangs',
      detail: expect.stringContaining('within 5 s') as string,
    });
  }, 15_000);

  test('a probe that crashes says with what, and is not remembered', async () => {
    const program = path.join(folder, 'crash.cjs');
    writeFileSync(program, 'process.stderr.write("boom\\n"); process.exit(3);');
    expect(await measureKvmSpeed(program)).toEqual({ kind: 'hangs', detail: 'the probe failed: boom' });
    writeFileSync(
      program,
      'process.stdout.write(JSON.stringify({ok: false, call: "ioctl(KVM_CREATE_VM)", errno: "EBUSY"}))',
    );
    expect(await measureKvmSpeed(program)).toEqual({ kind: 'refused', call: 'ioctl(KVM_CREATE_VM)', errno: 'EBUSY' });
    writeFileSync(program, 'process.stdout.write("[1]")');
    expect((await measureKvmSpeed(program)).kind).toBe('hangs');
  });
});
