import type { GuestPorts } from '../hypervisors/hypervisor';
import { type PortPublisher, startPortPublisher } from '../ports/port-publisher';
import type { VmSpec } from '../spec/vm-spec';
import type { HostPort } from './runtime-state';
import type { StateKeeper } from './state-keeper';

/** Where boot2docker's Docker listens in the guest. */
const DOCKER_GUEST_PORT = 2376;

/** Lets the ports that containers publish appear on the machine's address; undefined when Docker can't be asked. */
export function openPublishedPorts(
  ports: GuestPorts,
  spec: VmSpec,
  keeper: StateKeeper,
  log: (line: string) => void,
): PortPublisher | undefined {
  const { bindAddress, forwards } = spec.network;
  const docker = forwards.find(({ guestPort }) => guestPort === DOCKER_GUEST_PORT);
  if (docker === undefined) return undefined;
  const publisher = startPortPublisher(
    { address: bindAddress, port: docker.hostPort, certificates: spec.stateDir },
    {
      open: async (port) => {
        await ports.open(port);
        const opened = { address: bindAddress, hostPort: port.port, guestPort: port.port, container: true };
        keeper.update({ ports: [...keeper.machine.ports, { protocol: port.protocol, ...opened }] });
      },
      close: async (port) => {
        await ports.close(port);
        const isClosed = ({ container, protocol, hostPort }: HostPort): boolean =>
          container && protocol === port.protocol && hostPort === port.port;
        keeper.update({ ports: keeper.machine.ports.filter((opened) => !isClosed(opened)) });
      },
    },
    log,
  );
  // Whoever talks to Docker may be about to publish a port.
  ports.onConnection?.((hostPort) => {
    if (hostPort === docker.hostPort) publisher.lookAgain();
  });
  return publisher;
}
