import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse, index: number) => void;

export interface HttpFixture {
  readonly origin: string;
  readonly host: string;
  /** Requests so far: path and Range. */
  readonly requests: {
    readonly path: string;
    readonly range: string | undefined;
    readonly headers: IncomingMessage['headers'];
  }[];
  handle: Handler;
}

/** A server on a free port for one test file; `handle` says how it answers, anything but /*.sha256 (404). */
export function httpFixture(): HttpFixture {
  let server: Server;
  const fixture = {
    origin: '',
    host: '',
    requests: [] as HttpFixture['requests'],
    handle: (() => undefined) as Handler,
  };
  beforeAll(async () => {
    server = createServer((request, response) => {
      const path = request.url ?? '';
      if (path.endsWith('.sha256') && !path.startsWith('/published')) {
        response.writeHead(404).end();
        return;
      }
      fixture.requests.push({ path, range: request.headers.range, headers: request.headers });
      fixture.handle(request, response, fixture.requests.length - 1);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    fixture.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    fixture.origin = `http://${fixture.host}`;
  });
  beforeEach(() => {
    fixture.requests.length = 0;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return fixture;
}

/** Serves content the way a good server does: ranges, If-Range, ETag. */
export function serve(content: Buffer, etag = '"one"'): Handler {
  return (request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const ifRange = request.headers['if-range'];
    if (from === undefined || (ifRange !== undefined && ifRange !== etag)) {
      response.writeHead(200, { 'Content-Length': content.length, ETag: etag }).end(content);
    } else if (Number(from) >= content.length) {
      response.writeHead(416, { 'Content-Range': `bytes */${content.length}` }).end();
    } else {
      const end = to ? Math.min(Number(to), content.length - 1) : content.length - 1;
      const part = content.subarray(Number(from), end + 1);
      const range = `bytes ${from}-${end}/${content.length}`;
      response.writeHead(206, { 'Content-Length': part.length, 'Content-Range': range, ETag: etag }).end(part);
    }
  };
}

/** The same, but the connection breaks after so many bytes of the first answers. */
export function serveBreaking(content: Buffer, breakAfter: number, breaks: number, etag = '"one"'): Handler {
  const whole = serve(content, etag);
  return (request, response, index) => {
    if (index >= breaks) return whole(request, response, index);
    const [, from = '0'] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    const start = Number(from);
    const headers = { 'Content-Length': content.length - start, ETag: etag };
    const range = start > 0 ? { 'Content-Range': `bytes ${start}-${content.length - 1}/${content.length}` } : {};
    response.writeHead(start > 0 ? 206 : 200, { ...headers, ...range });
    response.write(content.subarray(start, start + breakAfter), () => setTimeout(() => response.destroy(), 20));
  };
}
