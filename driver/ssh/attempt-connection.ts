import { connect, type Socket } from 'node:net';
import { Client } from 'ssh2';
import { DriverError } from '../errors';
import { SshConnection } from './ssh-connection';
import type { SshTarget } from './ssh-target';

/** What one attempt needs. */
export interface AttemptOptions {
  /** Text of the private key. */
  readonly key: string;
  readonly limitMs: number;
  readonly keepaliveMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What became of one attempt. Only the last two are worth another one. */
export type Attempt =
  | { readonly outcome: 'connected'; readonly connection: SshConnection }
  | { readonly outcome: 'impossible'; readonly error: DriverError }
  | { readonly outcome: 'denied'; readonly error: Error }
  | { readonly outcome: 'unreachable'; readonly reason: string };

/** The forward accepts as soon as the machine has power, so a connection may stay silent for good. */
const GREETING_MS = 5000;
const KEEPALIVES = 4;

/** Tries once to log in. Never rejects; an abort ends it as `unreachable`. */
export async function attemptConnection(target: SshTarget, options: AttemptOptions): Promise<Attempt> {
  const end = Date.now() + options.limitMs;
  const greeted = await waitForGreeting(target, Math.min(GREETING_MS, options.limitMs), options.signal);
  if (typeof greeted === 'string') return { outcome: 'unreachable', reason: greeted };
  const client = new Client();
  return new Promise((resolve) => {
    const abort = (): void => fail({ outcome: 'unreachable', reason: 'it was given up' });
    const finish = (attempt: Attempt): void => {
      options.signal?.removeEventListener('abort', abort);
      resolve(attempt);
    };
    const fail = (attempt: Attempt): void => {
      greeted.destroy();
      finish(attempt);
    };
    options.signal?.addEventListener('abort', abort, { once: true });
    client.on('error', (error) => fail(classify(error, target)));
    client.once('close', () => fail({ outcome: 'unreachable', reason: 'it hung up' }));
    client.once('ready', () =>
      finish({ outcome: 'connected', connection: new SshConnection(client, greeted, target) }),
    );
    try {
      client.connect({
        sock: greeted,
        username: target.user,
        privateKey: options.key,
        // Host keys are not checked, as docker-machine doesn't: the guest makes its own at its first start, there is no
        // earlier word of it to compare with, and the connection never leaves this computer.
        readyTimeout: Math.max(1, end - Date.now()),
        keepaliveInterval: options.keepaliveMs,
        keepaliveCountMax: KEEPALIVES,
      });
    } catch (cause) {
      const text = `cannot use SSH key ${target.keyPath}: ${(cause as Error).message}`;
      fail({ outcome: 'impossible', error: new DriverError('HK_SSH_KEY_UNUSABLE', text, { cause }) });
    }
  });
}

function classify(error: Error & { readonly level?: string }, target: SshTarget): Attempt {
  if (error.level === 'client-authentication') return { outcome: 'denied', error };
  if (error.level === 'handshake' && error.message.includes('no matching')) {
    const text = `cannot talk SSH with ${target.host}:${target.port}: ${error.message}; the guest's SSH server is too old or too strict`;
    return { outcome: 'impossible', error: new DriverError('HK_SSH_UNREACHABLE', text, { cause: error }) };
  }
  return { outcome: 'unreachable', reason: error.message };
}

/** A connected socket that has something to read (RFC 4253, 4.2: the server speaks at once), or why there is none. */
function waitForGreeting(
  target: SshTarget,
  limitMs: number,
  signal: AbortSignal | undefined,
): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket = connect({ host: target.host, port: target.port, noDelay: true });
    const settle = (answer: Socket | string): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('readable', onReadable).off('close', onClose);
      if (typeof answer === 'string') socket.destroy();
      else socket.off('error', onError);
      resolve(answer);
    };
    const onAbort = (): void => settle('it was given up');
    const onReadable = (): void => settle(socket.readableLength > 0 ? socket : 'it hung up');
    const onClose = (): void => settle('it hung up');
    const onError = (error: NodeJS.ErrnoException): void => settle(error.code ?? error.message);
    const timer = setTimeout(() => settle('nobody greets there'), limitMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    socket.on('readable', onReadable).on('error', onError).on('close', onClose);
  });
}
