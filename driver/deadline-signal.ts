/** An abort signal with an end. */
export interface DeadlineSignal {
  readonly signal: AbortSignal;
  /** To be called when nobody waits for it any more. */
  clear(): void;
}

/**
 * Aborts with `signal`, or when the deadline has passed, then with an error that says `no answer within N s`. A timer of
 * its own: what AbortSignal.any makes of AbortSignal.timeout is collected as garbage in Node 20, and never fires.
 */
export function openDeadline(deadlineMs: number, signal: AbortSignal | undefined): DeadlineSignal {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(new Error(`no answer within ${deadlineMs / 1000} s`)), deadlineMs);
  const onAbort = (): void => ending.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  return {
    signal: ending.signal,
    clear: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}
