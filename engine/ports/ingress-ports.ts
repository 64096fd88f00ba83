import type { GuestPort } from '../spec/vm-spec';
import { field, list, MAX_PORTS } from './published-ports';

/** Docker's ids, and nothing that could lead a path elsewhere. */
const NETWORK_ID = /^[a-z0-9]{1,64}$/;
/** libnetwork's words for one port of a service. */
const PORT = /^Target: \d{1,5}, Publish: (\d{1,5})$/;

/**
 * The network by which a Swarm's published ports are on every node, out of the answer to `GET /networks`: its id.
 * Undefined: the machine is in no Swarm.
 */
export function findIngress(networks: unknown): string | undefined {
  const id = field(
    list(networks).find((network) => field(network, 'Ingress') === true),
    'Id',
  );
  return typeof id === 'string' && NETWORK_ID.test(id) ? id : undefined;
}

/**
 * The ports of a Swarm's services, out of the answer to `GET /networks/ID?verbose=true` for its ingress network. Only
 * managers know which protocol a port is of, and every node has all ports: so each is taken to be of both.
 */
export function readIngressPorts(network: unknown): readonly GuestPort[] {
  const services = field(network, 'Services');
  const found = new Set<number>();
  for (const service of typeof services === 'object' && services !== null ? Object.values(services) : []) {
    for (const text of list(field(service, 'Ports'))) {
      const port = Number(typeof text === 'string' ? PORT.exec(text)?.[1] : undefined);
      // A port that nobody chose is 0 until the Swarm has chosen one.
      if (port >= 1 && port <= 65_535 && found.size < MAX_PORTS) found.add(port);
    }
  }
  return [...found].flatMap((port) => [
    { protocol: 'tcp', port },
    { protocol: 'udp', port },
  ]);
}
