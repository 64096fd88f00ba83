/** Fields of a record: time in ms since 1970, probe, then up to three arguments. All are doubles. */
const FIELDS = 5;
const RECORDS = 8192;
/** Words in front of the records: how many were written, were read, and found no room. */
const WRITTEN = 0;
const READ = 1;
const LOST = 2;
const HEADER_BYTES = 16;

/** What one thread has seen. */
export interface TraceRecord {
  readonly atMs: number;
  readonly probe: number;
  readonly values: readonly [number, number, number];
}

/** Memory for the records of one thread, written by it and read by the main thread. */
export function allocateTraceRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + RECORDS * FIELDS * Float64Array.BYTES_PER_ELEMENT);
}

/**
 * The writing end. Who traces nothing has none, so that a probe is `trace?.record(…)`: a test of one variable. A full
 * ring loses records, and counts them.
 */
export class TraceWriter {
  readonly #words: Int32Array;
  readonly #records: Float64Array;

  constructor(ring: SharedArrayBuffer) {
    this.#words = new Int32Array(ring, 0, HEADER_BYTES / 4);
    this.#records = new Float64Array(ring, HEADER_BYTES);
  }

  /** @param probe a number of PROBE. */
  record(probe: number, first: number, second = 0, third = 0): void {
    const written = Atomics.load(this.#words, WRITTEN);
    if (((written - Atomics.load(this.#words, READ)) | 0) >= RECORDS) {
      Atomics.add(this.#words, LOST, 1);
      return;
    }
    const at = (written & (RECORDS - 1)) * FIELDS;
    this.#records[at] = performance.timeOrigin + performance.now();
    this.#records[at + 1] = probe;
    this.#records[at + 2] = first;
    this.#records[at + 3] = second;
    this.#records[at + 4] = third;
    Atomics.store(this.#words, WRITTEN, (written + 1) | 0);
  }
}

/** The reading end. */
export class TraceReader {
  readonly #words: Int32Array;
  readonly #records: Float64Array;

  constructor(ring: SharedArrayBuffer) {
    this.#words = new Int32Array(ring, 0, HEADER_BYTES / 4);
    this.#records = new Float64Array(ring, HEADER_BYTES);
  }

  get lost(): number {
    return Atomics.load(this.#words, LOST);
  }

  /** Takes everything that is there. */
  drain(take: (record: TraceRecord) => void): void {
    const end = Atomics.load(this.#words, WRITTEN);
    for (let next = Atomics.load(this.#words, READ); next !== end; next = (next + 1) | 0) {
      const at = (next & (RECORDS - 1)) * FIELDS;
      const [atMs = 0, probe = 0, first = 0, second = 0, third = 0] = this.#records.subarray(at, at + FIELDS);
      take({ atMs, probe, values: [first, second, third] });
    }
    Atomics.store(this.#words, READ, end);
  }
}
