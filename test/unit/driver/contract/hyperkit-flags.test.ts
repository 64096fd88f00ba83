import { HYPERKIT_FLAGS, readHyperkitFlags } from '../../../../driver/contract/hyperkit-flags';

const read = (values: Record<string, string | number | boolean | readonly string[]> = {}) =>
  readHyperkitFlags(new Map(Object.entries(values)));
const codeOf = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
};

test('names, environment variables and defaults are those of the Go forks', () => {
  const flag = (name: string) => HYPERKIT_FLAGS.find((candidate) => candidate.name === name);
  expect(flag('hyperkit-boot2docker-url')).toMatchObject({
    kind: 'string',
    envVar: 'HYPERKIT_BOOT2DOCKER_URL',
    value: '',
  });
  expect(flag('hyperkit-cpu-count')).toMatchObject({ kind: 'int', envVar: 'HYPERKIT_CPU_COUNT', value: 1 });
  expect(flag('hyperkit-memory-size')).toMatchObject({ kind: 'int', envVar: 'HYPERKIT_MEMORY_SIZE', value: 1024 });
  expect(flag('hyperkit-disk-size')).toMatchObject({ kind: 'int', envVar: 'HYPERKIT_DISK_SIZE', value: 20000 });
  expect(new Set(HYPERKIT_FLAGS.map(({ name }) => name)).size).toBe(HYPERKIT_FLAGS.length);
});

test('missing keys are defaults, unknown keys are ignored', () => {
  expect(read({ 'swarm-image': 'swarm:latest', driver: 'hyperkit' })).toMatchObject({
    cpuCount: 1,
    memoryMb: 1024,
    diskMb: 20000,
    engine: 'auto',
    accelerator: 'auto',
    uuid: '',
  });
});

test('a UUID is taken in any case', () => {
  expect(read({ 'hyperkit-uuid': '3A1F6A44-9C1E-4BE8-8D3C-0242AC120002' }).uuid).toBe(
    '3a1f6a44-9c1e-4be8-8d3c-0242ac120002',
  );
});

test.each([
  [
    ['5432', '8080'],
    ['5432', '8080'],
  ],
  [['5432, 8080'], ['5432', '8080']],
  [['5432', 'all'], ['all']],
  [[], []],
])('ports of the host %j are %j', (given, read_) => {
  expect(read({ 'hyperkit-host-ports': given }).hostPorts).toEqual(read_);
});

test.each([
  ['hyperkit-cpu-count', 0],
  ['hyperkit-cpu-count', 1.5],
  ['hyperkit-cpu-count', '2'],
  ['hyperkit-memory-size', 16],
  ['hyperkit-disk-size', 100],
  ['hyperkit-uuid', 'not-a-uuid'],
  ['hyperkit-engine', 'xen'],
  ['hyperkit-accel', 'warp'],
  ['hyperkit-bind-address', '0.0.0.0'],
  ['hyperkit-bind-address', '127.0.0.256'],
  ['hyperkit-bind-address', 'localhost'],
  ['hyperkit-cmdline', 'two\nlines'],
  ['hyperkit-host-ports', ['80', '0']],
  ['hyperkit-host-ports', ['65536']],
  ['hyperkit-host-ports', ['some']],
])('--%s=%j is refused with its name in the text', (name, value) => {
  expect(codeOf(() => read({ [name]: value }))).toBe('HK_FLAG_INVALID');
  expect(() => read({ [name]: value })).toThrow(`--${name}`);
});

test.each([
  ['hyperkit-vsock-ports', ['2048']],
  ['hyperkit-nfs-shares', ['/home']],
])('--%s belongs to a part not built yet: refused, not ignored', (name, value) => {
  expect(codeOf(() => read({ [name]: value }))).toBe('HK_FLAG_UNSUPPORTED');
});
