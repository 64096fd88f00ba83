import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type HttpProxyConfig, MAX_CONFIG_BYTES, parseHttpProxyJson } from './config';
import type { LiveHttpProxyConfig } from './live-config';

const PATH = '/http_proxy.json';
const BODY_MS = 10_000;

/**
 * VPNKit's --http-api-path: GET and POST of /http_proxy.json. Answers 200, 400 with the reason, or 404, each with its
 * length and a closed connection, so that clients of HTTP/1.0 need no more. The answer to GET holds passwords: the
 * socket has to be its owner's alone.
 */
export function createConfigApi(live: LiveHttpProxyConfig): RequestListener {
  return (request, response) => {
    if (request.url !== PATH) answer(response, 404, 'text/plain', 'not found\n');
    else if (request.method === 'GET') answer(response, 200, 'application/json', JSON.stringify(live.current.json));
    else if (request.method === 'POST') void change(live, request, response);
    else answer(response, 404, 'text/plain', 'GET and POST only\n');
  };
}

async function change(live: LiveHttpProxyConfig, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let config: HttpProxyConfig;
  try {
    config = parseHttpProxyJson(await readBody(request));
  } catch (error) {
    answer(response, 400, 'text/plain', `${(error as Error).message}\n`);
    return;
  }
  live.replace(config);
  answer(response, 200, 'text/plain', '');
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const timer = setTimeout(() => request.destroy(), BODY_MS);
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      // What is kept of a body that is too long is still too long, and refused as such.
      if (length <= MAX_CONFIG_BYTES) chunks.push(chunk);
      length += chunk.length;
    }
    return Buffer.concat(chunks);
  } finally {
    clearTimeout(timer);
  }
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  response.end(body);
}
