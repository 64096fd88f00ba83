/** libmachine's rule: a client beats every 5 s, and a plugin that hears nothing for 10 s is on its own. */
export const SILENCE_LIMIT_MS = 10_000;

const TICKS = 20;

/** Watches for signs of life of the client; any call counts, as a slow client may be late with its heartbeats only. */
export interface LifeSign {
  /** The client has just been heard. */
  renew(): void;
  stop(): void;
}

/**
 * Calls `onSilence` once when nothing was heard for `limitMs`.
 *
 * Silence is counted in ticks of a timer, not by the clock: time in which this process did not run either (Ctrl-Z,
 * a laptop asleep, a busy event loop) is one tick, and heartbeats that wait in the socket are read before the next.
 */
export function watchLife(onSilence: () => void, limitMs = SILENCE_LIMIT_MS): LifeSign {
  let silentTicks = 0;
  const timer = setInterval(() => {
    silentTicks += 1;
    if (silentTicks < TICKS) return;
    clearInterval(timer);
    onSilence();
  }, limitMs / TICKS);
  return {
    renew: () => {
      silentTicks = 0;
    },
    stop: () => clearInterval(timer),
  };
}
