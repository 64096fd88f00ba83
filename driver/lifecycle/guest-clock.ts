import { createInterface } from 'node:readline';
import type { Logger } from '../contract/logger';
import { openSshConnection } from '../ssh/open-connection';
import type { SshTarget } from '../ssh/ssh-target';

const LOGIN_MS = 60_000;
const DEADLINE_MS = 30_000;
/** Nearer than this the way there and back says no more. */
const GOOD_ENOUGH_MS = 5;
const CORRECTIONS = 4;
const LOOKS = 5;

/** A shell of the guest's root. bash knows the time itself; what another shell has to start for it takes longer. */
const SHELL = 'command -v bash >/dev/null && exec sudo -n bash; exec sudo -n sh';
const READ = 'if [ -n "$EPOCHREALTIME" ]; then echo $EPOCHREALTIME; else date +%s.%N; fi';

/** A line that is said to the guest's shell, and the line that it answers. */
export type AskGuest = (line: string) => Promise<string>;

/**
 * Sets the clock of a guest that has slept. Best effort: a guest that can't be asked keeps its clock, and the log says so.
 * Rejects only when it is given up.
 */
export async function setGuestClock(
  target: SshTarget,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  try {
    const connection = await openSshConnection(target, { deadlineMs: LOGIN_MS, signal });
    // Whatever is waited for ends with the connection.
    const timer = setTimeout(() => connection.close(), DEADLINE_MS);
    const onAbort = (): void => connection.close();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const { channel } = await connection.openCommand(SHELL);
      const lines = createInterface(channel)[Symbol.asyncIterator]();
      const offMs = await correctClock(async (line) => {
        channel.write(`${line}\n`);
        const { value, done } = await lines.next();
        if (done === true) throw new Error('its shell ended');
        return value;
      });
      logger.debug(`the guest's clock is set, to within ${Math.abs(offMs).toFixed(1)} ms`);
      channel.end();
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      connection.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    logger.warn(`The guest's clock could not be set: ${(error as Error).message}`);
  }
}

/**
 * Sets the clock until it is as right as can be seen. Each correction also makes up for how long the last one took to
 * come into force. Answers by how many milliseconds the guest is behind in the end.
 */
export async function correctClock(ask: AskGuest, now: () => number = Date.now): Promise<number> {
  let behindMs = await measure(ask, now);
  let delayMs = 0;
  for (let attempt = 0; attempt < CORRECTIONS && Math.abs(behindMs) > GOOD_ENOUGH_MS; attempt++) {
    const seconds = ((now() + delayMs) / 1000).toFixed(6);
    const said = await ask(`date -s @${seconds} >/dev/null 2>&1; echo $?`);
    if (said !== '0') throw new Error(`date ended with status ${said}`);
    behindMs = await measure(ask, now);
    delayMs += behindMs;
  }
  return behindMs;
}

/** By how many milliseconds the guest is behind, from the quickest of several looks. */
async function measure(ask: AskGuest, now: () => number): Promise<number> {
  let best = { tookMs: Number.POSITIVE_INFINITY, behindMs: 0 };
  for (let look = 0; look < LOOKS; look++) {
    const askedMs = now();
    const guestMs = Number(await ask(READ)) * 1000;
    if (!Number.isFinite(guestMs)) throw new Error('it does not say what time it is');
    const tookMs = now() - askedMs;
    if (tookMs < best.tookMs) best = { tookMs, behindMs: askedMs + tookMs / 2 - guestMs };
  }
  return best.behindMs;
}
