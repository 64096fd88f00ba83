/** Names and values in turn, as they came: node:http's `rawHeaders`. */
export type RawHeaders = readonly string[];

/** RFC 9110 section 7.6.1 and what browsers send to proxies: they are for the next hop only, and that is us. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade', 'http2-settings']);

/** Named in Connection they would change what a message is, or where it goes. */
const NEVER_DROPPED = new Set(['host', 'content-length', 'transfer-encoding']);

/** The values of a header, `name` in lower case. */
export function valuesOf(headers: RawHeaders, name: string): readonly string[] {
  return pairs(headers).flatMap(([key, value]) => (key.toLowerCase() === name ? [value] : []));
}

/** The comma-separated words of a header, in lower case. */
export function tokensOf(headers: RawHeaders, name: string): readonly string[] {
  return valuesOf(headers, name).flatMap((value) => value.split(',').map((token) => token.trim().toLowerCase()));
}

/** How a request's headers are to leave. */
export interface RequestRewrite {
  /** Takes the place of Host, or comes first where there was none. */
  readonly host: string;
  /** Credentials for the upstream proxy, instead of the guest's own. */
  readonly proxyAuthorization?: string | undefined;
  /** Whether the next hop is a proxy, which may be given the guest's own Proxy-Authorization. */
  readonly toProxy: boolean;
  /** Protocol to go on asking for. */
  readonly upgrade?: string | undefined;
}

/** The headers for the next hop: in their order and spelling, without those of this hop. */
export function rewriteRequestHeaders(headers: RawHeaders, rewrite: RequestRewrite): string[] {
  const keepsGuestCredentials = rewrite.toProxy && rewrite.proxyAuthorization === undefined;
  const kept = endToEnd(headers).filter(
    ([name]) => name.toLowerCase() !== 'proxy-authorization' || keepsGuestCredentials,
  );
  const hostAt = kept.findIndex(([name]) => name.toLowerCase() === 'host');
  if (hostAt < 0) kept.unshift(['Host', rewrite.host]);
  else kept[hostAt] = [kept[hostAt]![0], rewrite.host];
  if (rewrite.proxyAuthorization !== undefined) kept.push(['Proxy-Authorization', rewrite.proxyAuthorization]);
  if (rewrite.upgrade !== undefined) kept.push(['Connection', 'Upgrade'], ['Upgrade', rewrite.upgrade]);
  return kept.flat();
}

/**
 * The headers of an answer for the guest.
 * @param canChunk false for guests of HTTP/1.0, which get a body until the connection closes.
 */
export function rewriteResponseHeaders(headers: RawHeaders, canChunk: boolean): string[] {
  const kept = endToEnd(headers);
  return (canChunk ? kept : kept.filter(([name]) => name.toLowerCase() !== 'transfer-encoding')).flat();
}

/** Neighbours together, as `addTrailers` wants them. */
export function pairs(headers: RawHeaders): [string, string][] {
  const list: [string, string][] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) list.push([headers[index]!, headers[index + 1]!]);
  return list;
}

function endToEnd(headers: RawHeaders): [string, string][] {
  const named = new Set(tokensOf(headers, 'connection').filter((name) => !NEVER_DROPPED.has(name)));
  return pairs(headers).filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !named.has(name.toLowerCase()));
}
