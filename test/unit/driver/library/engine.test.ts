import path from 'node:path';
import { Engine, EngineError } from '../../../../driver/library';
import { temporaryFolder } from '../../../support/temporary-folder';

const BOOT = { kernel: 'vmlinuz', initrd: 'initrd' };

test.each([
  ['memory', { memoryMiB: 1 }, /memoryMiB 1 must be/],
  ['CPUs', { vcpus: 0 }, /vcpus 0 must be/],
  ['a command line', { commandLine: 'a\nb' }, /commandLine "a\\nb" must not/],
  ['forwards', { forwards: [{ hostPort: 0, guestPort: 22 }] }, /hostPort 0 must be/],
  ['an address', { bindAddress: 'localhost' }, /bindAddress "localhost" must be/],
  ['a name', { name: 'a b' }, /name "a b" must be/],
])('refused by name: %s', async (_title, options, text) => {
  const starting = Engine.start({ ...BOOT, ...options });
  await expect(starting).rejects.toBeInstanceOf(EngineError);
  await expect(starting).rejects.toMatchObject({ code: 'HK_SPEC_INVALID', message: expect.stringMatching(text) });
});

test('a start that is no longer wanted rejects with the reason', async () => {
  const reason = new Error('no longer wanted');
  await expect(Engine.start({ ...BOOT, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('without any hypervisor the error says what each lacks', async () => {
  const before = process.env['HYPERKIT_QEMU'];
  process.env['HYPERKIT_QEMU'] = path.join(temporaryFolder(), 'none');
  try {
    const starting = Engine.start({ ...BOOT, hypervisor: 'qemu', accelerator: 'tcg' });
    await expect(starting).rejects.toMatchObject({ code: 'HK_NO_HYPERVISOR' });
  } finally {
    if (before === undefined) delete process.env['HYPERKIT_QEMU'];
    else process.env['HYPERKIT_QEMU'] = before;
  }
});
