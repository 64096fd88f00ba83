import type { GuestRange } from '../io/guest-vectors';
import { GuestVectors } from '../io/guest-vectors';
import type { GuestMemory } from '../memory/guest-memory';

/** Of one system call. */
const PIECE_BYTES = 0x10_0000;
const PIECE_RANGES = 512;

/** The buffers of a command in guest memory. `moved` counts what went in or out. */
export class CommandData {
  readonly #vectors: GuestVectors;
  #ranges: readonly GuestRange[] = [];
  #bytes = 0;
  #moved = 0;

  constructor(private readonly memory: GuestMemory) {
    this.#vectors = new GuestVectors(memory);
  }

  /** The next command's buffers. */
  use(ranges: readonly GuestRange[]): void {
    this.#ranges = ranges;
    this.#bytes = ranges.reduce((sum, { length }) => sum + length, 0);
    this.#moved = 0;
  }

  /** Of all buffers together. */
  get bytes(): number {
    return this.#bytes;
  }

  get moved(): number {
    return this.#moved;
  }

  /** Fills the buffers, which are that large, with `length` bytes of a file. 0, or a negated errno. */
  readFrom(fd: number, offset: number, length: number): number {
    return this.#transfer(length, (done) => this.#vectors.readFrom(fd, offset + done));
  }

  /** Writes the buffers' first `length` bytes, which are there, to a file. 0, or a negated errno. */
  writeTo(fd: number, offset: number, length: number): number {
    return this.#transfer(length, (done) => this.#vectors.writeTo(fd, offset + done));
  }

  /** Puts bytes into the buffers, as many as there is room for. */
  put(bytes: Uint8Array): void {
    let done = 0;
    for (const { address, length } of this.#ranges) {
      const part = Math.min(length, bytes.length - done);
      if (part === 0) break;
      this.memory.slice(address, part).set(bytes.subarray(done, done + part));
      done += part;
    }
    this.#moved += done;
  }

  /** A copy of the buffers' first `length` bytes, or of all there are. */
  get(length: number): Uint8Array {
    const bytes = new Uint8Array(Math.min(length, this.#bytes));
    let done = 0;
    for (const range of this.#ranges) {
      const part = Math.min(range.length, bytes.length - done);
      if (part === 0) break;
      bytes.set(this.memory.slice(range.address, part), done);
      done += part;
    }
    this.#moved += done;
    return bytes;
  }

  /** In pieces: neither bytes nor buffers of one system call are the guest's choice. */
  #transfer(length: number, move: (done: number) => number): number {
    let index = 0;
    let skip = 0;
    for (let done = 0; done < length; ) {
      const ranges: GuestRange[] = [];
      let piece = 0;
      while (piece < Math.min(PIECE_BYTES, length - done) && ranges.length < PIECE_RANGES) {
        const range = this.#ranges[index] as GuestRange;
        const part = Math.min(range.length - skip, PIECE_BYTES - piece, length - done - piece);
        ranges.push({ address: range.address + skip, length: part });
        piece += part;
        skip += part;
        if (skip === range.length) {
          index++;
          skip = 0;
        }
      }
      this.#vectors.clear();
      this.#vectors.add(ranges, 0, piece);
      const result = move(done);
      if (result !== 0) return result;
      done += piece;
      this.#moved += piece;
    }
    return 0;
  }
}
