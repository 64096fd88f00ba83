import type { AccessSize, MessageInterrupts, RegisterDevice } from '../bus/register-device';
import { MSIX_CONTROL_MASKED, MSIX_CONTROL_ON } from './config-layout';

const ENTRY_WORDS = 4;
const VECTOR_CONTROL = 3;
const MASKED = 1;

/** Where the table and the pending bits lie in their BAR: the pending bits begin the second half. */
export function msixBarBytes(vectors: number): number {
  let half = 2048;
  while (half < vectors * ENTRY_WORDS * 4) half *= 2;
  return 2 * half;
}

/**
 * The MSI-X table and its pending bits (PCI Local Bus 3.0, 6.8.2), as the registers of one BAR. Whoever calls holds the
 * board's lock: a driver changes address and data in several accesses while an entry is masked.
 *
 * Layout of the shared words: per vector u32 address, u32 upper address, u32 data, u32 control; then the pending bits,
 * 32 in each word.
 */
export class MsixTable implements RegisterDevice {
  static stateBytes(vectors: number): number {
    return (vectors * ENTRY_WORDS + 2 * Math.ceil(vectors / 64)) * 4;
  }

  readonly #table: Uint32Array;
  readonly #pending: Uint32Array;
  readonly #pendingOffset: number;

  /** @param control reads the capability's control register, which lies in configuration space. */
  constructor(
    readonly vectors: number,
    shared: SharedArrayBuffer,
    byteOffset: number,
    private readonly control: () => number,
    private readonly messages: () => MessageInterrupts | undefined,
  ) {
    const words = vectors * ENTRY_WORDS;
    this.#table = new Uint32Array(shared, byteOffset, words);
    this.#pending = new Uint32Array(shared, byteOffset + words * 4, 2 * Math.ceil(vectors / 64));
    this.#pendingOffset = msixBarBytes(vectors) / 2;
  }

  /** The driver uses MSI-X instead of MSI or an interrupt pin. */
  get enabled(): boolean {
    return (this.control() & MSIX_CONTROL_ON) !== 0;
  }

  /** Power-on: every vector is masked. */
  reset(): void {
    this.#table.fill(0);
    this.#pending.fill(0);
    for (let vector = 0; vector < this.vectors; vector++) {
      this.#table[vector * ENTRY_WORDS + VECTOR_CONTROL] = MASKED;
    }
  }

  /** Interrupts, or remembers to when the vector is masked. A vector that isn't there is ignored: "no vector" is one. */
  signal(vector: number, messages: MessageInterrupts): void {
    if (!this.enabled || !(vector >= 0 && vector < this.vectors)) return;
    if (this.#allMasked || this.#masked(vector)) this.#setPending(vector, true);
    else this.#send(vector, messages);
  }

  /** Sends what had to wait: after an entry or the whole function is no longer masked. */
  flush(): void {
    const messages = this.messages();
    if (!this.enabled || this.#allMasked || messages === undefined) return;
    for (let word = 0; word < this.#pending.length; word++) {
      if (this.#pending[word] === 0) continue;
      for (let vector = word * 32; vector < Math.min(this.vectors, word * 32 + 32); vector++) {
        if (!this.#isPending(vector) || this.#masked(vector)) continue;
        this.#setPending(vector, false);
        this.#send(vector, messages);
      }
    }
  }

  read(offset: number, size: AccessSize): number {
    const word = this.#wordAt(offset & ~3);
    return size === 4 ? word : (word >>> ((offset & 3) * 8)) & (2 ** (8 * size) - 1);
  }

  /** Drivers write words (6.8.2: smaller accesses are undefined); smaller ones change their part. */
  write(offset: number, size: AccessSize, value: number): void {
    const at = offset & ~3;
    if (at >= this.#table.length * 4) return;
    const shift = (offset & 3) * 8;
    const mask = size === 4 ? 0xffff_ffff : ((2 ** (8 * size) - 1) << shift) >>> 0;
    const index = at / 4;
    const merged = (this.#table[index] as number) & ~mask;
    this.#table[index] = merged | ((value << shift) & mask);
    if (index % ENTRY_WORDS === VECTOR_CONTROL) {
      this.#table[index] = (this.#table[index] as number) & MASKED;
      this.flush();
    }
  }

  #wordAt(offset: number): number {
    if (offset < this.#table.length * 4) return this.#table[offset / 4] as number;
    return this.#pending[(offset - this.#pendingOffset) / 4] ?? 0;
  }

  get #allMasked(): boolean {
    return (this.control() & MSIX_CONTROL_MASKED) !== 0;
  }

  #masked(vector: number): boolean {
    return ((this.#table[vector * ENTRY_WORDS + VECTOR_CONTROL] as number) & MASKED) !== 0;
  }

  #isPending(vector: number): boolean {
    return (((this.#pending[vector >> 5] as number) >>> (vector & 31)) & 1) === 1;
  }

  #setPending(vector: number, pending: boolean): void {
    const bit = 2 ** (vector & 31);
    const word = this.#pending[vector >> 5] as number;
    this.#pending[vector >> 5] = pending ? word | bit : word & ~bit;
  }

  #send(vector: number, messages: MessageInterrupts): void {
    const entry = vector * ENTRY_WORDS;
    messages.send(this.#table[entry] as number, this.#table[entry + 1] as number, this.#table[entry + 2] as number);
  }
}
