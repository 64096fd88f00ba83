import fc from 'fast-check';
import { readPublishedPorts } from '../../../../engine/ports/published-ports';

test('ports of Docker 26 as it answers: both address families are one port, exposed ones are none', () => {
  expect(
    readPublishedPorts([
      {
        Id: 'a',
        Ports: [
          { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
          { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
          { PrivatePort: 443, Type: 'tcp' },
          { IP: '127.0.0.1', PrivatePort: 9, PublicPort: 9, Type: 'tcp' },
          { IP: '0.0.0.0', PrivatePort: 53, PublicPort: 53, Type: 'udp' },
          { IP: '0.0.0.0', PrivatePort: 7, PublicPort: 7, Type: 'sctp' },
        ],
      },
      { Id: 'b', Ports: [] },
    ]),
  ).toEqual([
    { protocol: 'tcp', port: 8080 },
    { protocol: 'udp', port: 53 },
  ]);
});

test('whatever a guest answers, it is at most 1024 real ports', () => {
  const entry = fc.record({
    IP: fc.string(),
    PublicPort: fc.oneof(fc.integer(), fc.double(), fc.string()),
    Type: fc.constantFrom('tcp', 'udp', 'x'),
  });
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.array(fc.record({ Ports: fc.array(entry) }))), (answer) => {
      for (const { port } of readPublishedPorts(answer))
        expect(Number.isInteger(port) && port > 0 && port < 65_536).toBe(true);
    }),
  );
  const many = [{ Ports: Array.from({ length: 5000 }, (_, index) => ({ PublicPort: index + 1, Type: 'tcp' })) }];
  expect(readPublishedPorts(many)).toHaveLength(1024);
});
