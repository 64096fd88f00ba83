import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { NativeError } from '../../../native/native-error';
import { sockets } from '../../../native/sockets';
import { EngineError } from '../../errors';
import type { Endpoint } from '../flow';
import { connectService } from '../gateway/inner-services';
import type { Network } from '../network';
import { type IpEndpoint, ipv4, parseAddress } from '../wire/ip-address';
import type { Forward, Forwarder, ForwardSpec } from './forwarder';
import type { OpenListener } from './open-listener';
import { PeerPorts } from './peer-ports';
import { listenTcp } from './tcp-listener';
import { listenUdp } from './udp-listener';

/** Forwards into one network; inbound goes over the network itself, so the guest needs no agent. */
export class HostForwarder implements Forwarder {
  readonly #forwards = new Set<Forward>();
  readonly #peers: PeerPorts;
  /** Connections over unix sockets, which Node carries. */
  readonly #unixStreams = new Set<Socket>();

  /** @param backlog connections that may wait to be accepted, per TCP forward. */
  constructor(
    private readonly network: Network,
    private readonly backlog?: number,
  ) {
    this.#peers = new PeerPorts(network.reactor);
    network.guestReplies = (packet, guestPort, port, start, end) =>
      this.#peers.answer(packet, guestPort, port, start, end);
  }

  list(): readonly Forward[] {
    return [...this.#forwards];
  }

  async open(spec: ForwardSpec, onConnection?: () => void): Promise<Forward> {
    const address = parseAddress(spec.guest.address);
    if (address === undefined) {
      throw refused(`cannot forward to ${spec.guest.address}: it is not an IP address of a guest`);
    }
    const guest = { address, port: spec.guest.port };
    let actual = spec;
    let close: () => Promise<void>;
    if ('path' in spec.host) close = await this.#listenUnix(spec.host.path, guest, onConnection);
    else {
      const listener = this.#listen(spec.protocol, spec.host, guest, onConnection);
      actual = { ...spec, host: { address: spec.host.address, port: listener.port } };
      close = async () => listener.close();
    }
    const forward: Forward = {
      spec: actual,
      close: async () => {
        if (this.#forwards.delete(forward)) await close();
      },
    };
    this.#forwards.add(forward);
    return forward;
  }

  /** Closes all forwards and the connections over unix sockets. */
  async close(): Promise<void> {
    for (const forward of this.#forwards) await forward.close();
    for (const stream of this.#unixStreams) stream.destroy();
    this.#peers.close();
  }

  #listen(protocol: 'tcp' | 'udp', host: Endpoint, guest: IpEndpoint, onConnection?: () => void): OpenListener {
    const address = parseAddress(host.address === '' ? '0.0.0.0' : host.address);
    if (address === undefined) throw refused(`listen ${protocol} ${host.address}: not an IP address`);
    const place = { address, port: host.port };
    try {
      return protocol === 'tcp'
        ? listenTcp(this.network, place, guest, { backlog: this.backlog, onConnection })
        : listenUdp(this.network, this.#peers, place, guest);
    } catch (cause) {
      throw explain(protocol, host, cause);
    }
  }

  /** Through Node's own server, which knows how to clean up after a path. */
  async #listenUnix(path: string, guest: IpEndpoint, onConnection?: () => void): Promise<() => Promise<void>> {
    const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#unixStreams.add(socket);
      socket.once('close', () => this.#unixStreams.delete(socket));
      socket.on('error', () => undefined);
      onConnection?.();
      if (!this.#carry(socket, guest)) socket.destroy();
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => {
        reject(
          cause.code === 'EADDRINUSE'
            ? refused(`Bind for ${path} failed: port is already allocated`, cause)
            : refused(`listen unix ${path}: ${cause.message}`, cause),
        );
      });
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
    return async () => {
      // What it calls back after is the end of the last connection, and those stay.
      server.close();
      rmSync(path, { force: true });
    };
  }

  /** False: there is no such guest, or nothing left to carry it with. */
  #carry(socket: Socket, guest: IpEndpoint): boolean {
    let fd: number;
    try {
      fd = connectService(
        (stream) => {
          stream.pipe(socket);
          socket.pipe(stream);
          stream.once('close', () => socket.destroy());
          socket.once('close', () => stream.destroy());
        },
        { source: { address: '', port: 0 }, destination: { address: '', port: 0 } },
      );
    } catch {
      return false;
    }
    const from = { address: ipv4(0x7f00_0001), port: 0 };
    if (this.network.connectToGuest(fd, from, guest.address, guest.port)) return true;
    sockets.close(fd);
    return false;
  }
}

/** The words that VPNKit's clients look for. */
function explain(protocol: string, { address, port }: Endpoint, cause: unknown): EngineError {
  const errno = cause instanceof NativeError ? cause.errno : '';
  switch (errno) {
    case 'EADDRINUSE':
      return refused(`Bind for ${address}:${port} failed: port is already allocated`, cause);
    case 'EADDRNOTAVAIL':
      return refused(`listen ${protocol} ${address}:${port}: bind: cannot assign requested address`, cause);
    case 'EACCES':
      return refused(`Bind for ${address}:${port} failed: permission denied`, cause);
    default:
      return refused(`listen ${protocol} ${address}:${port}: ${(cause as Error).message}`, cause);
  }
}

function refused(message: string, cause?: unknown): EngineError {
  return new EngineError('HK_FORWARD_FAILED', message, cause === undefined ? {} : { cause });
}
