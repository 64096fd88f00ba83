import type { IncomingMessage } from 'node:http';
import type { Destination } from './dial';
import { destinationOf, type Guest, type ProxyCore, routeFor } from './guest';
import { rewriteRequestHeaders, valuesOf } from './headers';
import { parseRequestTarget, type RequestTarget, toAbsoluteForm } from './request-target';
import { type Refusal, refuse } from './routing';

/** The request as it is to be sent on, and to whom. */
export interface NextHop {
  readonly kind: 'hop';
  readonly to: Destination;
  readonly path: string;
  readonly headers: string[];
}

/** What the request asks for; without a Host it is where the guest was going. `undefined`: that can't be told. */
export function targetOf(guest: Guest, request: IncomingMessage): RequestTarget | undefined {
  const hosts = valuesOf(request.rawHeaders, 'host');
  return parseRequestTarget(request.method ?? '', request.url ?? '', hosts, destinationOf(guest));
}

/** Decides about a request other than CONNECT. */
export function chooseNextHop(
  core: ProxyCore,
  guest: Guest,
  request: IncomingMessage,
  upgrade?: string,
): NextHop | Refusal {
  const target = targetOf(guest, request);
  if (target === undefined) {
    return refuse(400, 'The request must name its host, in an absolute http:// address or in one Host header.');
  }
  // An absolute address is meant for a proxy: what the guest connected to is not its origin.
  const isForOrigin = /^[/*]/.test(request.url ?? '');
  const route = routeFor(core, guest, target.to, isForOrigin ? destinationOf(guest) : undefined);
  if (route.kind === 'refused') return route;
  const isProxy = route.kind === 'proxy';
  const headers = rewriteRequestHeaders(request.rawHeaders, {
    host: isProxy ? target.authority : target.host,
    proxyAuthorization: isProxy ? route.upstream.authorization : undefined,
    toProxy: isProxy,
    upgrade,
  });
  return isProxy
    ? { kind: 'hop', to: route.upstream, path: toAbsoluteForm(target), headers }
    : { kind: 'hop', to: route.to, path: target.path, headers };
}
