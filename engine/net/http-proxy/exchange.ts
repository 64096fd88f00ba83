import {
  type ClientRequest,
  type IncomingMessage,
  type OutgoingMessage,
  request as openRequest,
  type RequestOptions,
  type ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream';
import { sendRefusal } from './answers';
import { ConnectFailure } from './dial';
import type { Guest, ProxyCore } from './guest';
import { pairs, rewriteResponseHeaders, tokensOf, valuesOf } from './headers';
import { chooseNextHop, type NextHop } from './next-hop';
import { type Refusal, refuse } from './routing';

/** Bytes of an answer's head; a request's is limited by the server that parses it. */
export const MAX_HEAD_BYTES = 65_536;

/** RFC 9110 section 9.2.2: what a proxy may send again. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** Methods whose requests say so when they have no body (RFC 9110 section 8.6). */
const EXPECTS_BODY = new Set(['POST', 'PUT', 'PATCH']);

/** Sends a guest's request on and the answer back, both as streams. Every end of it is an answer or a closed connection. */
export function exchange(core: ProxyCore, guest: Guest, request: IncomingMessage, response: ServerResponse): void {
  response.sendDate = false;
  const hop = chooseNextHop(core, guest, request);
  if (hop.kind === 'refused') {
    sendRefusal(response, hop);
    return;
  }
  if (!hasBody(request) && EXPECTS_BODY.has(request.method ?? '') && !hasHeader(hop.headers, 'content-length')) {
    hop.headers.push('Content-Length', '0');
  }
  send(guest, hop, request, response, true);
}

/** Whether a message says that it has a body (RFC 9112 section 6.3). */
export function hasBody(request: IncomingMessage): boolean {
  const lengths = valuesOf(request.rawHeaders, 'content-length');
  return hasHeader(request.rawHeaders, 'transfer-encoding') || lengths.some((length) => Number(length) !== 0);
}

/** The request as Node's client sends it on. */
export function optionsOf({ to, path, headers }: NextHop, { method }: IncomingMessage): RequestOptions {
  return { host: to.host, port: to.port, method, path, headers, maxHeaderSize: MAX_HEAD_BYTES };
}

function send(guest: Guest, hop: NextHop, request: IncomingMessage, response: ServerResponse, mayRetry: boolean): void {
  guest.agent.keepOnly(hop.to);
  let outgoing: ClientRequest;
  try {
    outgoing = openRequest({ ...optionsOf(hop, request), agent: guest.agent });
  } catch (error) {
    sendRefusal(response, refuse(400, `The request can't be sent on: ${(error as Error).message}.`));
    return;
  }
  // Without a limit none is cut off silently; their bytes are limited.
  outgoing.maxHeadersCount = 0;
  let answered = false;
  const abandon = (): void => {
    if (!response.writableFinished) outgoing.destroy();
  };
  response.once('close', abandon);
  outgoing.on('information', ({ statusCode, headers }) => {
    if (request.httpVersionMinor > 0) relayInformation(response, statusCode, headers.link);
  });
  outgoing.on('response', (answer) => {
    answered = true;
    relay(answer, request, response);
  });
  outgoing.on('error', (error) => {
    request.unpipe(outgoing);
    // An answer that has begun ends with its own stream, whole or cut short.
    if (answered || response.destroyed) return;
    if (mayRetry && outgoing.reusedSocket && !hasBody(request) && IDEMPOTENT.has(request.method ?? '')) {
      response.removeListener('close', abandon);
      send(guest, hop, request, response, false);
      return;
    }
    sendRefusal(response, refusalOf(error, hop));
  });
  if (hasBody(request)) {
    outgoing.flushHeaders();
    passTrailers(request, outgoing);
    request.pipe(outgoing);
  } else outgoing.end();
}

function relay(answer: IncomingMessage, request: IncomingMessage, response: ServerResponse): void {
  const isOld = request.httpVersionMinor === 0;
  // As VPNKit: a next hop that closes its connection has the guest's closed, too.
  if (closesAfter(answer)) response.shouldKeepAlive = false;
  try {
    response.writeHead(
      answer.statusCode ?? 502,
      answer.statusMessage,
      rewriteResponseHeaders(answer.rawHeaders, !isOld),
    );
  } catch {
    answer.destroy();
    sendRefusal(response, refuse(502, 'The answer from the next host is no HTTP.'));
    return;
  }
  // The head leaves even if the body takes its time, and together with what of it is here already.
  response.cork();
  response.flushHeaders();
  setImmediate(() => response.uncork());
  passTrailers(answer, response);
  pipeline(answer, response, () => undefined);
}

/** To be called before the body is piped: trailers are set between its last byte and the end. */
function passTrailers(from: IncomingMessage, to: OutgoingMessage): void {
  from.once('end', () => {
    try {
      to.addTrailers(pairs(from.rawTrailers));
    } catch {
      // Trailers that can't be written are better left out than answered for.
    }
  });
}

/** 100 lets a guest go on that asked to wait; of the others only 103 means anything to one. */
function relayInformation(response: ServerResponse, status: number, link: string | string[] | undefined): void {
  if (response.headersSent || response.destroyed) return;
  if (status === 100) response.writeContinue();
  if (status !== 103 || link === undefined) return;
  try {
    response.writeEarlyHints({ link });
  } catch {
    // Hints that can't be read help nobody.
  }
}

function closesAfter(answer: IncomingMessage): boolean {
  const tokens = tokensOf(answer.rawHeaders, 'connection');
  return tokens.includes('close') || (answer.httpVersionMinor === 0 && !tokens.includes('keep-alive'));
}

function refusalOf(error: Error, hop: NextHop): Refusal {
  if (error instanceof ConnectFailure) return refuse(503, `The proxy ${error.message}.`);
  return refuse(502, `The answer from ${hop.to.host} is missing or no HTTP: ${error.message}.`);
}

function hasHeader(headers: readonly string[], name: string): boolean {
  return valuesOf(headers, name).length > 0;
}
