// The HTTP request that opens a Go net/rpc connection: `CONNECT /_goRPC_ HTTP/1.0`, LF, LF. Real clients send bare
// line feeds, which Node's own HTTP parser refuses, and may send the first call in the same segment.

/** Where Go's net/rpc listens (rpc.DefaultRPCPath). */
export const RPC_PATH = '/_goRPC_';

/** The status a client insists on; version, line ends and further headers are free. */
export const CONNECTED_STATUS = '200 Connected to Go RPC';

/** More than any proxy-less client sends; Go's own server allows a megabyte. */
export const HEAD_LIMIT_BYTES = 8 * 1024;

export type Head =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'complete'; readonly startLine: string; readonly rest: Buffer };

const LF = 0x0a;
const CR = 0x0d;

/** Splits what has arrived so far into the first line of an HTTP head and the bytes after its empty line. */
export function splitHead(bytes: Buffer, limitBytes = HEAD_LIMIT_BYTES): Head {
  let lineStart = 0;
  for (;;) {
    const lf = bytes.indexOf(LF, lineStart);
    if (lf < 0 || lf >= limitBytes) {
      return { kind: bytes.length >= limitBytes ? 'too-long' : 'incomplete' };
    }
    const lineEnd = lf > lineStart && bytes[lf - 1] === CR ? lf - 1 : lf;
    if (lineEnd === lineStart) {
      const startLine = bytes.toString('latin1', 0, bytes.indexOf(LF)).trimEnd();
      return { kind: 'complete', startLine, rest: bytes.subarray(lf + 1) };
    }
    lineStart = lf + 1;
  }
}

const reply = (status: string, body: string): string =>
  `HTTP/1.0 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;

/** What the server answers to a start line: Go's words, and whether the connection goes on as an RPC stream. */
export function answerHead(startLine: string): { readonly accepted: boolean; readonly text: string } {
  const [, method, target] = /^([!-~]+) ([!-~]+) HTTP\/\d\.\d$/.exec(startLine) ?? [];
  if (target === undefined) return { accepted: false, text: reply('400 Bad Request', '400 Bad Request') };
  if (target !== RPC_PATH) return { accepted: false, text: reply('404 Not Found', '404 page not found\n') };
  if (method !== 'CONNECT') return { accepted: false, text: reply('405 Method Not Allowed', '405 must CONNECT\n') };
  return { accepted: true, text: `HTTP/1.0 ${CONNECTED_STATUS}\n\n` };
}
