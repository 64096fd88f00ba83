import { EngineError } from '../../errors';
import { readSmallFile } from '../../storage/small-file';
import { attachByMac } from '../attach/attach-by-mac';
import { listenQemu } from '../attach/listen-qemu';
import { listenVfkit } from '../attach/listen-vfkit';
import { FrameTaps } from '../capture/frame-tap';
import { serveEthernet } from '../ethernet/serve-ethernet';
import { type FlowTunnel, findTunnel, parseFlowTunnels } from '../forwards/flow-tunnels';
import { type GatewayPort, GatewayPorts } from '../forwards/gateway-ports';
import { parseGatewayPortsFile } from '../forwards/gateway-ports-config';
import { hasIpv6Uplink } from '../gateway/ipv6-uplink';
import { openTapLink } from '../link/tap-link';
import { type OpenGateway, openGateway } from '../open-gateway';
import { WatchedFile } from '../watched-file';
import { Closers } from './closers';
import type { ProgramSettings } from './command-line';
import { openControl } from './open-control';
import { openHttp } from './open-http';
import { openInsight } from './open-insight';

const MAX_FILE_BYTES = 1024 * 1024;

/** A network that runs. */
export interface OpenProgram {
  /** Closes everything and removes its sockets. Idempotent. */
  close(): Promise<void>;
}

/** Opens everything that the settings ask for; when a part fails, what was open is closed. @throws EngineError */
export async function openProgram(settings: ProgramSettings, log: (line: string) => void): Promise<OpenProgram> {
  const closers = new Closers();
  try {
    const taps = new FrameTaps();
    const gateway = await openNetwork(settings, taps, closers, log);
    await openInsight(gateway, taps, settings, closers);
    await openControl(gateway, settings, closers);
    await plugGuests(gateway, settings, closers, log);
  } catch (error) {
    await closers.close();
    throw error;
  }
  return { close: () => closers.close() };
}

async function openNetwork(
  settings: ProgramSettings,
  taps: FrameTaps,
  closers: Closers,
  log: (line: string) => void,
): Promise<OpenGateway> {
  const http = await openHttp(settings, closers, log);
  const tunnels = readTunnels(settings.tunnelsFile);
  const isWatched = settings.pcap !== undefined || settings.diagnostics !== undefined;
  const { masquerade, maxConnections, udpIdleMs } = settings;
  const gateway = openGateway({
    ...settings,
    network: { ...settings.addresses, ipv6: hasIpv6Uplink() ? undefined : false },
    hostAccess: 'all',
    log,
    options: {
      udpIdleMs,
      masquerade,
      ...(maxConnections === undefined ? {} : { maxConnections }),
      ...(isWatched ? { taps } : {}),
      gatewayPort: (port) => gatewayPorts.tcp(port),
      intercept: (flow) => findTunnel(tunnels, flow) ?? http?.intercept(flow),
    },
  });
  closers.add(() => gateway.close());
  http?.serve(gateway.services);
  const gatewayPorts = new GatewayPorts(gateway.network.reactor, gateway.services.datagrams);
  closers.add(() => gatewayPorts.close());
  gatewayPorts.replace(settings.gatewayPorts);
  if (settings.gatewayPortsFile !== undefined) {
    const watch = watchGatewayPorts(settings.gatewayPortsFile, log, (ports) =>
      gatewayPorts.replace([...settings.gatewayPorts, ...ports]),
    );
    closers.add(() => watch.close());
  }
  return gateway;
}

async function plugGuests(
  gateway: OpenGateway,
  { ethernet, qemu, vfkit, tap }: ProgramSettings,
  closers: Closers,
  log: (line: string) => void,
): Promise<void> {
  const opened: { close(): void }[] = [];
  closers.add(() => {
    for (const each of opened) each.close();
  });
  if (tap !== undefined) {
    opened.push(attachByMac(gateway, (receive) => openTapLink(gateway.network.reactor, tap.name, receive, tap.netns)));
  }
  for (const url of ethernet) opened.push(await serveEthernet(gateway, url, { log }));
  for (const url of qemu) opened.push(await listenQemu(gateway, url));
  for (const url of vfkit) opened.push(await listenVfkit(gateway, url));
}

function readTunnels(file: string | undefined): readonly FlowTunnel[] {
  if (file === undefined) return [];
  const reading = readSmallFile(file, MAX_FILE_BYTES);
  if ('text' in reading) return parseFlowTunnels(reading.text);
  throw new EngineError('HK_NET_CONFIG_INVALID', `cannot use ${file}: ${reading.problem}`);
}

/** A file that is missing or wrong is logged, and what it said before stays in force. */
function watchGatewayPorts(
  file: string,
  log: (line: string) => void,
  use: (ports: readonly GatewayPort[]) => void,
): WatchedFile {
  return new WatchedFile(file, {
    maxBytes: MAX_FILE_BYTES,
    log,
    onReading: (reading) => {
      try {
        if ('problem' in reading) throw new Error(reading.problem);
        use(parseGatewayPortsFile(reading.text));
      } catch (error) {
        log(`cannot use ${file}: ${(error as Error).message}`);
      }
    },
  });
}
