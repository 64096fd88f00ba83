import koffi from 'koffi';

/** Bytes outside of V8's moving heap, so that their address stays good for calls into the C library. */
export interface PinnedBuffer {
  readonly bytes: Buffer;
  /** The same bytes; the quick way to read and write numbers. */
  readonly view: DataView;
  /** Address of the first byte; a user-space address fits a double exactly (below 2^47). */
  readonly address: number;
}

/** Allocates zeroed bytes with a known address. They live as long as `bytes` is reachable: keep the whole object. */
export function allocatePinned(sizeBytes: number): PinnedBuffer {
  const bytes = Buffer.from(new ArrayBuffer(sizeBytes));
  return { bytes, view: new DataView(bytes.buffer), address: Number(koffi.address(bytes)) };
}
