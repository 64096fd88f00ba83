import { connect, type Socket } from 'node:net';

/** Where a connection goes: a DNS name, or an address without brackets. */
export interface Destination {
  readonly host: string;
  readonly port: number;
}

/**
 * Opens a connection of the host. The stream is to allow half-open connections. When the signal aborts, the attempt
 * ends; after the connection is there the signal means nothing.
 */
export type Dial = (to: Destination, signal: AbortSignal) => Promise<Socket>;

/** Finds out that the other end is gone from a flow that is silent for long, without ending silent flows. */
const KEEP_ALIVE_MS = 60_000;

/** Connects a socket of this process: the host's routes, and its resolver for names. */
export const dialHost: Dial = (to, signal) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({
      ...to,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    const abort = (): void => void socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort);
      socket.removeListener('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
    socket.once('close', () => signal.removeEventListener('abort', abort));
  });

/** A connection could not be opened; the message says which and why. */
export class ConnectFailure extends Error {
  override readonly name = 'ConnectFailure';
}

/**
 * Dials within a time.
 * @throws ConnectFailure whatever goes wrong, the deadline and `signal` included.
 */
export async function dialWithin(
  dial: Dial,
  to: Destination,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  const attempt = new AbortController();
  const stop = (reason: string): void => attempt.abort(new Error(reason));
  const abort = (): void => stop('the guest left');
  const timer = setTimeout(stop, deadlineMs, `no answer within ${deadlineMs} ms`);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await abandonable(dial(to, attempt.signal), attempt.signal);
  } catch (error) {
    throw new ConnectFailure(`cannot connect to ${formatDestination(to)}: ${reasonOf(error as Error)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** "host:port", IPv6 in brackets. */
export function formatDestination({ host, port }: Destination): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Doesn't rely on the dialler's heeding the signal; a connection that comes too late is closed. */
function abandonable(dialling: Promise<Socket>, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    dialling.then((socket) => {
      if (!signal.aborted) return resolve(socket);
      socket.on('error', () => undefined);
      socket.destroy();
    }, reject);
    if (signal.aborted) abort();
  });
}

function reasonOf(error: Error): string {
  if ((error as NodeJS.ErrnoException).code === 'ENOTFOUND') return 'there is no host of that name';
  const [first] = error instanceof AggregateError ? (error.errors as readonly Error[]) : [];
  return first?.message ?? error.message;
}
