import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Store } from './machines';

/** By how much a guest's clock is off: right to half of the way there and back. */
export interface ClockLook {
  readonly offMs: number;
  readonly tookMs: number;
}

/** The quickest of several looks over one SSH session. */
export async function guestClock(store: Store, name: string): Promise<ClockLook> {
  const child = spawn(store.client, ['ssh', name, 'bash'], { env: store.env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  let best = { offMs: 0, tookMs: Number.POSITIVE_INFINITY };
  for (let look = 0; look < 10; look++) {
    const askedMs = Date.now();
    child.stdin.write('echo $EPOCHREALTIME\n');
    const guestMs = Number((await lines.next()).value) * 1000;
    const tookMs = Date.now() - askedMs;
    if (tookMs < best.tookMs) best = { offMs: guestMs - askedMs - tookMs / 2, tookMs };
  }
  child.stdin.end();
  await once(child, 'close');
  return best;
}
