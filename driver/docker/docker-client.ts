import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { readPem } from '../certs/pem-file';
import { openDeadline } from '../deadline-signal';
import { DriverError } from '../errors';
import type { AuthPaths } from '../host/host-options';

/** Docker's answers to what is asked here take a few KB. */
const MAX_ANSWER_BYTES = 1024 * 1024;
const ATTEMPT_MS = 20_000;
const PAUSE_MS = 100;

/** How to reach a machine's Docker. */
export interface DockerTarget {
  readonly host: string;
  readonly port: number;
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Reads the client's certificates for a machine at `tcp://HOST:PORT`. @throws DriverError HK_CERTIFICATE_INVALID */
export function dockerTarget(url: string, paths: Pick<AuthPaths, 'caCert' | 'clientCert' | 'clientKey'>): DockerTarget {
  const { hostname, port } = new URL(url);
  const read = (file: string): string => {
    const pem = readPem(file);
    if (pem === undefined) {
      throw new DriverError(
        'HK_CERTIFICATE_INVALID',
        `cannot talk to Docker at ${hostname}:${port}: ${file} is missing; "hyperkit regenerate-certs" makes it`,
      );
    }
    return pem;
  };
  return {
    host: hostname,
    port: Number(port),
    caPem: read(paths.caCert),
    certificatePem: read(paths.clientCert),
    keyPem: read(paths.clientKey),
  };
}

/** Version of the engine, e.g. `26.1.5`. @throws DriverError HK_DOCKER_UNREACHABLE */
export async function readDockerVersion(target: DockerTarget, deadlineMs: number): Promise<string> {
  const version: unknown = JSON.parse(await get(target, '/version', deadlineMs));
  const { Version: text } = version as { readonly Version?: unknown };
  return typeof text === 'string' ? text : 'Unknown';
}

/**
 * Proves that Docker answers over TLS with the certificates of both sides.
 * @throws DriverError HK_DOCKER_UNREACHABLE
 */
export async function pingDocker(target: DockerTarget, deadlineMs = ATTEMPT_MS): Promise<void> {
  await get(target, '/_ping', deadlineMs);
}

/**
 * The same, while the guest may still be starting Docker: again until it answers. What waiting cannot mend, a
 * certificate that doesn't fit, ends it at once.
 * @throws DriverError HK_DOCKER_UNREACHABLE; the signal's reason on abort
 */
export async function waitForDocker(target: DockerTarget, deadlineMs: number, signal: AbortSignal): Promise<void> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    signal.throwIfAborted();
    try {
      await get(target, '/_ping', Math.min(ATTEMPT_MS, Math.max(PAUSE_MS, end - Date.now())), signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (isCertificateFault(error) || Date.now() + PAUSE_MS > end) throw error;
    }
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** One request of the Engine API. */
export interface DockerCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: object;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface DockerAnswer {
  readonly status: number;
  readonly text: string;
}

/** Asks Docker something, once. @throws DriverError HK_DOCKER_UNREACHABLE when it does not answer at all */
export async function callDocker(target: DockerTarget, call: DockerCall): Promise<DockerAnswer> {
  try {
    return await answerOf(target, call);
  } catch (cause) {
    throw unreachable(target, cause as Error);
  }
}

async function get(target: DockerTarget, path: string, deadlineMs: number, signal?: AbortSignal): Promise<string> {
  const { status, text } = await callDocker(target, { method: 'GET', path, deadlineMs, signal });
  if (status !== 200) throw unreachable(target, new Error(`it answers with status ${status}: ${text.slice(0, 200)}`));
  return text;
}

function unreachable(target: DockerTarget, cause: Error): DriverError {
  const advice = isCertificateFault(cause)
    ? 'its certificate does not fit; "hyperkit regenerate-certs" makes a new one'
    : 'look at the machine with "hyperkit status" and "hyperkit logs", or start its Docker again with "hyperkit restart"';
  return new DriverError(
    'HK_DOCKER_UNREACHABLE',
    `cannot reach Docker at ${target.host}:${target.port}: ${cause.message}; ${advice}`,
    { cause },
  );
}

async function answerOf(target: DockerTarget, call: DockerCall): Promise<DockerAnswer> {
  const deadline = openDeadline(call.deadlineMs, call.signal);
  try {
    return await readAnswer(await responseOf(target, call, deadline.signal));
  } catch (error) {
    throw deadline.signal.aborted ? deadline.signal.reason : error;
  } finally {
    deadline.clear();
  }
}

function responseOf(
  { host, port, caPem: ca, certificatePem: cert, keyPem: key }: DockerTarget,
  { method, path, body }: DockerCall,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const headers = payload === undefined ? {} : { 'Content-Type': 'application/json' };
  return new Promise((resolve, reject) => {
    const call = request({ host, port, method, path, headers, ca, cert, key, agent: false, signal }, resolve);
    call.on('error', reject).end(payload);
  });
}

async function readAnswer(response: IncomingMessage): Promise<DockerAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new Error(`it says more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

/** OpenSSL's verdicts about either side's certificate, by Node's codes. */
function isCertificateFault(error: unknown): boolean {
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown };
  if (cause !== undefined) return isCertificateFault(cause);
  return typeof code === 'string' && /CERT|SELF_SIGNED|UNABLE_TO_|ALERT|ERR_TLS|ERR_SSL_(?!WRONG_VERSION)/.test(code);
}
