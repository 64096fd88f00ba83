import os from 'node:os';
import { addressOf, libc } from '../../../native/libc';
import { EngineError } from '../../errors';
import { HIGH_MEMORY_START, LOW_MEMORY_END, type MemoryRegion } from './guest-memory';

/** TypeScript has it in lib.dom only. */
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => { buffer: SharedArrayBuffer };
};

/** A page of the guest; RAM is a whole number of them. */
export const PAGE_BYTES = 4096;

const WASM_PAGE_BYTES = 65_536;
/** KVM maps 2 MiB at once where guest and host addresses agree below that. */
const LARGE_PAGE_BYTES = 0x20_0000;
const MEBIBYTE = 0x10_0000;

/** What is below the first MiB, and room for a small kernel. */
const MIN_MEMORY_BYTES = 2 * MEBIBYTE;
/** A WebAssembly.Memory has at most 4 GiB, and some of it goes into alignment. */
const MAX_REGION_BYTES = 0xc000_0000;

/** Where RAM of `bytes` lies, in order. @see {@link LOW_MEMORY_END} */
export function planMemory(bytes: number): ReadonlyArray<{ readonly guestAddress: number; readonly bytes: number }> {
  const regions = [{ guestAddress: 0, bytes: Math.min(bytes, LOW_MEMORY_END) }];
  for (let done = LOW_MEMORY_END; done < bytes; done += MAX_REGION_BYTES) {
    const guestAddress = HIGH_MEMORY_START + done - LOW_MEMORY_END;
    regions.push({ guestAddress, bytes: Math.min(bytes - done, MAX_REGION_BYTES) });
  }
  return regions;
}

/**
 * RAM for a guest: zeroed, shared between threads, and without pages of the host until it is touched. It is a
 * WebAssembly.Memory because that is the SharedArrayBuffer whose address is a page's. It lives as long as the regions are
 * reachable.
 * @param bytes of which only whole pages count.
 * @throws EngineError HK_SPEC_INVALID, HK_KVM_FAILED when the host has no room for it.
 */
export function allocateMemory(bytes: number): readonly MemoryRegion[] {
  if (bytes < MIN_MEMORY_BYTES) {
    throw new EngineError('HK_SPEC_INVALID', `cannot give the guest ${bytes} bytes of memory: it takes 2 MiB at least`);
  }
  if (bytes > os.totalmem()) throw refusal(bytes, `this host has ${Math.floor(os.totalmem() / MEBIBYTE)} MiB`);
  return planMemory(bytes - (bytes % PAGE_BYTES)).map((region) => allocateRegion(region, bytes));
}

/** Gives the pages back to the host at once; the regions themselves go when nobody knows them any more. */
export function discardMemory(regions: readonly MemoryRegion[]): void {
  for (const { hostAddress, bytes, part } of regions) libc.discardPages(hostAddress, part?.length ?? bytes.byteLength);
}

function allocateRegion(
  { guestAddress, bytes: length }: { readonly guestAddress: number; readonly bytes: number },
  total: number,
): MemoryRegion {
  const bytes = reserve(length + LARGE_PAGE_BYTES, total);
  const start = Number(addressOf(new Uint8Array(bytes)) % BigInt(LARGE_PAGE_BYTES));
  const offset = (LARGE_PAGE_BYTES - start) % LARGE_PAGE_BYTES;
  const hostAddress = addressOf(new Uint8Array(bytes, offset, length));
  libc.adviseHugePages(hostAddress, length);
  return { guestAddress, bytes, part: { offset, length }, hostAddress };
}

function reserve(bytes: number, total: number): SharedArrayBuffer {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
  } catch (cause) {
    throw refusal(total, 'the host refuses', cause);
  }
}

function refusal(bytes: number, why: string, cause?: unknown): EngineError {
  const size = Math.ceil(bytes / MEBIBYTE);
  const text = `cannot give the guest ${size} MiB of memory: ${why}; give the machine less, or end other programs`;
  return new EngineError('HK_KVM_FAILED', text, { cause });
}
