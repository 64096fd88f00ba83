import { chooseAccelerator, describeKvmTrouble } from '../../../../engine/hypervisors/accelerator';
import type { KvmFinding } from '../../../../engine/hypervisors/kvm-speed';
import { listeningInodes } from '../../../../engine/hypervisors/qemu/find-listener';

test('fast enough is no trouble', () => {
  expect(describeKvmTrouble({ kind: 'runs', instructionsPerSecond: 900e6 })).toBeUndefined();
});

test.each<readonly [KvmFinding, RegExp]>([
  [{ kind: 'runs', instructionsPerSecond: 1.8e6 }, /^KVM: 1\.8 MIPS, too slow for a kernel$/],
  [{ kind: 'hangs', detail: 'no end' }, /^KVM: no end$/],
  ...(
    [
      ['ENOENT', /no \/dev\/kvm; enable virtualisation/],
      ['EACCES', /not open to this user; run "sudo usermod -aG kvm \$USER"/],
      ['EBUSY', /another hypervisor/],
      ['ENODEV', /does not offer virtualisation/],
      ['ENOTTY', /something else/],
      ['EIO', /ioctl\(KVM_CREATE_VM\) fails with EIO/],
    ] as const
  ).map(
    ([errno, text]) =>
      [{ kind: 'refused', call: 'ioctl(KVM_CREATE_VM)', errno }, text] as const satisfies readonly [KvmFinding, RegExp],
  ),
])('%j', (finding, text) => {
  const trouble = describeKvmTrouble(finding);
  expect(`${trouble?.reason}${trouble?.mend}`).toMatch(text);
});

test('emulation always runs, and what was asked for is not replaced', async () => {
  expect(await chooseAccelerator('tcg', '/nowhere')).toEqual({ usable: true, accelerator: 'tcg', note: 'TCG' });
  if (process.platform === 'linux') expect(await chooseAccelerator('hvf', '/nowhere')).toMatchObject({ usable: false });
});

test('the table of listening sockets', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100407F:0948 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3181 1 00 100 0 0 10 0',
    '   1: 0100407F:0948 0100407F:D431 01 00000000:00000000 00:00000000 00000000     0        0 3182 1 00 100 0 0 10 0',
    '   2: 00000000:0948 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3183 1 00 100 0 0 10 0',
  ].join('\n');
  expect(listeningInodes(table, ['0100407F', '00000000'], 2376)).toEqual(['3181', '3183']);
  expect(listeningInodes(table, ['0100407F'], 2377)).toEqual([]);
});
