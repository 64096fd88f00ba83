import { isIP } from 'node:net';
import type { Endpoint } from './flow';
import { formatAddress, parseAddress } from './wire/ip-address';

/** What Linux's and (shorter) macOS's `sun_path` hold besides the closing NUL. */
export const MAX_SOCKET_PATH_BYTES = process.platform === 'darwin' ? 103 : 107;

/** One spelling per address: dotted decimal or RFC 5952, without brackets. Undefined when the text is no address. */
export function canonicalAddress(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (isIP(bare) === 0 || (bare !== text && isIP(bare) !== 6)) return undefined;
  const address = parseAddress(bare);
  return address && formatAddress(address);
}

/** A port as text; undefined when it is none. */
export function parsePort(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}

/** Splits `host:port` as Go does: IPv6 needs brackets, the host may be missing. */
export function splitHostPort(text: string): { readonly host: string; readonly port: number } | undefined {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return undefined;
  const host = text.slice(0, colon);
  const port = parsePort(text.slice(colon + 1));
  if (port === undefined || (host.includes(':') && !(host.startsWith('[') && host.endsWith(']')))) return undefined;
  return { host, port };
}

/** `192.168.65.3:80`, `[fd00::3]:80`. */
export function formatEndpoint({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port;
}

/** Why a text can't be the path of a unix socket; undefined when it can. */
export function socketPathFault(path: string): string | undefined {
  if (!path.startsWith('/')) return 'it must be absolute';
  if (path.includes('\0')) return 'it holds a NUL';
  const bytes = Buffer.byteLength(path);
  return bytes > MAX_SOCKET_PATH_BYTES ? `it has ${bytes} bytes, the most are ${MAX_SOCKET_PATH_BYTES}` : undefined;
}
