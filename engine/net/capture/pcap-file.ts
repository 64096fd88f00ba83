import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { EngineError } from '../../errors';
import type { FrameTap } from './frame-tap';
import { encodePcapHeader, MAX_SNAP_LENGTH, PCAP_HEADER_BYTES, PCAP_RECORD_HEADER_BYTES } from './pcap-format';
import { type CaptureCounters, RecordPump } from './record-pump';

const BUFFER_BYTES = 4 * 1024 * 1024;
/** A disk that hangs must not hold up the end of the network. */
const CLOSE_MS = 5000;

export interface PcapFileOptions {
  readonly path: string;
  /** Bytes kept of each frame; all of it unless given. */
  readonly snapLength?: number;
  /** Size at which the file becomes `path.1` and a new one begins. */
  readonly maxBytes: number;
  /** How many old files stay, `path.1` being the latest. */
  readonly keep: number;
  /** Memory for frames that wait for the disk. */
  readonly bufferBytes?: number;
  readonly log: (line: string) => void;
}

/** A capture into a file. Its failures end the capture with one line of log and nothing else. */
export interface PcapFile extends FrameTap {
  readonly counters: CaptureCounters;
  /** Writes what is left, within five seconds. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts a capture. A file of that name from before is kept as `path.1`.
 * @throws EngineError HK_NET_UNAVAILABLE when the file can't be created.
 */
export async function createPcapFile(options: PcapFileOptions): Promise<PcapFile> {
  const writer = new RotatingWriter(options);
  try {
    await writer.open();
  } catch (error) {
    throw new EngineError(
      'HK_NET_UNAVAILABLE',
      `cannot capture to ${options.path}: ${(error as Error).message}; choose a file in a folder that can be written to`,
      { cause: error },
    );
  }
  return new FileCapture(options, writer);
}

class FileCapture implements PcapFile {
  readonly #writer: RotatingWriter;
  readonly #pump: RecordPump;
  readonly #snapLength: number;
  readonly #maxBytes: number;
  #fileBytes = PCAP_HEADER_BYTES;
  #closing: Promise<void> | undefined;

  constructor(options: PcapFileOptions, writer: RotatingWriter) {
    this.#writer = writer;
    this.#maxBytes = options.maxBytes;
    this.#snapLength = snapLengthOf(options);
    this.#pump = new RecordPump({
      bufferBytes: options.bufferBytes ?? BUFFER_BYTES,
      snapLength: this.#snapLength,
      write: (bytes) => writer.write(bytes),
      failed: (error) => {
        options.log(`cannot write the capture ${options.path}: ${error.message}; it ends here`);
        void writer.close();
      },
    });
  }

  get counters(): CaptureCounters {
    return this.#pump.counters;
  }

  capture(frame: Uint8Array, offset: number, length: number): void {
    if (!this.#pump.push(frame, offset, length)) return;
    const recordBytes = PCAP_RECORD_HEADER_BYTES + Math.min(length, this.#snapLength);
    if (this.#fileBytes > PCAP_HEADER_BYTES && this.#fileBytes + recordBytes > this.#maxBytes) {
      this.#writer.rotateHere();
      this.#fileBytes = PCAP_HEADER_BYTES;
    }
    this.#fileBytes += recordBytes;
    this.#writer.expect(recordBytes);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.#pump.stop().then(() => this.#writer.close()), late]);
    clearTimeout(timer);
  }
}

/** Writes the stream of records, which knows no files, into files: a new one at each announced position. */
class RotatingWriter {
  readonly #path: string;
  readonly #keep: number;
  readonly #header: Uint8Array;
  readonly #rotations: number[] = [];
  #announced = 0;
  #written = 0;
  #file: FileHandle | undefined;

  constructor(options: PcapFileOptions) {
    this.#path = options.path;
    this.#keep = options.keep;
    this.#header = encodePcapHeader(snapLengthOf(options));
  }

  async open(): Promise<void> {
    const found = await stat(this.#path).catch(() => undefined);
    // A pipe without a reader would hold up `open` for ever.
    if (found !== undefined && !found.isFile()) throw new Error('it is not a regular file');
    if (found !== undefined && found.size > 0) await this.#shift();
    this.#file = await open(this.#path, 'w', 0o600);
    await writeAll(this.#file, this.#header);
  }

  /** This many bytes will be written, after those announced before. */
  expect(bytes: number): void {
    this.#announced += bytes;
  }

  /** The next announced byte begins a new file. */
  rotateHere(): void {
    this.#rotations.push(this.#announced);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      const until = (this.#rotations[0] ?? Number.POSITIVE_INFINITY) - this.#written;
      if (until === 0) {
        this.#rotations.shift();
        await this.close();
        await this.open();
        continue;
      }
      const part = rest.subarray(0, until);
      if (this.#file === undefined) return;
      await writeAll(this.#file, part);
      this.#written += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** Errors of closing say nothing that a write had not said. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined);
  }

  async #shift(): Promise<void> {
    if (this.#keep < 1) {
      await rm(this.#path, { force: true });
      return;
    }
    for (let age = this.#keep - 1; age >= 1; age--) {
      await rename(`${this.#path}.${age}`, `${this.#path}.${age + 1}`).catch(() => undefined);
    }
    await rename(this.#path, `${this.#path}.1`);
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}

function snapLengthOf(options: PcapFileOptions): number {
  return Math.min(options.snapLength ?? MAX_SNAP_LENGTH, MAX_SNAP_LENGTH);
}
