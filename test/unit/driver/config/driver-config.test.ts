import fc from 'fast-check';
import { emptyConfig, mergeConfig, serializeConfig } from '../../../../driver/config/driver-config';

const merge = (json: string) => mergeConfig(emptyConfig(), json);

test('keys match without regard to case, as in encoding/json', () => {
  expect(merge('{"ipaddress":"127.64.1.2","CPU":2,"memory":2048}').document.config).toMatchObject({
    IPAddress: '127.64.1.2',
    CPU: 2,
    Memory: 2048,
  });
});

test('null and missing keys keep what was there', () => {
  const before = merge('{"CPU":2,"UUID":"u"}').document;
  expect(mergeConfig(before, '{"CPU":null}').document.config).toMatchObject({ CPU: 2, UUID: 'u' });
});

test('keys we do not know are written back', () => {
  const { document } = merge('{"MachineName":"m","QcowTool":{"deep":[1,2]},"SharedDirs":null}');
  expect(JSON.parse(serializeConfig(document))).toMatchObject({
    MachineName: 'm',
    QcowTool: { deep: [1, 2] },
    SharedDirs: null,
  });
});

test('a wrong type is left out and told without its value', () => {
  const { document, complaints } = merge('{"CPU":"secret","NFSShares":[1],"Memory":-1,"IPAddress":"127.64.0.1"}');
  expect(document.config).toMatchObject({ CPU: 0, NFSShares: [], Memory: 0, IPAddress: '127.64.0.1' });
  expect(complaints).toHaveLength(3);
  expect(complaints.join()).not.toContain('secret');
});

test('the configuration of the machine-drivers hyperkit driver loads', () => {
  const { document, complaints } = merge(
    JSON.stringify({
      IPAddress: '192.168.64.5',
      MachineName: 'default',
      SSHUser: 'docker',
      SSHPort: 0,
      SSHKeyPath: '',
      StorePath: '/s',
      SwarmMaster: false,
      SwarmHost: '',
      SwarmDiscovery: '',
      Boot2DockerURL: '',
      DiskSize: 20000,
      CPU: 1,
      Memory: 1024,
      Cmdline: 'loglevel=3',
      NFSShares: null,
      NFSSharesRoot: '/nfsshares',
      UUID: '',
      BootKernel: '',
      BootInitrd: '',
      Initrd: 'initrd.img',
      Vmlinuz: 'vmlinuz64',
    }),
  );
  expect(complaints).toEqual([]);
  expect(document.config).toMatchObject({
    MachineName: 'default',
    DiskSize: 20000,
    Cmdline: 'loglevel=3',
    NFSShares: [],
  });
  expect(document.unknown.get('Vmlinuz')).toBe('vmlinuz64');
});

test.each(['', 'no json', '[]', '"text"', 'null', '7'])(
  'text that is no object (%j) changes nothing and does not throw',
  (text) => {
    const { document, complaints } = merge(text);
    expect(document).toEqual(emptyConfig());
    expect(complaints).toHaveLength(1);
  },
);

test('anything a peer may send neither throws nor changes the shape', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      const { document } = merge(text);
      for (const [key, value] of Object.entries(emptyConfig().config)) {
        expect(typeof document.config[key as keyof typeof document.config]).toBe(typeof value);
      }
      expect(() => serializeConfig(document)).not.toThrow();
    }),
  );
});

test('what was serialized merges back to the same', () => {
  const { document } = merge('{"MachineName":"a","CPU":3,"VSockPorts":["1"],"__proto__":{"x":1},"Other":1}');
  expect(merge(serializeConfig(document)).document.config).toEqual(document.config);
});
