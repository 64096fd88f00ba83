import { type IncomingMessage, request as openRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { joinStreams } from '../join-streams';
import { relayHead, writeHead, writeRefusal } from './answers';
import { ConnectFailure, type Destination, formatDestination } from './dial';
import { MAX_HEAD_BYTES } from './exchange';
import { type Guest, type ProxyCore, routeFor } from './guest';
import { pairs, type RawHeaders, rewriteRequestHeaders, rewriteResponseHeaders, valuesOf } from './headers';
import { targetOf } from './next-hop';
import { refuse } from './routing';
import type { UpstreamProxy } from './upstream-proxy';

/** An upstream proxy that reaches the host or doesn't has said so by then. */
const ANSWER_MS = 60_000;
/** A refusal's page is passed on up to here. */
const REFUSAL_MS = 10_000;
const MAX_REFUSAL_BYTES = 1024 * 1024;

/** What an upstream proxy says to CONNECT. `stream` is at the first byte after the head. */
export interface TunnelAnswer {
  readonly answer: IncomingMessage;
  readonly stream: Socket;
}

/** Serves a guest's CONNECT; its stream is not node:http's any more. */
export async function serveConnect(core: ProxyCore, guest: Guest, request: IncomingMessage): Promise<void> {
  const { stream } = guest;
  const target = targetOf(guest, request);
  if (target === undefined) return writeRefusal(stream, refuse(400, 'CONNECT must name host:port.'));
  const route = routeFor(core, guest, target.to);
  if (route.kind === 'refused') return writeRefusal(stream, route);
  try {
    if (route.kind === 'origin') {
      const origin = await core.connect(route.to, guest.gone);
      writeHead(stream, 200, 'Connection established', []);
      joinStreams(stream, origin);
      return;
    }
    const headers = rewriteRequestHeaders(withoutFraming(request.rawHeaders), {
      host: formatDestination(target.to),
      proxyAuthorization: route.upstream.authorization,
      toProxy: true,
    });
    const tunnel = await askForTunnel(core, route.upstream, target.to, headers, guest.gone);
    if (isOpen(tunnel)) {
      writeHead(stream, 200, 'Connection established', []);
      joinStreams(stream, tunnel.stream);
    } else relayRefusal(stream, tunnel);
  } catch (error) {
    const status = error instanceof ConnectFailure ? 503 : 502;
    writeRefusal(stream, refuse(status, `The proxy ${(error as Error).message}.`));
  }
}

/** CONNECT has no body, whatever it says; what follows its head is the tunnel's. */
function withoutFraming(headers: RawHeaders): RawHeaders {
  return pairs(headers)
    .filter(([name]) => !/^(content-length|transfer-encoding|expect)$/i.test(name))
    .flat();
}

/** Whether the tunnel is there (RFC 9110 section 9.3.6: any 2xx). */
export function isOpen({ answer }: TunnelAnswer): boolean {
  return Math.floor((answer.statusCode ?? 0) / 100) === 2;
}

/**
 * Asks the upstream proxy for a tunnel.
 * @param headers complete, with Host and credentials.
 * @throws ConnectFailure, or an Error when what comes back is no HTTP or nothing in time.
 */
export async function askForTunnel(
  core: ProxyCore,
  upstream: UpstreamProxy,
  to: Destination,
  headers: string[],
  gone: AbortSignal,
): Promise<TunnelAnswer> {
  const socket = await core.connect(upstream, gone);
  const answer = new Promise<TunnelAnswer>((resolve, reject) => {
    const outgoing = openRequest({
      createConnection: () => socket,
      host: upstream.host,
      port: upstream.port,
      method: 'CONNECT',
      path: formatDestination(to),
      headers,
      maxHeaderSize: MAX_HEAD_BYTES,
    });
    outgoing.maxHeadersCount = 0;
    const abandon = (): void => void outgoing.destroy(new Error('cannot go on: the guest left'));
    const timer = setTimeout(
      () => outgoing.destroy(new Error(`got no answer from ${formatDestination(upstream)} within ${ANSWER_MS} ms`)),
      ANSWER_MS,
    );
    const settle = (): void => {
      clearTimeout(timer);
      gone.removeEventListener('abort', abandon);
    };
    gone.addEventListener('abort', abandon, { once: true });
    if (gone.aborted) abandon();
    outgoing.once('connect', (answer, stream, head) => {
      settle();
      // Between two owners nobody else listens.
      stream.on('error', () => undefined);
      if (head.length > 0) stream.unshift(head);
      resolve({ answer, stream: stream as Socket });
    });
    outgoing.on('error', (error) => {
      settle();
      reject(error);
    });
    outgoing.end();
  });
  answer.catch(() => socket.destroy());
  return await answer;
}

/** Passes on a refusal's head and as much of its body as is told or comes in time, then ends both connections. */
function relayRefusal(guest: Duplex, { answer, stream }: TunnelAnswer): void {
  const [length] = valuesOf(answer.rawHeaders, 'content-length');
  let rest = Math.min(length === undefined ? MAX_REFUSAL_BYTES : Number(length), MAX_REFUSAL_BYTES);
  relayHead(guest, answer, [...rewriteResponseHeaders(answer.rawHeaders, true), 'Connection', 'close']);
  const finish = (): void => {
    clearTimeout(timer);
    stream.destroy();
    guest.end(() => guest.destroy());
  };
  const timer = setTimeout(finish, REFUSAL_MS);
  guest.once('close', finish);
  stream.once('close', finish);
  stream.once('end', finish);
  stream.on('data', (chunk: Buffer) => {
    if (rest <= 0) return;
    guest.write(chunk.subarray(0, rest));
    rest -= chunk.length;
    if (rest <= 0) finish();
  });
  if (!(rest > 0)) finish();
}
