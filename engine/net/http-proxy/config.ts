import * as v from 'valibot';
import { EngineError } from '../../errors';
import { type HostPatterns, parseHostPatterns } from './host-patterns';
import { parseUpstreamProxy, type UpstreamProxy } from './upstream-proxy';

/** Bounds of a configuration, far above what people write. */
export const MAX_CONFIG_BYTES = 1024 * 1024;
const MAX_PATTERNS = 4096;
const MAX_PORTS = 256;
const MAX_TEXT = 65_536;

const DEFAULT_REFUSAL = 'Connections to %s are forbidden by policy. Please contact your IT administrator.';

const text = v.pipe(v.string('must be a text'), v.maxLength(MAX_TEXT, `must be at most ${MAX_TEXT} characters long`));
const ports = v.pipe(
  v.array(
    v.pipe(
      v.number('must be a port number'),
      v.integer('must be a port number'),
      v.minValue(1, 'must be at least 1'),
      v.maxValue(65_535, 'must be at most 65535'),
    ),
    'must be a list of ports',
  ),
  v.maxLength(MAX_PORTS, `must be at most ${MAX_PORTS} ports`),
);

/** VPNKit's keys. Others are left alone: files are shared with versions that know more. */
const schema = v.object({
  http: v.optional(text),
  https: v.optional(text),
  exclude: v.optional(text, ''),
  transparent_http_ports: v.optional(ports, [80]),
  transparent_https_ports: v.optional(ports, [443]),
  allow_enabled: v.optional(v.boolean('must be true or false'), false),
  allow: v.optional(
    v.pipe(
      v.array(text, 'must be a list of hosts'),
      v.maxLength(MAX_PATTERNS, `must be at most ${MAX_PATTERNS} hosts`),
    ),
    [],
  ),
  allow_error_msg: v.optional(text, DEFAULT_REFUSAL),
});

/** How the guests' HTTP and HTTPS leave the network. */
export interface HttpProxyConfig {
  /** Upstream proxies for plain HTTP and for TLS; without one, requests go to their origin. */
  readonly http?: UpstreamProxy;
  readonly https?: UpstreamProxy;
  /** Hosts that are reached without the upstream proxy. */
  readonly exclude: HostPatterns;
  readonly transparentHttpPorts: ReadonlySet<number>;
  readonly transparentHttpsPorts: ReadonlySet<number>;
  /** The only hosts that may be reached; absent when all may. */
  readonly allow?: HostPatterns;
  /** What a guest is told about a host that is not on the list. */
  readonly refusalOf: (host: string) => string;
  /** The same as VPNKit's JSON, defaults filled in. Holds passwords. */
  readonly json: v.InferOutput<typeof schema>;
}

/**
 * Reads VPNKit's http_proxy.json, already parsed. `{}` proxies nothing.
 * @throws EngineError HK_NET_CONFIG_INVALID that names the key and what it must be.
 */
export function parseHttpProxyConfig(input: unknown): HttpProxyConfig {
  if (Array.isArray(input)) throw invalid('it must be an object');
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    const key = v.getDotPath(issue);
    throw invalid(key === null ? 'it must be an object' : `${key} ${issue.message}`);
  }
  const json = result.output;
  const http = parseProxy('http', json.http);
  const https = parseProxy('https', json.https);
  const exclude = json.exclude.split(/[\s,]+/).filter((pattern) => pattern !== '');
  if (exclude.length > MAX_PATTERNS) throw invalid(`exclude must be at most ${MAX_PATTERNS} hosts`);
  return {
    ...(http && { http }),
    ...(https && { https }),
    exclude: within('exclude', () => parseHostPatterns(exclude)),
    transparentHttpPorts: new Set(json.transparent_http_ports),
    transparentHttpsPorts: new Set(json.transparent_https_ports),
    ...(json.allow_enabled && { allow: within('allow', () => parseHostPatterns(json.allow)) }),
    refusalOf: (host) => json.allow_error_msg.replaceAll('%s', () => host),
    json,
  };
}

/**
 * The same from text.
 * @throws EngineError HK_NET_CONFIG_INVALID
 */
export function parseHttpProxyJson(bytes: Uint8Array): HttpProxyConfig {
  if (bytes.length > MAX_CONFIG_BYTES) throw invalid(`it is longer than ${MAX_CONFIG_BYTES} bytes`);
  let input: unknown;
  try {
    input = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // The parser's own message quotes the text, which can hold a password.
    throw invalid('it is not JSON');
  }
  return parseHttpProxyConfig(input);
}

function parseProxy(key: string, value: string | undefined): UpstreamProxy | undefined {
  if (value === undefined || value.trim() === '') return undefined;
  return within(key, () => parseUpstreamProxy(value));
}

function within<T>(key: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw invalid(`${key}: ${(error as Error).message}`, error);
  }
}

function invalid(reason: string, cause?: unknown): EngineError {
  return new EngineError('HK_NET_CONFIG_INVALID', `cannot use this HTTP proxy configuration: ${reason}`, { cause });
}
