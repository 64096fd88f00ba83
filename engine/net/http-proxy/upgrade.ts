import { type IncomingMessage, request as openRequest } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { joinStreams } from '../join-streams';
import { relayHead, writeRefusal } from './answers';
import { ConnectFailure } from './dial';
import { hasBody, optionsOf } from './exchange';
import type { Guest, ProxyCore } from './guest';
import { pairs, rewriteResponseHeaders, tokensOf, valuesOf } from './headers';
import { chooseNextHop, type NextHop } from './next-hop';
import { refuse } from './routing';

/** Headers that make the offer, and their names in Connection. */
const OFFER = new Set(['upgrade', 'http2-settings']);

/**
 * Whether the offer to change protocols is passed on. Clients that offer HTTP/2 (RFC 7540 section 3.2) do it with every
 * first request and are content with HTTP/1.1; an offer with a body would have to be parsed on the way.
 */
export function isPassedOn(request: IncomingMessage): boolean {
  return !hasBody(request) && !tokensOf(request.rawHeaders, 'upgrade').includes('h2c');
}

/** The head of the request without its offer, for a parser to read again. */
export function withoutOffer(request: IncomingMessage): Buffer {
  const lines = pairs(request.rawHeaders).flatMap(([name, value]) => {
    if (OFFER.has(name.toLowerCase())) return [];
    if (name.toLowerCase() !== 'connection') return [`${name}: ${value}\r\n`];
    const tokens = value.split(',').filter((token) => !OFFER.has(token.trim().toLowerCase()));
    return tokens.length === 0 ? [] : [`${name}: ${tokens.join(',')}\r\n`];
  });
  const { method, url, httpVersion } = request;
  return Buffer.from(`${method} ${url} HTTP/${httpVersion}\r\n${lines.join('')}\r\n`, 'latin1');
}

/** Passes an offer on; when it is accepted, the streams are joined. The guest's stream is not node:http's any more. */
export async function serveUpgrade(core: ProxyCore, guest: Guest, request: IncomingMessage): Promise<void> {
  const { stream } = guest;
  const hop = chooseNextHop(core, guest, request, valuesOf(request.rawHeaders, 'upgrade').join(', '));
  if (hop.kind === 'refused') return writeRefusal(stream, hop);
  let socket: Socket | undefined;
  try {
    socket = await core.connect(hop.to, guest.gone);
    offer(guest, socket, request, hop);
  } catch (error) {
    socket?.destroy();
    const status = error instanceof ConnectFailure ? 503 : 502;
    writeRefusal(stream, refuse(status, `The proxy ${(error as Error).message}.`));
  }
}

function offer({ stream, gone }: Guest, socket: Socket, request: IncomingMessage, hop: NextHop): void {
  const outgoing = openRequest({ ...optionsOf(hop, request), createConnection: () => socket });
  outgoing.maxHeadersCount = 0;
  let answered = false;
  const abandon = (): void => void outgoing.destroy();
  gone.addEventListener('abort', abandon, { once: true });
  if (gone.aborted) abandon();
  outgoing.once('close', () => gone.removeEventListener('abort', abandon));
  outgoing.once('upgrade', (answer, joined, head) => {
    gone.removeEventListener('abort', abandon);
    relayHead(stream, answer);
    if (head.length > 0) joined.unshift(head);
    joinStreams(stream, joined);
  });
  outgoing.once('response', (answer) => {
    answered = true;
    relayHead(stream, answer, [...rewriteResponseHeaders(answer.rawHeaders, false), 'Connection', 'close']);
    pipeline(answer, stream, () => stream.destroy());
  });
  outgoing.on('error', (error) => {
    socket.destroy();
    if (answered) stream.destroy();
    else writeRefusal(stream, refuse(502, `The answer from ${hop.to.host} is missing or no HTTP: ${error.message}.`));
  });
  outgoing.end();
}
