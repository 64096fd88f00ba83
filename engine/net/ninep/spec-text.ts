import { EngineError } from '../../errors';
import { canonicalAddress, formatEndpoint, parsePort, socketPathFault } from '../endpoint-text';
import type { Endpoint } from '../flow';
import type { ForwardSpec } from '../forwards/forwarder';

/** Addresses are short; this leaves room for two socket paths in base64. */
export const MAX_SPEC_BYTES = 512;

/**
 * Reads VPNKit's text form of a forward: `tcp:EXTIP:EXTPORT:tcp:INTIP:INTPORT`, the same with `udp`, and for a unix
 * socket of the host `unix:BASE64PATH:tcp:INTIP:INTPORT`. IPv6 with or without brackets.
 *
 * @throws EngineError HK_FORWARD_FAILED VPNKit's `unix:…:unix:…` is refused: a unix socket in the guest can't be
 * reached over the network.
 */
export function parseSpecText(text: string): ForwardSpec {
  if (text.length > MAX_SPEC_BYTES) throw failed(`the request is longer than ${MAX_SPEC_BYTES} characters`);
  const unix = /^unix:([^:]*):(?:(unix):.*|tcp:(.*))$/.exec(text);
  if (unix) {
    const [, encoded = '', guestPath, guest = ''] = unix;
    if (guestPath !== undefined) {
      throw failed(
        'a unix socket inside of the guest needs an agent there to reach it; forward to a port of the guest with unix:BASE64:tcp:IP:PORT',
      );
    }
    return { protocol: 'tcp', host: { path: decodePath(encoded) }, guest: parseGuest(guest, text) };
  }
  const [, outer, host = '', inner, guest = ''] = /^(tcp|udp):([^t-u]*):(tcp|udp):(.*)$/.exec(text) ?? [];
  if (outer === undefined) throw malformed(text);
  if (outer !== inner) throw failed(`the forward leads from ${outer} to ${inner}; both must be the same`);
  return { protocol: outer === 'udp' ? 'udp' : 'tcp', host: parseEndpoint(host, text), guest: parseGuest(guest, text) };
}

/** The text form again; IPv6 in brackets. */
export function formatSpecText({ protocol, host, guest }: ForwardSpec): string {
  const end = formatEndpoint(guest);
  if ('path' in host) return `unix:${Buffer.from(host.path).toString('base64')}:tcp:${end}`;
  return `${protocol}:${formatEndpoint(host)}:${protocol}:${end}`;
}

function parseGuest(part: string, text: string): Endpoint {
  const guest = parseEndpoint(part, text);
  if (guest.port === 0) throw failed('port 0 of the guest is none');
  return guest;
}

/** The last colon is the port's, whatever comes before it. */
function parseEndpoint(part: string, text: string): Endpoint {
  const colon = part.lastIndexOf(':');
  const address = canonicalAddress(part.slice(0, Math.max(colon, 0)));
  const port = parsePort(part.slice(colon + 1));
  if (address === undefined || port === undefined) throw malformed(text);
  return { address, port };
}

function decodePath(encoded: string): string {
  const path = Buffer.from(encoded, 'base64').toString('utf8');
  const same = (a: string, b: string): boolean => a.replace(/=+$/, '') === b.replace(/=+$/, '');
  if (!same(Buffer.from(path).toString('base64'), encoded)) throw failed('the path is not in base64');
  const fault = socketPathFault(path);
  if (fault !== undefined) throw failed(`cannot listen on ${JSON.stringify(path)}: ${fault}`);
  return path;
}

function malformed(text: string): EngineError {
  const shape = 'tcp:EXTIP:EXTPORT:tcp:INTIP:INTPORT, udp:… or unix:BASE64PATH:tcp:INTIP:INTPORT';
  return failed(`failed to parse ${JSON.stringify(text)}: a request reads ${shape}`);
}

function failed(what: string): EngineError {
  return new EngineError('HK_FORWARD_FAILED', what);
}
