import { RecordBuffer } from './record-buffer';
import { wallClockMs } from './wall-clock';

/** One write's most bytes, so that room in the buffer comes back piece by piece. */
const PIECE_BYTES = 512 * 1024;

/** What became of the frames. */
export interface CaptureCounters {
  readonly captured: number;
  /** Frames that found no room because the reader or the disk was slower. */
  readonly dropped: number;
}

/** Frames in, bytes out: copies frames into a bounded buffer and writes it out in the background, one write at a time. */
export class RecordPump {
  readonly #records: RecordBuffer;
  readonly #snapLength: number;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #failed: (error: Error) => void;
  #captured = 0;
  #dropped = 0;
  #draining: Promise<void> | undefined;
  #stopped = false;

  /**
   * @param write resolves when the bytes may be overwritten.
   * @param failed called once, when a write rejects; after that every frame is dropped.
   */
  constructor(options: {
    readonly bufferBytes: number;
    readonly snapLength: number;
    readonly write: (bytes: Uint8Array) => Promise<void>;
    readonly failed: (error: Error) => void;
  }) {
    this.#records = new RecordBuffer(options.bufferBytes);
    this.#snapLength = options.snapLength;
    this.#write = options.write;
    this.#failed = options.failed;
  }

  get counters(): CaptureCounters {
    return { captured: this.#captured, dropped: this.#dropped };
  }

  /** False when the frame was dropped. */
  push(frame: Uint8Array, offset: number, length: number): boolean {
    if (this.#stopped || !this.#records.append(frame, offset, length, this.#snapLength, wallClockMs())) {
      this.#dropped++;
      return false;
    }
    this.#captured++;
    this.#draining ??= this.#drain();
    return true;
  }

  /** Takes no more frames; resolves when those that it has are written or a write failed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#draining;
  }

  async #drain(): Promise<void> {
    // The frames of one turn of the event loop are written together.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (this.#records.size > 0) {
        const piece = this.#records.peek(PIECE_BYTES);
        await this.#write(piece);
        this.#records.drop(piece.length);
      }
      this.#draining = undefined;
    } catch (error) {
      this.#stopped = true;
      this.#failed(error as Error);
    }
  }
}
