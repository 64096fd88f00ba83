import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../errors';
import { readKeyFile } from './key-file';
import type { SshConnection } from './ssh-connection';
import { formatTarget, type SshTarget } from './ssh-target';

/** How `openSshConnection` waits. */
export interface SshWaitOptions {
  /** For all attempts together. */
  readonly deadlineMs: number;
  /** Gives up; the rejection is the signal's reason. */
  readonly signal?: AbortSignal;
  /** Pause between signs of life that are asked of the peer; after four that stay without answer the connection is lost. 30 s unless told. */
  readonly keepaliveMs?: number;
}

const PAUSE_MS = 200;
const KEEPALIVE_MS = 30_000;
/** Guests start their SSH server before or while they put the machine's key in its place. */
const DENIAL_GRACE_MS = 3000;

/**
 * Logs in to a machine, trying again until its SSH server answers.
 * @throws DriverError HK_SSH_KEY_UNUSABLE, HK_SSH_DENIED when the guest doesn't take the key, HK_SSH_UNREACHABLE when
 * nothing that speaks SSH answers within the deadline.
 */
export async function openSshConnection(target: SshTarget, options: SshWaitOptions): Promise<SshConnection> {
  options.signal?.throwIfAborted();
  const key = await readKeyFile(target.keyPath);
  // The SSH library takes some 40 ms to load.
  const { attemptConnection } = await import('./attempt-connection');
  const end = Date.now() + options.deadlineMs;
  const keepaliveMs = options.keepaliveMs ?? KEEPALIVE_MS;
  let reason = 'there was no time for it';
  let deniedSince: number | undefined;
  for (let left = options.deadlineMs; left > 0; left = end - Date.now()) {
    const attempt = await attemptConnection(target, { key, limitMs: left, keepaliveMs, signal: options.signal });
    options.signal?.throwIfAborted();
    switch (attempt.outcome) {
      case 'connected':
        return attempt.connection;
      case 'impossible':
        throw attempt.error;
      case 'denied':
        deniedSince ??= Date.now();
        if (Date.now() - deniedSince >= DENIAL_GRACE_MS) throw denied(target, attempt.error);
        reason = 'it does not take the key';
        break;
      case 'unreachable':
        reason = attempt.reason;
        break;
    }
    await sleep(Math.max(0, Math.min(PAUSE_MS, end - Date.now())), undefined, { signal: options.signal }).catch(() =>
      options.signal?.throwIfAborted(),
    );
  }
  const seconds = Math.round(options.deadlineMs / 1000);
  const text = `cannot log in to ${formatTarget(target)} within ${seconds} s: ${reason}; see the machine's console.log`;
  throw new DriverError('HK_SSH_UNREACHABLE', text);
}

function denied(target: SshTarget, cause: Error): DriverError {
  const text = `cannot log in to ${formatTarget(target)}: the machine does not take the key ${target.keyPath}`;
  return new DriverError('HK_SSH_DENIED', `${text}; its home folder may have been changed by hand`, { cause });
}
