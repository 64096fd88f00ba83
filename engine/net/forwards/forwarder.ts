import { sameEndpoint } from '../endpoint-text';
import type { Endpoint } from '../flow';

/** Where a forward listens on the host: an address and port (0: the host chooses one), or a unix socket's path. */
export type HostSide = Endpoint | { readonly path: string };

/** Whether two forwards would want the same thing of the host. */
export function sameHostSide(a: HostSide, b: HostSide): boolean {
  if ('path' in a || 'path' in b) return 'path' in a && 'path' in b && a.path === b.path;
  return sameEndpoint(a, b);
}

/** A way from the host into the guests' network. The guest's end is always an address of the gateway's network. */
export interface ForwardSpec {
  /** `tcp` with a path on the host's side forwards a unix socket to a TCP port of the guest. */
  readonly protocol: 'tcp' | 'udp';
  readonly host: HostSide;
  readonly guest: Endpoint;
}

/** A forward at work. */
export interface Forward {
  /** With the real port where 0 was asked for. */
  readonly spec: ForwardSpec;
  /** Stops listening. Connections that exist stay until their ends close them. Idempotent. */
  close(): Promise<void>;
}

/** Opens forwards; every control interface (HTTP, 9P, command line, published ports) ends here. */
export interface Forwarder {
  /**
   * @throws EngineError HK_FORWARD_FAILED whose message is one of
   * `Bind for IP:PORT failed: port is already allocated`, `listen tcp IP:PORT: bind: cannot assign requested address`,
   * `Bind for IP:PORT failed: permission denied` (the words VPNKit's clients look for), or another reason.
   * @param onConnection called for each TCP connection that is accepted, before the guest has answered
   */
  open(spec: ForwardSpec, onConnection?: () => void): Promise<Forward>;
  /** All that are open now, in the order of opening. */
  list(): readonly Forward[];
}
