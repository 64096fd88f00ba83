import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FlowEnds } from '../flow';
import { serveConnect } from './connect-method';
import { exchange, MAX_HEAD_BYTES } from './exchange';
import { type Guest, GuestAgent, type ProxyCore } from './guest';
import { isPassedOn, serveUpgrade, withoutOffer } from './upgrade';

/** Requests that a guest may send ahead of the answers; apt, the keenest of all, sends ten. */
const MAX_WAITING = 64;

/**
 * Carries a flow in which a guest speaks HTTP, until either side ends it.
 * @param isTransparent the guest meant to reach the flow's destination and doesn't know of a proxy.
 * @param gone aborts when the guest's connection closes.
 */
export type HttpFlows = (stream: Socket, flow: FlowEnds, isTransparent: boolean, gone: AbortSignal) => void;

/** node:http reads the guests' requests; its server never listens and has no timers of its own that way. */
export function createHttpFlows(core: ProxyCore, headMs: number): HttpFlows {
  const lines = new WeakMap<Duplex, GuestLine>();
  const server = createServer({ maxHeaderSize: MAX_HEAD_BYTES, requireHostHeader: false, keepAliveTimeout: 0 });
  server.maxHeadersCount = 0;
  // A guest that has said all may still listen (`printf … | nc`). The property has no type and no documentation.
  Object.assign(server, { httpAllowHalfOpen: true });

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    lines.get(request.socket)?.add(request, response);
  };
  server.on('request', serve);
  server.on('checkContinue', serve);
  server.on('connect', (request, stream, head) => {
    const guest = lines.get(stream)?.handOver(head);
    if (guest !== undefined) void serveConnect(core, guest, request);
  });
  server.on('upgrade', (request, stream, head) => {
    if (!isPassedOn(request)) {
      stream.unshift(Buffer.concat([withoutOffer(request), head]));
      server.emit('connection', stream);
      return;
    }
    const guest = lines.get(stream)?.handOver(head);
    if (guest !== undefined) void serveUpgrade(core, guest, request);
  });

  return (stream, flow, isTransparent, gone) => {
    const agent = new GuestAgent((to) => core.connect(to, gone));
    stream.once('close', () => agent.destroy());
    lines.set(stream, new GuestLine(core, { stream, flow, isTransparent, agent, gone }, headMs));
    server.emit('connection', stream);
  };
}

/** A guest's requests in the order of their coming: one is under way, those sent ahead wait, or the next is awaited. */
class GuestLine {
  readonly #waiting: (() => void)[] = [];
  #isBusy = false;
  #patience: NodeJS.Timeout | undefined;

  constructor(
    private readonly core: ProxyCore,
    private readonly guest: Guest,
    private readonly headMs: number,
  ) {
    this.#awaitHead();
    guest.stream.once('close', () => clearTimeout(this.#patience));
  }

  add(request: IncomingMessage, response: ServerResponse): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.guest.stream.destroy();
      return;
    }
    response.once('close', () => this.#next());
    this.#waiting.push(() => exchange(this.core, this.guest, request, response));
    if (!this.#isBusy) this.#next();
  }

  /** After CONNECT or Upgrade the stream is no HTTP any more; before the answers to earlier requests it can't be that. */
  handOver(head: Buffer): Guest | undefined {
    if (this.#isBusy) {
      this.guest.stream.destroy();
      return undefined;
    }
    clearTimeout(this.#patience);
    if (head.length > 0) this.guest.stream.unshift(head);
    return this.guest;
  }

  #next(): void {
    if (this.guest.stream.destroyed) return;
    const start = this.#waiting.shift();
    this.#isBusy = start !== undefined;
    if (start === undefined) this.#awaitHead();
    else {
      clearTimeout(this.#patience);
      start();
    }
  }

  #awaitHead(): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.guest.stream.destroy(), this.headMs);
  }
}
