import type { NativeError } from '../../native/native-error';
import type { EngineError } from '../errors';
import type { GuestPorts } from '../hypervisors/hypervisor';
import { explainListenFailure } from '../hypervisors/qemu/check-ports';
import type { Forward, Forwarder } from '../net/forwards/forwarder';
import type { GuestPort, NetworkSpec } from '../spec/vm-spec';

/** A port of the host that leads to a machine. */
export interface OpenPort {
  readonly protocol: GuestPort['protocol'];
  readonly hostPort: number;
  readonly guestPort: number;
  /** Opened by {@link HostPorts.add}: nobody but whoever asked for it needs it. */
  readonly added: boolean;
}

/** The host's ports on a machine's address, as they are opened and closed while it runs. */
export class HostPorts implements GuestPorts {
  readonly #open = new Map<string, Forward>();
  readonly #added = new Set<string>();
  #listener: (hostPort: number) => void = () => undefined;

  /** @param guestAddress of the machine in the network of `forwarder` */
  constructor(
    private readonly forwarder: Pick<Forwarder, 'open'>,
    readonly network: Pick<NetworkSpec, 'bindAddress' | 'forwards'>,
    private readonly guestAddress: string,
  ) {}

  /**
   * Opens the forwards of the machine's specification.
   * @throws EngineError HK_ADDRESS_IN_USE, HK_HYPERVISOR_FAILED when a port can't be listened on
   */
  async openForwards(): Promise<void> {
    const { bindAddress, forwards } = this.network;
    for (const { hostPort, guestPort } of forwards) {
      try {
        await this.#forward('tcp', hostPort, guestPort);
      } catch (error) {
        const cause = (error as EngineError).cause as NativeError | undefined;
        throw await explainListenFailure(bindAddress, hostPort, cause?.errno, error as Error);
      }
    }
  }

  async open({ protocol, port }: GuestPort): Promise<void> {
    await this.#forward(protocol, port, port);
  }

  async close({ protocol, port }: GuestPort): Promise<void> {
    const name = `${port}/${protocol}`;
    await this.#open.get(name)?.close();
    this.#open.delete(name);
  }

  onConnection(listener: (hostPort: number) => void): void {
    this.#listener = listener;
  }

  /** In the order of opening. */
  list(): readonly OpenPort[] {
    return [...this.#open].map(([name, forward]) => describePort(forward, this.#added.has(name)));
  }

  /** Opens a port that somebody wants besides. @param hostPort 0: the host chooses one */
  async add(protocol: GuestPort['protocol'], hostPort: number, guestPort: number): Promise<OpenPort> {
    const forward = await this.#forward(protocol, hostPort, guestPort);
    const port = describePort(forward, true);
    this.#added.add(`${port.hostPort}/${protocol}`);
    return port;
  }

  /** Closes a port that {@link add} opened; false when it is none. */
  async remove(protocol: GuestPort['protocol'], hostPort: number): Promise<boolean> {
    if (!this.#added.delete(`${hostPort}/${protocol}`)) return false;
    await this.close({ protocol, port: hostPort });
    return true;
  }

  async #forward(protocol: GuestPort['protocol'], hostPort: number, guestPort: number): Promise<Forward> {
    const host = { address: this.network.bindAddress, port: hostPort };
    const guest = { address: this.guestAddress, port: guestPort };
    const forward = await this.forwarder.open({ protocol, host, guest }, () => this.#listener(hostPort));
    this.#open.set(`${describePort(forward, false).hostPort}/${protocol}`, forward);
    return forward;
  }
}

function describePort({ spec }: Forward, added: boolean): OpenPort {
  const hostPort = 'path' in spec.host ? 0 : spec.host.port;
  return { protocol: spec.protocol, hostPort, guestPort: spec.guest.port, added };
}
