import { EngineError } from '../../errors';

/** The proxy that requests are sent to. */
export interface UpstreamProxy {
  readonly host: string;
  readonly port: number;
  /** Value of Proxy-Authorization. Secret. */
  readonly authorization?: string;
}

/** Scheme, user:password and port are parts of their own; the password may hold anything, even "@". */
const PROXY =
  /^(?:https?:\/\/)?(?:(?<user>[^/\s]*)@)?(?:\[(?<ipv6>[0-9a-f:.]+)\]|(?<host>[a-z0-9._-]{1,253})):(?<port>\d{1,5})\/?$/i;

/**
 * Reads "host:port", "http://host:port" or "http://user:password@host:port". The proxy is spoken to in plain HTTP
 * whatever the scheme, as VPNKit does: it is customary to write https:// for "the proxy for https".
 * @throws EngineError HK_NET_CONFIG_INVALID; its text never holds the password.
 */
export function parseUpstreamProxy(text: string): UpstreamProxy {
  const { user, ipv6, host = ipv6, port } = PROXY.exec(text.trim())?.groups ?? {};
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new EngineError(
      'HK_NET_CONFIG_INVALID',
      'cannot use this proxy address: it must be host:port or http://[user:password@]host:port',
    );
  }
  const address = { host: host.toLowerCase(), port: Number(port) };
  if (user === undefined || user === '') return address;
  return { ...address, authorization: `Basic ${Buffer.from(decodePercent(user)).toString('base64')}` };
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A password with a bare "%".
  }
}
