import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint } from '../address/endpoint';
import { DriverError } from '../errors';

/** Between attempts: short at first, for guests that need not boot. */
const FIRST_PAUSE_MS = 25;
const PAUSE_MS = 200;
const ATTEMPT_MS = 5_000;

/** What `waitForSsh` needs to know of the machine while it waits. */
export interface SshWait {
  readonly endpoint: Endpoint;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** Looked at between attempts; a reason ends the wait at once instead of after the deadline. */
  readonly whyDead: () => Promise<string | undefined>;
  /** The guest's last words, for the message when the deadline has passed. */
  readonly lastWords: () => Promise<readonly string[]>;
}

/**
 * Waits until the guest's SSH server greets (RFC 4253 section 4.2: the server sends `SSH-2.0-…`). A mere TCP connection
 * proves nothing: the forward accepts before the guest is up.
 * @throws DriverError HK_SSH_UNREACHABLE when the machine died or the deadline passed; the signal's reason on abort.
 */
export async function waitForSsh(wait: SshWait): Promise<void> {
  const end = Date.now() + wait.deadlineMs;
  let pauseMs = FIRST_PAUSE_MS;
  while (Date.now() < end) {
    wait.signal.throwIfAborted();
    if (await greets(wait.endpoint, Math.min(ATTEMPT_MS, end - Date.now()), wait.signal)) return;
    wait.signal.throwIfAborted();
    const reason = await wait.whyDead();
    if (reason !== undefined) {
      throw new DriverError('HK_SSH_UNREACHABLE', `the virtual machine ended while booting: ${reason}`);
    }
    await sleep(pauseMs, undefined, { signal: wait.signal });
    pauseMs = Math.min(2 * pauseMs, PAUSE_MS);
  }
  const where = `${wait.endpoint.address}:${wait.endpoint.sshPort}`;
  const text =
    `the virtual machine runs, but no SSH server answered on ${where} within ${Math.round(wait.deadlineMs / 1000)} s; ` +
    "see console.log in the machine's folder, which ends with:";
  throw new DriverError('HK_SSH_UNREACHABLE', [text, ...(await wait.lastWords())].join('\n  '));
}

/** The forward accepts and then says nothing for as long as the guest boots, so an abort has to cut the attempt short. */
function greets(endpoint: Endpoint, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    // Not by the socket's own option `signal`: Node 20 never takes that listener off again.
    const socket = connect({ host: endpoint.address, port: endpoint.sshPort });
    const done = (answer: boolean): void => {
      signal.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(answer);
    };
    const giveUp = (): void => done(false);
    signal.addEventListener('abort', giveUp);
    socket.setTimeout(timeoutMs, () => done(false));
    socket.once('data', (bytes) => done(bytes.subarray(0, 4).toString('latin1') === 'SSH-'));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
  });
}
