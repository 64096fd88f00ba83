import os from 'node:os';
import fc from 'fast-check';
import { EngineError } from '../../../../engine/errors';
import { parseVmSpec } from '../../../../engine/spec/validate';
import type { VmSpec } from '../../../../engine/spec/vm-spec';

const valid: VmSpec = {
  name: 'dev',
  stateDir: '/machines/dev',
  uuid: '0b6d0f0a-8d1c-4a53-9a1e-0123456789ab',
  vcpus: 2,
  memoryMiB: 64,
  boot: { kernel: '/machines/dev/vmlinuz', initrd: '/machines/dev/initrd.img', commandLine: 'console=ttyS0 a="b, c"' },
  disks: [{ path: '/machines/dev/disk,1.img', readOnly: false }],
  cdroms: ['/machines/dev/boot2docker.iso'],
  network: {
    bindAddress: '127.64.0.1',
    forwards: [
      { hostPort: 22, guestPort: 22 },
      { hostPort: 2376, guestPort: 2376 },
    ],
    macAddress: '52:54:00:12:34:56',
    hostname: 'dev',
  },
  hypervisor: 'auto',
  accelerator: 'auto',
};

function complaintAbout(change: object): string {
  try {
    parseVmSpec({ ...valid, ...change });
  } catch (error) {
    expect(error).toMatchObject({ name: 'EngineError', code: 'HK_SPEC_INVALID' });
    return (error as Error).message.replace('cannot use this machine specification: ', '');
  }
  throw new Error(`accepted ${JSON.stringify(change)}`);
}

const network = (change: object): object => ({ network: { ...valid.network, ...change } });
const docker = { ca: '/certs/ca.pem', certificate: '/certs/s.pem', key: '/certs/k.pem', profile: 'DOCKER_TLS=auto\n' };
const warm = (change: object): object => ({
  warm: { image: '/warm/KEY', authorizedKeys: 'ssh-rsa AAAA', docker: { ...docker, ...change } },
});

test('a good specification comes back as it is', () => {
  expect(parseVmSpec(valid)).toEqual(valid);
  expect(parseVmSpec({ ...valid, ...warm({}) })).toEqual({ ...valid, ...warm({}) });
});

test.each<readonly [object, string]>([
  [warm({ ca: 'ca.pem' }), 'warm.docker.ca "ca.pem" must be an absolute path'],
  [warm({ key: undefined }), 'warm.docker.key undefined must be a text'],
  [warm({ profile: '' }), 'warm.docker.profile "" must have a content'],
  [warm({ profile: 'x'.repeat(5000) }), 'warm.docker.profile "xxx'],
  [{ vcpus: 0 }, 'vcpus 0 must be between 1 and '],
  [{ vcpus: 1.5 }, 'vcpus 1.5 must be a whole number'],
  [{ vcpus: 256 }, 'vcpus 256 must be between 1 and '],
  [{ vcpus: '2' }, 'vcpus "2" must be a number'],
  [{ memoryMiB: 63 }, 'memoryMiB 63 must be at least 64 MiB'],
  [
    { memoryMiB: 2 ** 40 },
    `memoryMiB ${2 ** 40} is more than this computer's ${Math.floor(os.totalmem() / 2 ** 20)} MiB`,
  ],
  [{ name: '' }, 'name "" must be'],
  [{ name: 'a,b' }, 'name "a,b" must be'],
  [{ name: undefined }, 'name undefined must be a text'],
  [{ stateDir: 'relative' }, 'stateDir "relative" must be an absolute path'],
  [{ stateDir: '/a\0b' }, 'stateDir "/a\\u0000b" must not contain line breaks or NUL'],
  [{ uuid: '0B6D0F0A-8D1C-4A53-9A1E-0123456789AB' }, 'uuid "0B6D0F0A'],
  [{ boot: { ...valid.boot, kernel: 'vmlinuz' } }, 'boot.kernel "vmlinuz" must be an absolute path'],
  [{ boot: { ...valid.boot, commandLine: 'x'.repeat(2048) } }, 'boot.commandLine "xxx'],
  [{ disks: [{ path: 'x', readOnly: false }] }, 'disks.0.path "x" must be an absolute path'],
  [{ cdroms: Array.from({ length: 5 }, () => '/x.iso') }, 'cdroms ["/x.iso"'],
  [network({ bindAddress: '::1' }), 'network.bindAddress "::1" must be an IPv4 address'],
  [network({ bindAddress: '127.0.0.1,hostfwd=tcp::1-:1' }), 'network.bindAddress "127.0.0.1,hostfwd'],
  [
    network({ forwards: [{ hostPort: 0, guestPort: 22 }] }),
    'network.forwards.0.hostPort 0 must be between 1 and 65535',
  ],
  [network({ forwards: [1, 2].map((guestPort) => ({ hostPort: 80, guestPort })) }), 'network.forwards [{"hostPort":80'],
  [
    network({ macAddress: '53:54:00:12:34:56' }),
    'network.macAddress "53:54:00:12:34:56" must not be a multicast address',
  ],
  [network({ macAddress: '52:54:00:12:34' }), 'network.macAddress "52:54:00:12:34" must be six'],
  [network({ hostname: 'a b' }), 'network.hostname "a b" must be a host name'],
  [{ accelerator: 'xen' }, 'accelerator "xen" must be auto, kvm, hvf or tcg'],
  [{ surprise: 1 }, 'surprise is not a field of a machine'],
  [{ network: null }, 'network null must be an object'],
])('%j is refused', (change, complaint) => {
  expect(complaintAbout(change).startsWith(complaint)).toBe(true);
});

test('what is missing is named', () => {
  expect(() => parseVmSpec({})).toThrow('name is missing');
  expect(() => parseVmSpec(undefined)).toThrow('the specification is missing');
});

test('anything at all is either accepted or refused with one short line', () => {
  const keys = Object.keys(valid);
  const damaged = fc.tuple(fc.constantFrom(...keys), fc.anything()).map(([key, value]) => ({ ...valid, [key]: value }));
  fc.assert(
    fc.property(fc.oneof(fc.anything(), damaged), (input) => {
      try {
        parseVmSpec(input);
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
        expect((error as Error).message).not.toContain('\n');
        expect((error as Error).message.length).toBeLessThan(400);
      }
    }),
  );
});
