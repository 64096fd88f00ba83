import { existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { DriverError } from '../errors';

/** Where Docker Desktop for Mac keeps it, newest first: HyperKit's Go binding looks there for `auto`. */
const DOCKER_DESKTOP = 'Library/Containers/com.docker.docker/Data';
const KNOWN = [`${DOCKER_DESKTOP}/vpnkit.eth.sock`, `${DOCKER_DESKTOP}/s50`];

/**
 * The Ethernet socket that `--hyperkit-vpnkit-sock` means; undefined when it is empty: the machine gets a network of its own.
 * @throws DriverError HK_FLAG_INVALID when there is no socket
 */
export function findVpnkitSocket(value: string, home = homedir()): string | undefined {
  if (value === '') return undefined;
  if (value === 'auto') {
    const known = KNOWN.map((place) => path.join(home, place));
    const found = known.find((place) => existsSync(place));
    if (found !== undefined) return found;
    throw refused(
      value,
      `no VPNKit listens at ${known.join(' or ')}; give the path of its socket, or leave the option out`,
    );
  }
  const socket = path.resolve(value);
  const stat = statSync(socket, { throwIfNoEntry: false });
  if (stat === undefined) throw refused(value, 'there is no such file; start vpnkit or gvproxy first');
  if (!stat.isSocket())
    throw refused(value, 'it is not a unix socket; give the one that vpnkit listens on for Ethernet');
  return socket;
}

function refused(value: string, why: string): DriverError {
  return new DriverError('HK_FLAG_INVALID', `cannot use --hyperkit-vpnkit-sock=${value}: ${why}`);
}
