import { statSync } from 'node:fs';
import path from 'node:path';
import { sharedNetworkFiles } from '../../engine/shared-network/shared-network-files';
import { findVpnkitSocket } from '../config/vpnkit-socket';
import { DriverError } from '../errors';
import { isMachineName } from '../store/machine-name';

/** What a machine's VpnKitSock says of the network of a swarm: this and the swarm's name. */
const PREFIX = 'swarm:';

/** The value of --hyperkit-vpnkit-sock for the machines of a swarm. */
export function swarmNetworkOption(swarm: string): string {
  return `${PREFIX}${swarm}`;
}

/** The swarm that a machine belongs to by its VpnKitSock; undefined: none. Its name can be part of a path. */
export function swarmOfOption(vpnkitSock: string): string | undefined {
  const name = vpnkitSock.startsWith(PREFIX) ? vpnkitSock.slice(PREFIX.length) : '';
  return isMachineName(name) ? name : undefined;
}

/** swarms/NAME: what is known of a swarm, and the files of its network. */
export function swarmFolder(storePath: string, swarm: string): string {
  return path.join(storePath, 'swarms', swarm);
}

/** Whether the store has a swarm of that name: its folder is it. */
export function hasSwarm(storePath: string, name: string): boolean {
  const stat = isMachineName(name) ? statSync(swarmFolder(storePath, name), { throwIfNoEntry: false }) : undefined;
  return stat?.isDirectory() === true;
}

/**
 * The Ethernet socket that a machine's VpnKitSock means, undefined when it is empty: a swarm's, or what
 * findVpnkitSocket knows.
 * @throws DriverError HK_FLAG_INVALID
 */
export function findNetworkSocket(vpnkitSock: string, storePath: string): string | undefined {
  const swarm = swarmOfOption(vpnkitSock);
  if (swarm === undefined) return findVpnkitSocket(vpnkitSock);
  if (!hasSwarm(storePath, swarm)) {
    const text = `this store has no swarm "${swarm}"; "hyperkit swarm ls" lists them, "hyperkit swarm create" makes one`;
    throw new DriverError('HK_FLAG_INVALID', `cannot use --hyperkit-vpnkit-sock=${vpnkitSock}: ${text}`);
  }
  return sharedNetworkFiles(swarmFolder(storePath, swarm)).socket;
}
