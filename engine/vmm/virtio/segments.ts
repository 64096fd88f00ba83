import type { GuestMemory } from '../memory/guest-memory';
import type { Segment } from './virtqueue';

/** Copies bytes out of a chain's buffers, from byte `skip` on, until `into` is full or the buffers end; answers how many. */
export function gather(memory: GuestMemory, segments: readonly Segment[], skip: number, into: Uint8Array): number {
  let before = skip;
  let done = 0;
  for (const { address, length } of segments) {
    if (done === into.length) break;
    if (before >= length) {
      before -= length;
      continue;
    }
    const part = Math.min(length - before, into.length - done);
    into.set(memory.slice(address + before, part), done);
    before = 0;
    done += part;
  }
  return done;
}

/** Copies `bytes` into a chain's buffers, as many as fit; answers how many. */
export function scatter(memory: GuestMemory, segments: readonly Segment[], bytes: Uint8Array): number {
  let done = 0;
  for (const { address, length } of segments) {
    if (done === bytes.length) break;
    const part = Math.min(length, bytes.length - done);
    memory.slice(address, part).set(bytes.subarray(done, done + part));
    done += part;
  }
  return done;
}
