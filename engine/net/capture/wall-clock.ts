import { performance } from 'node:perf_hooks';

/** Beyond the rounding of `Date.now()`; more means that the clock was set or the host slept. */
const TOLERANCE_MS = 2;

let anchorMs = performance.timeOrigin;

/**
 * Milliseconds since 1970 with a fraction. `Date.now()` has none, and the monotonic clock alone does not see a suspended
 * host or a corrected clock.
 */
export function wallClockMs(): number {
  const coarse = Date.now();
  const monotonic = performance.now();
  if (Math.abs(anchorMs + monotonic - coarse) > TOLERANCE_MS) anchorMs = coarse - monotonic;
  return anchorMs + monotonic;
}
