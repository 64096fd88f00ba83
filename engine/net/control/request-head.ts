/** What a request's first line asks for. */
export interface RequestTarget {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Splits a request target; the absolute form that proxies get (`http://host/path`) loses its host. */
export function parseTarget(method: string, target: string): RequestTarget {
  const local = target.replace(/^https?:\/\/[^/?]*/, '');
  const mark = local.indexOf('?');
  const path = mark < 0 ? local : local.slice(0, mark);
  return { method, path, query: new URLSearchParams(mark < 0 ? '' : local.slice(mark + 1)) };
}

/**
 * The first line of an HTTP request (RFC 9112 section 3) out of the first bytes of a connection: undefined while it is
 * not complete, `no-http` when it is none.
 */
export function readRequestLine(bytes: Buffer): RequestTarget | 'no-http' | undefined {
  const end = bytes.indexOf('\n');
  if (end < 0) return undefined;
  const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.[01]\r?$/.exec(bytes.toString('latin1', 0, end)) ?? [];
  return method === undefined || target === undefined ? 'no-http' : parseTarget(method, target);
}

/** Where the bytes after a request's head begin; undefined while the head is not complete. */
export function findHeadEnd(bytes: Buffer): number | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  return end < 0 ? undefined : end + 4;
}
