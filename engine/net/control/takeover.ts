import type { Duplex } from 'node:stream';
import { canonicalAddress, parsePort } from '../endpoint-text';
import type { Endpoint } from '../flow';
import { joinStreams } from '../join-streams';
import type { RequestTarget } from './request-head';

/** Requests after which a connection no longer carries HTTP. What is absent answers 501. */
export interface Takeovers {
  /** Connects to a port of the guests' network. */
  readonly dial?: (endpoint: Endpoint) => Promise<Duplex>;
  /** Takes over a connection that carries Ethernet frames from now on, and owns it. */
  readonly connect?: (stream: Duplex) => void;
}

const TAKEOVER_PATHS = ['/tunnel', '/connect'];

/** Whether a path can only be served as a connection's first request, by {@link takeOver}. */
export function isTakeover(path: string): boolean {
  return TAKEOVER_PATHS.includes(path);
}

/**
 * Serves gvproxy's two hijacked requests. Nothing of HTTP is answered to `/connect`; `/tunnel` is answered with the two
 * bytes `OK` once the guest accepted. Resolves when the stream has got its new use or was ended; the caller bounds the time.
 */
export async function takeOver(stream: Duplex, target: RequestTarget, takeovers: Takeovers): Promise<void> {
  if (target.path === '/connect') {
    if (!takeovers.connect) return refuse(stream, 501, 'this network takes no machines here');
    takeovers.connect(stream);
    // It is paused since its head was read. Whoever only listens for data must not have to know.
    if (stream.listenerCount('data') > 0) stream.resume();
    return;
  }
  if (!takeovers.dial) return refuse(stream, 501, 'this network has no tunnels');
  const endpoint = parseEndpoint(target.query);
  if (typeof endpoint === 'string') return refuse(stream, 500, endpoint);
  await openTunnel(stream, endpoint, takeovers.dial);
}

async function openTunnel(stream: Duplex, endpoint: Endpoint, dial: NonNullable<Takeovers['dial']>): Promise<void> {
  let guest: Duplex;
  try {
    guest = await dial(endpoint);
  } catch (error) {
    return refuse(stream, 500, `cannot dial: ${(error as Error).message}`);
  }
  if (stream.destroyed) {
    guest.on('error', () => {});
    guest.destroy();
    return;
  }
  stream.write('OK');
  joinStreams(stream, guest);
}

function parseEndpoint(query: URLSearchParams): Endpoint | string {
  const ip = query.get('ip') ?? '';
  if (ip === '') return 'ip is mandatory';
  const address = canonicalAddress(ip);
  if (address === undefined) return `ip: invalid IP address: ${ip}`;
  const text = query.get('port') ?? '';
  const port = parsePort(text);
  return port === undefined || port === 0 ? `port: "${text}" is no port` : { address, port };
}

/** Ends the connection with an answer. */
export function refuse(stream: Duplex, status: 400 | 500 | 501 | 503, words: string): void {
  const body = `${words.replace(/[^\x20-\x7e]/g, '?')}\n`;
  const reasons = {
    400: 'Bad Request',
    500: 'Internal Server Error',
    501: 'Not Implemented',
    503: 'Service Unavailable',
  };
  const head = [
    `HTTP/1.1 ${status} ${reasons[status]}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  stream.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => stream.destroy());
}
