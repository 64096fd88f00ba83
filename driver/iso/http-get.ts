import type { Readable } from 'node:stream';
import { ADVICE_NETWORK, ADVICE_URL, DownloadFault, faultOf } from './download-fault';

const MAX_REDIRECTS = 5;

export interface HttpGetOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** From the start to the response's header, redirects included. */
  readonly connectTimeoutMs: number;
  /** Longest silence inside the body. */
  readonly stallTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  header(name: string): string | undefined;
  /** Body in pieces; ends with a DownloadFault when the connection breaks, stalls or is cancelled. Leaving the loop closes it. */
  body(): AsyncGenerator<Buffer>;
  /** For a response whose body is of no interest. */
  discard(): void;
}

/**
 * GET with axios, which brings redirects and the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY; it is loaded with the
 * first request, being by far the largest thing in the program. Any status is an answer; throws DownloadFault.
 */
export async function httpGet(url: string, options: HttpGetOptions): Promise<HttpResponse> {
  const { default: axios } = await import('axios');
  const watch = new Watch(options.signal);
  try {
    watch.expectWithin(options.connectTimeoutMs, 'no answer');
    const response = await axios.get<Readable>(url, {
      responseType: 'stream',
      headers: { 'Accept-Encoding': 'identity', 'User-Agent': 'docker-machine-driver-hyperkit', ...options.headers },
      decompress: false,
      maxRedirects: MAX_REDIRECTS,
      beforeRedirect: (next: Record<string, unknown>) => refuseDowngrade(url, next),
      validateStatus: () => true,
      signal: watch.signal,
    });
    watch.rest();
    const headers = response.headers as Readonly<Record<string, unknown>>;
    return {
      status: response.status,
      header: (name) => {
        const value = headers[name];
        return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
      },
      body: () => readBody(response.data, watch, options.stallTimeoutMs),
      discard: () => {
        watch.stop();
        response.data.on('error', () => undefined).destroy();
      },
    };
  } catch (error) {
    watch.stop();
    throw watch.fault ?? faultOf(error);
  }
}

async function* readBody(stream: Readable, watch: Watch, stallTimeoutMs: number): AsyncGenerator<Buffer> {
  const end = () => stream.destroy(watch.fault);
  watch.signal.addEventListener('abort', end, { once: true });
  try {
    watch.expectWithin(stallTimeoutMs, 'no more data');
    for await (const piece of stream as AsyncIterable<Buffer>) {
      // The time the consumer takes to write is not the server's.
      watch.rest();
      yield piece;
      watch.expectWithin(stallTimeoutMs, 'no more data');
    }
    if (watch.fault !== undefined) throw watch.fault;
  } catch (error) {
    throw watch.fault ?? faultOf(error);
  } finally {
    watch.stop();
    stream.on('error', () => undefined).destroy();
  }
}

/** A secure URL must not end in plain text, where anybody on the way could put in an ISO of his own. */
function refuseDowngrade(url: string, next: Readonly<Record<string, unknown>>): void {
  if (url.startsWith('https:') && next['protocol'] !== 'https:') {
    throw new DownloadFault('it redirects from https to an unprotected address', ADVICE_URL, false);
  }
}

/** One AbortSignal for all that can end a request early: the caller, and silence. */
class Watch {
  /** Set before the signal fires. */
  fault: DownloadFault | undefined;
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private readonly onAbort = () => this.end(new DownloadFault('it was cancelled', 'run the command again', false));

  constructor(private readonly outer: AbortSignal | undefined) {
    if (outer?.aborted) this.onAbort();
    else outer?.addEventListener('abort', this.onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  expectWithin(timeoutMs: number, what: string): void {
    this.rest();
    if (this.fault !== undefined) return;
    this.timer = setTimeout(
      () => this.end(new DownloadFault(`${what} for ${timeoutMs / 1000} s`, ADVICE_NETWORK, true)),
      timeoutMs,
    );
  }

  rest(): void {
    clearTimeout(this.timer);
  }

  stop(): void {
    this.rest();
    this.outer?.removeEventListener('abort', this.onAbort);
  }

  private end(fault: DownloadFault): void {
    this.fault ??= fault;
    this.controller.abort(this.fault);
  }
}
