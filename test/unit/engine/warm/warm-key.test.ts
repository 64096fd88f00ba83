import { WARM_KEY, type WarmDependencies, warmKey } from '../../../../engine/warm/warm-key';
import { DEPENDENCIES } from './warm-bench';

test('the order in which dependencies were set does not matter', () => {
  const reversed = (value: object): object => Object.fromEntries(Object.entries(value).reverse());
  const other = { ...reversed(DEPENDENCIES), hypervisor: reversed(DEPENDENCIES.hypervisor) } as WarmDependencies;
  expect(warmKey(other)).toBe(warmKey(DEPENDENCIES));
  expect(warmKey(DEPENDENCIES)).toMatch(WARM_KEY);
});

test.each([
  ['gateway', { gateway: '2.0.1' }],
  ['ISO', { iso: 'b'.repeat(64) }],
  ['QEMU', { hypervisor: { engine: 'qemu 7.2.1', accelerator: 'tcg' } }],
  ['CPU', { hypervisor: { engine: 'qemu 7.2.0', accelerator: 'tcg', cpu: 'another' } }],
  ['number of CPUs', { vcpus: 2 }],
  ['memory', { memoryMiB: 128 }],
  ['disk', { diskBytes: 16 * 1024 * 1024 }],
  ['command line', { commandLine: 'quiet nokaslr' }],
] satisfies ReadonlyArray<readonly [string, Partial<WarmDependencies>]>)(
  'another %s means another image',
  (_what, change) => {
    expect(warmKey({ ...DEPENDENCIES, ...change })).not.toBe(warmKey(DEPENDENCIES));
  },
);
