import fc from 'fast-check';
import { escapeValue, qemuArguments } from '../../../../engine/hypervisors/qemu/arguments';
import { parseVersion } from '../../../../engine/hypervisors/qemu/qemu-build';
import { classifyEnd, startFailure } from '../../../../engine/hypervisors/qemu/qemu-failure';
import type { VmSpec } from '../../../../engine/spec/vm-spec';

const spec: VmSpec = {
  name: 'dev',
  stateDir: '/m/dev',
  uuid: '0b6d0f0a-8d1c-4a53-9a1e-0123456789ab',
  vcpus: 2,
  memoryMiB: 1024,
  boot: { kernel: '/m/a,b/vmlinuz', initrd: '/m/initrd', commandLine: 'console=ttyS0 x=1,2' },
  disks: [{ path: '/m/a,b/disk "1".img', readOnly: false }],
  cdroms: ['/m/boot2docker.iso'],
  network: {
    bindAddress: '127.64.0.1',
    forwards: [
      { hostPort: 2222, guestPort: 22 },
      { hostPort: 2376, guestPort: 2376 },
    ],
    macAddress: '52:54:00:12:34:56',
    hostname: 'dev',
  },
  hypervisor: 'auto',
  accelerator: 'auto',
};

test('the whole command line', () => {
  expect(qemuArguments(spec, { accelerator: 'tcg', sandbox: true, nicMtu: undefined }).join('\n')).toMatchSnapshot();
});

test('hardware gets the host’s CPU, a build without seccomp no sandbox', () => {
  const words = qemuArguments(spec, { accelerator: 'kvm', sandbox: false, nicMtu: undefined });
  expect(words.slice(words.indexOf('-accel'), words.indexOf('-accel') + 4)).toEqual(['-accel', 'kvm', '-cpu', 'host']);
  expect(words).not.toContain('-sandbox');
});

test('a template, and a copy of it, differ in what becomes of their memory', () => {
  const generation = 'a5f0c0de-0000-4000-8000-000000000001';
  const words = (role: 'template' | 'copy'): string[] =>
    qemuArguments(spec, {
      accelerator: 'tcg',
      sandbox: true,
      nicMtu: 65_520,
      warm: { memory: '/c/a,b/memory', role, generation },
      incoming: role === 'copy',
    });
  const [template, copy] = [words('template'), words('copy')];
  expect(copy).toContain('memory-backend-file,id=memory,size=1024M,mem-path=/c/a,,b/memory,share=off');
  expect(template.slice(template.indexOf('-object', template.lastIndexOf('ide-cd,bus=ide.0,drive=cd0')))).toEqual([
    ...['-object', 'memory-backend-file,id=memory,size=1024M,mem-path=/c/a,,b/memory,share=on'],
    ...['-device', `vmgenid,guid=${generation}`],
    ...['-device', 'virtio-serial-pci,max_ports=2', '-chardev', 'socket,id=identity,fd=6'],
    ...['-device', 'virtserialport,chardev=identity,name=org.hyperkit.identity'],
  ]);
  const same = (list: string[]): string[] => list.map((word) => word.replace(/share=o\w+/, ''));
  expect(same(copy)).toEqual([...same(template), '-incoming', 'defer']);
});

test('a guest that was suspended has the devices it had, and its memory comes with its state', () => {
  const host = { accelerator: 'tcg', sandbox: true, nicMtu: 65_520 } as const;
  const booted = qemuArguments(spec, host);
  expect(qemuArguments(spec, { ...host, incoming: true })).toEqual([...booted, '-incoming', 'defer']);
  const guest = { role: 'copy', generation: 'a5f0c0de-0000-4000-8000-000000000001' } as const;
  const copy = qemuArguments(spec, { ...host, warm: { ...guest, memory: '/c/memory' } });
  const resumed = qemuArguments(spec, { ...host, warm: { ...guest, memory: undefined }, incoming: true });
  const file = 'memory-backend-file,id=memory,size=1024M,mem-path=/c/memory,share=off';
  const inRam = copy.map((word) => (word === file ? 'memory-backend-ram,id=memory,size=1024M' : word));
  expect(resumed).toEqual([...inRam, '-incoming', 'defer']);
});

test('no text can leave its own value', () => {
  // The inverse: QEMU's reading of a value up to the next single comma.
  const readValue = (text: string): string => (/^(?:[^,]|,,)*/.exec(text)?.[0] ?? '').replaceAll(',,', ',');
  fc.assert(
    fc.property(
      fc.string(),
      (value) => readValue(`${escapeValue(value)},readonly=on`) === value || value.endsWith(','),
    ),
  );
});

test.each([
  ['QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright', '7.2.22'],
  ['QEMU emulator version 11.0.50', '11.0.50'],
  ['QEMU emulator version 8.2 (qemu-8.2-1.el9)', '8.2'],
  ['BusyBox', undefined],
])('version of %j', (text, version) => {
  expect(parseVersion(text)).toBe(version);
});

describe('how QEMU ended', () => {
  const end = { code: 0, signal: null, shutdownReason: undefined, killed: false, lastWords: ['oops'] } as const;
  test.each([
    [{ shutdownReason: 'guest-shutdown' }, { kind: 'power-off' }],
    [{ shutdownReason: 'guest-reset' }, { kind: 'reset' }],
    [{ killed: true, signal: 'SIGKILL' as const, code: null }, { kind: 'killed' }],
    [
      { signal: 'SIGKILL' as const, code: null },
      { kind: 'failed', detail: /ran out of memory.*\n {2}oops$/ },
    ],
    [
      { signal: 'SIGSEGV' as const, code: null },
      { kind: 'failed', detail: /^QEMU crashed with SIGSEGV/ },
    ],
    [{ code: 3 }, { kind: 'failed', detail: /^QEMU ended with status 3/ }],
    [{ shutdownReason: 'host-signal' }, { kind: 'failed', detail: /signal from outside/ }],
    [{ shutdownReason: 'guest-panic' }, { kind: 'failed', detail: /crash of its kernel/ }],
  ])('%j', (change, expected) => {
    const reason = classifyEnd({ ...end, ...change });
    expect(reason.kind).toBe(expected.kind);
    if (reason.kind === 'failed' && 'detail' in expected) expect(reason.detail).toMatch(expected.detail);
  });
});

test.each([
  ["Could not set up host forwarding rule 'tcp:127.64.0.1:2376-:2376'", 'HK_ADDRESS_IN_USE', /127\.64\.0\.1:2376/],
  ["cannot set up guest memory 'pc.ram': Cannot allocate memory", 'HK_HYPERVISOR_FAILED', /1024 MiB/],
  ['Failed to get "write" lock', 'HK_HYPERVISOR_FAILED', /another virtual machine uses one of its disks/],
  ["Could not open '/m/x': Permission denied", 'HK_HYPERVISOR_FAILED', /owner and mode/],
  ['whatever', 'HK_HYPERVISOR_FAILED', /^cannot start machine "dev": QEMU ended\n {2}whatever$/],
])('%s', (words, code, message) => {
  const error = startFailure(spec, 'QEMU ended', [words]);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
});
