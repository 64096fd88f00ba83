import { formatIpv4 } from '../addressing/ipv4';
import { formatMac, macFromNumber } from '../addressing/mac';
import { createDiagnostics, type DiagnosticsMember } from '../capture/diagnostics';
import type { FrameTaps } from '../capture/frame-tap';
import { createPcapStream } from '../capture/pcap-stream';
import { RingCaptures } from '../capture/ring-captures';
import type { OpenGateway } from '../open-gateway';
import { formatAddress } from '../wire/ip-address';
import type { Closers } from './closers';
import type { ProgramSettings } from './command-line';
import { listenStream } from './listen-stream';

/** Of a network with very many connections these are told. */
const MAX_CONNECTIONS_TOLD = 10_000;

/** Opens the sockets that show what happens inside. @throws EngineError */
export async function openInsight(
  gateway: OpenGateway,
  taps: FrameTaps,
  { pcap, snapLength, diagnostics }: ProgramSettings,
  closers: Closers,
): Promise<void> {
  if (pcap !== undefined) {
    const stream = createPcapStream({ taps, snapLength });
    closers.add(() => stream.close());
    closers.add(await listenStream(pcap, (socket) => stream.attach(socket)));
  }
  if (diagnostics !== undefined) {
    const captures = new RingCaptures(snapLength);
    closers.add(taps.attach(captures));
    const dumps = createDiagnostics({ members: membersOf(gateway), captures });
    closers.add(await listenStream(diagnostics, (socket) => void dumps.send(socket)));
  }
}

function membersOf({ network, book, forwarder }: OpenGateway): readonly DiagnosticsMember[] {
  const member = (name: string, tell: () => unknown): DiagnosticsMember => ({
    name: `${name}.json`,
    read: () => `${JSON.stringify(tell(), undefined, 2)}\n`,
  });
  return [
    member('connections', () => [...connectionsOf(network)]),
    member('guests', () =>
      book.clients().map(({ uuid, mac, ip, isConnected }) => ({
        uuid,
        mac: formatMac(mac),
        ip: formatIpv4(ip),
        isConnected,
      })),
    ),
    member('ports', () => forwarder.list().map(({ spec }) => spec)),
    member('switch', () =>
      [...network.switch.places].map(([mac, { name, full }]) => ({
        mac: formatMac(macFromNumber(mac)),
        link: name,
        full,
      })),
    ),
    member('statistics', () => ({ tcp: network.tcp.statistics, dropped: network.gateway.drops })),
  ];
}

function* connectionsOf({ tcp }: OpenGateway['network']): Generator<unknown> {
  let count = 0;
  for (const { ends, phase, bytesFromGuest, bytesToGuest } of tcp.connections()) {
    if (++count > MAX_CONNECTIONS_TOLD) return;
    const guest = { address: formatAddress(ends.guest), port: ends.guestPort };
    const remote = { address: formatAddress(ends.remote), port: ends.remotePort };
    yield { guest, remote, phase, bytesFromGuest, bytesToGuest };
  }
}
