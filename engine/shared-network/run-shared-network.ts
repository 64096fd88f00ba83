import path from 'node:path';
import { BoundedLog } from '../console/bounded-log';
import { EngineError } from '../errors';
import { claimMachine, identifyOwnProcess } from '../machine/claim';
import { type EthernetServer, serveEthernet } from '../net/ethernet/serve-ethernet';
import { hasIpv6Uplink } from '../net/gateway/ipv6-uplink';
import { openGateway } from '../net/open-gateway';
import { sharedNetworkFiles } from './shared-network-files';

/** As in a machine's network of its own: the wire is memory. Overlay networks inside of it have Docker's own 1450. */
const MTU = 65_520;
const LOG_BYTES = 256 * 1024;
/** Longer than a machine takes from finding the network there to plugging in. */
const IDLE_MS = 60_000;
const LOOK_EVERY_MS = 5_000;

/**
 * The whole life of the process that has the network of several machines: a switch between them, and a way out. It ends
 * when told by a signal, or when nobody has been plugged in for a minute: machines are ended in many ways, and whoever
 * starts one starts the network with it. Answers the exit status; 0 also when another process has the network already.
 */
export async function runSharedNetwork(folder: string): Promise<number> {
  process.umask(0o077);
  process.title = `hyperkit: network ${path.basename(folder)}`;
  process.chdir('/');
  const ended = new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => resolve(name));
  });
  const files = sharedNetworkFiles(folder);
  try {
    await claimMachine(folder, await identifyOwnProcess());
  } catch (error) {
    if (error instanceof EngineError && error.code === 'HK_MACHINE_RUNNING') return 0;
    throw error;
  }
  const journal = new BoundedLog(files.log, { maxBytes: LOG_BYTES });
  const log = (line: string): void => journal.write(`${new Date().toISOString()} ${line}\n`);
  try {
    const gateway = openGateway({
      // The host's loopback is not there at all: a machine's --host-ports are for networks of one machine.
      network: { mtu: MTU, hostAlias: '0.0.0.0', ipv6: hasIpv6Uplink() ? undefined : false },
      hostAccess: 'none',
      hostNames: [],
      addressFile: files.addresses,
      log,
    });
    try {
      const server = await serveEthernet(gateway, { kind: 'path', path: files.socket }, { log });
      log(`network process ${process.pid} serves ${files.socket}`);
      log(`ends: ${await Promise.race([ended, idle(server)])}`);
      server.close();
    } finally {
      await gateway.close();
    }
    return 0;
  } catch (error) {
    log((error as Error).message);
    return 1;
  } finally {
    journal.close();
  }
}

async function idle(server: EthernetServer): Promise<string> {
  return await new Promise((resolve) => {
    const timer = setInterval(() => {
      if (server.idleMs() < IDLE_MS) return;
      clearInterval(timer);
      resolve('nobody is plugged in');
    }, LOOK_EVERY_MS);
  });
}
