import { findIngress, readIngressPorts } from '../../../../engine/ports/ingress-ports';

test('a machine is in a Swarm when one of its networks is the ingress', () => {
  expect(
    findIngress([
      { Id: 'a1', Ingress: false },
      { Id: 'b2', Ingress: true },
    ]),
  ).toBe('b2');
  expect(findIngress([{ Id: 'a1', Ingress: false }])).toBeUndefined();
  expect(findIngress([])).toBeUndefined();
});

test.each([undefined, null, 'networks', [null], [{ Ingress: true }], [{ Id: '../containers', Ingress: true }]])(
  'what is no list of networks has no ingress: %j',
  (networks) => expect(findIngress(networks)).toBeUndefined(),
);

test('each published port of a service is there once, for both protocols', () => {
  const network = {
    Services: {
      web: { VIP: '10.0.0.4', Ports: ['Target: 80, Publish: 8080', 'Target: 81, Publish: 8081'], Tasks: [] },
      api: { Ports: ['Target: 90, Publish: 8080'] },
      inside: { Ports: [] },
    },
  };
  expect(readIngressPorts(network)).toEqual([
    { protocol: 'tcp', port: 8080 },
    { protocol: 'udp', port: 8080 },
    { protocol: 'tcp', port: 8081 },
    { protocol: 'udp', port: 8081 },
  ]);
});

test.each([
  undefined,
  [],
  { Services: 'web' },
  { Services: { web: null } },
  { Services: { web: { Ports: 'Target: 80, Publish: 80' } } },
  { Services: { web: { Ports: [80, 'Publish: 80', 'Target: 80, Publish: 0', 'Target: 80, Publish: 65536'] } } },
])('what makes no sense is no port: %j', (network) => expect(readIngressPorts(network)).toEqual([]));

test('a guest that claims more ports than there are is cut off', () => {
  const ports = Array.from({ length: 5000 }, (_, index) => `Target: 80, Publish: ${1 + index}`);
  expect(readIngressPorts({ Services: { web: { Ports: ports } } })).toHaveLength(2048);
});
