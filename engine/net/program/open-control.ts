import { formatIpv4 } from '../addressing/ipv4';
import { formatMac, macFromNumber } from '../addressing/mac';
import { attachStream } from '../attach/attach-stream';
import { ControlServer } from '../control/control-server';
import { dialGuest } from '../forwards/dial-guest';
import { createPortTree } from '../ninep/port-tree';
import { serveNineP } from '../ninep/serve-nine-p';
import type { OpenGateway } from '../open-gateway';
import type { Closers } from './closers';
import type { ProgramSettings } from './command-line';
import { listenStream } from './listen-stream';

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
    dial: (endpoint) => dialGuest(network, endpoint),
    connect: (stream) => void attachStream(gateway, stream),
  });
  closers.add(() => control.close());
  for (const url of services) closers.add(await listenStream(url, (socket) => control.accept(socket)));
}
