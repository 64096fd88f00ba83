import { isIPv6 } from 'node:net';
import type { Destination } from './dial';

const ABSOLUTE = /^http:\/\/(?<authority>[^/?#]*)(?<path>[/?][^#]*)?$/i;
const AUTHORITY = /^(?:\[(?<ipv6>[0-9a-f:.]{2,45})\]|(?<host>[a-z0-9._~-]{1,253}))(?::(?<port>\d{0,5}))?$/i;

/** What a request asks for, taken apart. */
export interface RequestTarget {
  readonly to: Destination;
  /** Host and port as an address has them: without the port when that is 80. */
  readonly authority: string;
  /** The Host header for the origin. A guest's own stays as it is: on an odd port it may leave that out. */
  readonly host: string;
  /** Path and query, or "*"; empty in CONNECT. */
  readonly path: string;
}

/**
 * Reads the target of a request with the values of its Host headers (RFC 9112 sections 3.2 and 3.3). An absolute target
 * wins over Host; without either it is `fallback`. `undefined`: it can't be told where the request is to go.
 */
export function parseRequestTarget(
  method: string,
  target: string,
  hosts: readonly string[],
  fallback?: Destination,
): RequestTarget | undefined {
  if (hosts.length > 1) return undefined;
  if (method === 'CONNECT') return describe(parseAuthority(target, undefined), '');
  const absolute = ABSOLUTE.exec(target)?.groups;
  if (absolute !== undefined) {
    const { authority = '', path = method === 'OPTIONS' ? '*' : '/' } = absolute;
    return describe(parseAuthority(authority, 80), path.startsWith('?') ? `/${path}` : path);
  }
  if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS')) return undefined;
  const [host = ''] = hosts;
  if (host === '') return describe(fallback, target);
  const described = describe(parseAuthority(host, fallback?.port ?? 80), target);
  return described && { ...described, host };
}

/** The absolute form that a proxy is asked with (RFC 9112 section 3.2.2; "*" has none of its own, section 3.2.4). */
export function toAbsoluteForm({ authority, path }: RequestTarget): string {
  return `http://${authority}${path === '*' ? '' : path}`;
}

/** "host", "host:port" or "[IPv6]:port"; anything else, a user before "@" included, is undefined. */
export function parseAuthority(authority: string, defaultPort: number | undefined): Destination | undefined {
  const groups = AUTHORITY.exec(authority)?.groups;
  const host = (groups?.host ?? groups?.ipv6)?.toLowerCase();
  const port = groups?.port ? Number(groups.port) : defaultPort;
  if (host === undefined || port === undefined || port < 1 || port > 65_535) return undefined;
  if (groups?.ipv6 !== undefined && !isIPv6(host)) return undefined;
  return { host, port };
}

function describe(to: Destination | undefined, path: string): RequestTarget | undefined {
  if (to === undefined) return undefined;
  const name = to.host.includes(':') ? `[${to.host}]` : to.host;
  const authority = to.port === 80 ? name : `${name}:${to.port}`;
  return { to, authority, host: authority, path };
}
