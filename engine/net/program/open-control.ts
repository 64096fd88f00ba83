import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { sockets } from '../../../native/sockets';
import { EngineError } from '../../errors';
import { formatIpv4 } from '../addressing/ipv4';
import { formatMac, macFromNumber } from '../addressing/mac';
import { attachStream } from '../attach/attach-stream';
import { ControlServer } from '../control/control-server';
import { formatEndpoint } from '../endpoint-text';
import type { Endpoint } from '../flow';
import { createPortTree } from '../ninep/port-tree';
import { serveNineP } from '../ninep/serve-nine-p';
import type { OpenGateway } from '../open-gateway';
import { ipv4, parseAddress } from '../wire/ip-address';
import type { Closers } from './closers';
import type { ProgramSettings } from './command-line';
import { listenStream } from './listen-stream';

const LOOPBACK = ipv4(0x7f00_0001);

/** Opens the sockets by which forwards, names and tunnels are controlled. @throws EngineError */
export async function openControl(
  gateway: OpenGateway,
  { ports, services, allowBind }: ProgramSettings,
  closers: Closers,
): Promise<void> {
  const { forwarder, network, book, dns } = gateway;
  const tree = createPortTree({ forwarder, allowBind });
  for (const url of ports) closers.add(await listenStream(url, (socket) => void serveNineP(socket, tree)));
  if (services.length === 0) return;
  const control = new ControlServer({
    forwarder,
    allowBind,
    leases: () => Object.fromEntries(book.clients().map(({ ip, mac }) => [formatIpv4(ip), formatMac(mac)])),
    dns: { list: () => dns.zones(), add: (zone) => dns.addZone(zone) },
    stats: () => network.tcp.statistics,
    cam: () =>
      Object.fromEntries([...network.switch.places].map(([mac, { name }]) => [formatMac(macFromNumber(mac)), name])),
    dial: (endpoint) => dialGuest(gateway, endpoint),
    connect: (stream) => void attachStream(gateway, stream),
  });
  closers.add(() => control.close());
  for (const url of services) closers.add(await listenStream(url, (socket) => control.accept(socket)));
}

/** Resolves at once: a guest that refuses ends the stream. */
async function dialGuest({ network }: OpenGateway, endpoint: Endpoint): Promise<Duplex> {
  const address = parseAddress(endpoint.address);
  const [ours, theirs] = sockets.pair();
  if (address !== undefined && network.connectToGuest(ours, { address: LOOPBACK, port: 0 }, address, endpoint.port)) {
    return new Socket({ fd: theirs, readable: true, writable: true, allowHalfOpen: true });
  }
  sockets.close(ours);
  sockets.close(theirs);
  throw new EngineError('HK_FORWARD_FAILED', `cannot connect to ${formatEndpoint(endpoint)}: there is no such guest`);
}
