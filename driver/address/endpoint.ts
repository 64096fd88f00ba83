import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { DriverError } from '../errors';
import { type BindOutcome, tryBind } from './bindable';
import { ADDRESS_ATTEMPTS, loopbackAddress } from './loopback-address';

/** Docker's TLS port, the same in the guest and on the host: docker-machine insists on it (it looks for 2376 in the guest). */
export const DOCKER_PORT = 2376;

/** SSH ports on the host side, best first. 22 needs a kernel that lets us (root, or ip_unprivileged_port_start ≤ 22). */
const SSH_PORTS = [22, 2222] as const;

/** Where a machine is reached on this host. */
export interface Endpoint {
  readonly address: string;
  readonly sshPort: number;
}

/** What is known of the machine when its endpoint is chosen. */
export interface EndpointWish {
  readonly storePath: string;
  readonly machineName: string;
  /** Address of an earlier start, '' if there was none. Kept whenever it is still ours, so certificates stay valid. */
  readonly address: string;
  /** SSH port of an earlier start, 0 if there was none. */
  readonly sshPort: number;
  /** Address that the user asked for, '' for one of the machine's own. */
  readonly bindAddress: string;
}

/**
 * Chooses the host address and SSH port of a machine and proves that both can be listened on.
 * @throws DriverError HK_ADDRESS_EXHAUSTED naming the address, the port and what holds it.
 */
export async function chooseEndpoint(wish: EndpointWish): Promise<Endpoint> {
  const fixed = wish.bindAddress !== '' ? wish.bindAddress : wish.address;
  if (fixed !== '') {
    const outcome = await tryBind(fixed, DOCKER_PORT);
    if (outcome === 'free') return { address: fixed, sshPort: await chooseSshPort(fixed, wish.sshPort) };
    // An address recorded on another host (or by the macOS driver) is of no use here; ours in use is the user's to solve,
    // because a silent change of address would make the machine's certificates invalid.
    if (wish.bindAddress !== '' || outcome !== 'not-ours') throw unusable(fixed, outcome);
  }
  const taken = await addressesOfNeighbours(wish.storePath, wish.machineName);
  let outcome: BindOutcome = 'in-use';
  for (let attempt = 0; attempt < ADDRESS_ATTEMPTS; attempt++) {
    const address = loopbackAddress(wish.storePath, wish.machineName, attempt);
    if (taken.has(address)) continue;
    outcome = await tryBind(address, DOCKER_PORT);
    if (outcome === 'free') return { address, sshPort: await chooseSshPort(address, wish.sshPort) };
    if (outcome === 'not-ours') throw unusable(address, outcome);
  }
  throw unusable(loopbackAddress(wish.storePath, wish.machineName, 0), outcome);
}

async function chooseSshPort(address: string, wished: number): Promise<number> {
  const candidates = [...new Set([...(wished > 0 ? [wished] : []), ...SSH_PORTS])];
  for (const port of candidates) {
    if ((await tryBind(address, port)) === 'free') return port;
  }
  throw new DriverError(
    'HK_ADDRESS_EXHAUSTED',
    `cannot forward SSH: ports ${candidates.join(' and ')} of ${address} are taken; ` +
      `find the program with "ss -ltnp" and stop it, or give the machine another --hyperkit-bind-address`,
  );
}

/** Addresses recorded by the other machines of the store: a stopped machine keeps its address. Unreadable ones are skipped. */
async function addressesOfNeighbours(storePath: string, machineName: string): Promise<ReadonlySet<string>> {
  const machines = path.join(storePath, 'machines');
  const names = await readdir(machines).catch(() => []);
  const addresses = await Promise.all(
    names
      .filter((name) => name !== machineName)
      .map(async (name) => {
        const text = await readFile(path.join(machines, name, 'config.json'), 'utf8').catch(() => '');
        return /"IPAddress":\s*"([\d.]+)"/.exec(text)?.[1] ?? '';
      }),
  );
  return new Set(addresses);
}

function unusable(address: string, outcome: BindOutcome): DriverError {
  const where = `${address}:${DOCKER_PORT}`;
  switch (outcome) {
    case 'not-ours':
      return new DriverError(
        'HK_ADDRESS_EXHAUSTED',
        process.platform === 'darwin'
          ? `cannot listen on ${where}: macOS gives loopback only 127.0.0.1; run "sudo ifconfig lo0 alias ${address}" or use --hyperkit-bind-address`
          : `cannot listen on ${where}: it is not an address of this host; see "ip address", then use --hyperkit-bind-address`,
      );
    case 'no-permission':
      return new DriverError(
        'HK_ADDRESS_EXHAUSTED',
        `cannot listen on ${where}: the kernel refuses; check the limits of this session (containers, seccomp)`,
      );
    case 'in-use':
    case 'free':
      return new DriverError(
        'HK_ADDRESS_EXHAUSTED',
        `cannot listen on ${where}: another program does; find it with "ss -ltnp 'sport = :${DOCKER_PORT}'" and stop it, ` +
          'or use --hyperkit-bind-address',
      );
  }
}
