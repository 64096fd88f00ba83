import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import { EngineError } from '../../../../../engine/errors';
import type { DatagramService } from '../../../../../engine/net/flow';
import { type GatewayPort, GatewayPorts } from '../../../../../engine/net/forwards/gateway-ports';
import { parseGatewayPorts, parseGatewayPortsFile } from '../../../../../engine/net/forwards/gateway-ports-config';
import { parseAddress } from '../../../../../engine/net/wire/ip-address';
import { countDescriptors } from '../../../../support/descriptors';
import { FakeGuest, GATEWAY_IP, GUEST_IP } from '../fixtures/fake-guest';
import { RST, readDatagram, SYN, UDP, udpBytes } from '../fixtures/packets';
import { closeAll, listenOnHost, openNetwork } from '../fixtures/test-network';

const loopback = parseAddress('127.0.0.1')!;
let ports: GatewayPorts;
let datagrams: Map<number, DatagramService>;
let guest: FakeGuest;

function open(own: readonly (readonly [number, DatagramService])[] = []): void {
  datagrams = new Map(own);
  const network = openNetwork({
    services: { streams: new Map(), datagrams },
    gatewayPort: (port) => ports.tcp(port),
  });
  ports = new GatewayPorts(network.reactor, datagrams);
  guest = new FakeGuest(network);
}

function send(sourcePort: number, port: number, text: string): void {
  const body = udpBytes(GUEST_IP, GATEWAY_IP, sourcePort, port, Buffer.from(text));
  guest.send({ destination: GATEWAY_IP, protocol: UDP, body });
}

async function receive(): Promise<string> {
  const packet = await guest.packets.next(({ protocol }) => protocol === UDP);
  const { sourcePort, destinationPort, payload } = readDatagram(packet);
  return `${packet.source}:${sourcePort} ${destinationPort} ${payload.toString()}`;
}

/** Answers each datagram with what it is and how many sockets have sent to it. */
async function startEcho(): Promise<{ readonly port: number; close(): void }> {
  const socket = createSocket('udp4');
  const peers = new Set<number>();
  socket.on('message', (message, from) => {
    peers.add(from.port);
    socket.send(`${message.toString()} ${peers.size}`, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { port: socket.address().port, close: () => void socket.close() };
}

afterEach(() => {
  ports.close();
  closeAll();
});

test('a TCP port of the gateway is one of the host', async () => {
  open();
  const host = await listenOnHost();
  ports.replace([{ protocol: 'tcp', port: 8080, to: { address: loopback, port: host.port } }]);
  const connection = guest.tcp(40_000, 8080, GATEWAY_IP);
  await connection.open();
  const socket = await host.connections.next();
  socket.write('hello');
  expect((await connection.receive(5)).toString()).toBe('hello');
  ports.replace([]);
  const refused = guest.tcp(40_001, 8080, GATEWAY_IP);
  refused.send(SYN);
  expect((await refused.segments.next()).flags & RST).toBe(RST);
});

test('a UDP port of the gateway is one of the host, with a socket for each source port', async () => {
  const before = countDescriptors();
  open();
  const opened = countDescriptors();
  const echo = await startEcho();
  ports.replace([{ protocol: 'udp', port: 123, to: { address: loopback, port: echo.port } }]);
  send(5000, 123, 'a');
  expect(await receive()).toBe(`${GATEWAY_IP}:123 5000 a 1`);
  send(5000, 123, 'b');
  expect(await receive()).toBe(`${GATEWAY_IP}:123 5000 b 1`);
  send(5001, 123, 'c');
  expect(await receive()).toBe(`${GATEWAY_IP}:123 5001 c 2`);
  for (let port = 10_000; port < 10_600; port++) send(port, 123, 'many');
  expect(countDescriptors()).toBeLessThanOrEqual(opened + 1 + 512);
  ports.close();
  echo.close();
  closeAll();
  expect(countDescriptors()).toBeLessThanOrEqual(before);
});

test('forwards come before the own services, which are back afterwards', async () => {
  open([[53, (_payload, _flow, reply) => reply(Buffer.from('own'))]]);
  const echo = await startEcho();
  const forward: GatewayPort = { protocol: 'udp', port: 53, to: { address: loopback, port: echo.port } };
  send(5000, 53, 'a');
  expect(await receive()).toContain('own');
  ports.replace([forward, { ...forward, to: { address: loopback, port: 1 } }]);
  send(5000, 53, 'a');
  expect(await receive()).toContain('a 1');
  ports.replace([]);
  send(5000, 53, 'a');
  expect(await receive()).toContain('own');
  echo.close();
});

describe('the command line', () => {
  beforeEach(() => open());

  test('names ports, addresses and ports', () => {
    expect(parseGatewayPorts('tcp', '80:127.0.0.1:8080,443:10.0.0.1:8443')).toEqual([
      { protocol: 'tcp', port: 80, to: { address: loopback, port: 8080 } },
      { protocol: 'tcp', port: 443, to: { address: parseAddress('10.0.0.1'), port: 8443 } },
    ]);
  });

  test.each(['80', '80:localhost:80', '0:127.0.0.1:80', '80:127.0.0.1:0', '80:127.0.0.1:80:90', '80:::1:80'])(
    '%s is refused',
    (text) => {
      expect(() => parseGatewayPorts('udp', text)).toThrow(
        `cannot read the gateway's forwards: "${text}" is not of the form PORT:IPV4:PORT`,
      );
    },
  );
});

describe('the file', () => {
  beforeEach(() => open());

  test('is a list of VPNKit’s fields', () => {
    const text = '[{"protocol":"udp","external_port":123,"internal_ip":"127.0.0.1","internal_port":1123}]';
    expect(parseGatewayPortsFile(text)).toEqual([
      { protocol: 'udp', port: 123, to: { address: loopback, port: 1123 } },
    ]);
  });

  test('is refused with the place of the mistake', () => {
    expect(() => parseGatewayPortsFile('[{"protocol":"sctp"}]')).toThrow(/0\.protocol/);
    expect(() => parseGatewayPortsFile('{')).toThrow(/it is not JSON/);
  });

  test('can hold anything', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        for (const parse of [parseGatewayPortsFile, (each: string) => parseGatewayPorts('tcp', each)]) {
          try {
            expect(parse(text)).toBeInstanceOf(Array);
          } catch (error) {
            expect(error).toBeInstanceOf(EngineError);
          }
        }
      }),
    );
  });
});
