import type { HttpProxyConfig } from './config';
import { type Destination, formatDestination } from './dial';
import type { UpstreamProxy } from './upstream-proxy';

/** Why a guest's request goes nowhere, as the status and the text that it is answered. */
export interface Refusal {
  readonly kind: 'refused';
  readonly status: number;
  readonly message: string;
}

/** Where a request goes. */
export type Route =
  | { readonly kind: 'origin'; readonly to: Destination }
  | { readonly kind: 'proxy'; readonly upstream: UpstreamProxy }
  | Refusal;

export interface RouteQuestion {
  readonly config: HttpProxyConfig;
  /** The proxy that serves this kind of request, if there is one. */
  readonly upstream: UpstreamProxy | undefined;
  /** Where the guest itself was going, when it doesn't know of us. */
  readonly straightTo?: Destination | undefined;
  /** Whether a connection there would come back to us. */
  readonly isOwn: (to: Destination) => boolean;
}

/**
 * Policy first, then the bypass list, then the upstream proxy. An excluded request goes where the guest was going, which
 * can be a name that only the guest knows; under an allow list it goes to the host that was checked.
 */
export function chooseRoute(target: Destination, question: RouteQuestion): Route {
  const { config, upstream, straightTo, isOwn } = question;
  if (config.allow?.matches(target.host) === false) return refuse(403, config.refusalOf(target.host));
  const isExcluded =
    config.exclude.matches(target.host) || (straightTo !== undefined && config.exclude.matches(straightTo.host));
  const origin = config.allow === undefined ? (straightTo ?? target) : target;
  const next = upstream === undefined || isExcluded ? origin : upstream;
  if (isOwn(next)) return refuse(403, `${formatDestination(next)} is this proxy itself.`);
  return next === upstream ? { kind: 'proxy', upstream } : { kind: 'origin', to: origin };
}

export function refuse(status: number, message: string): Refusal {
  return { kind: 'refused', status, message };
}
