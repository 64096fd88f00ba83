import type { Duplex } from 'node:stream';
import type { FrameTap, FrameTaps } from './frame-tap';
import { encodePcapHeader, MAX_SNAP_LENGTH } from './pcap-format';
import { type CaptureCounters, RecordPump } from './record-pump';
import { DEFAULT_SNAP_LENGTH } from './ring-captures';

const MAX_READERS = 16;
const READER_BYTES = 1024 * 1024;

export interface PcapStreamOptions {
  /** Where readers are attached while there are any. */
  readonly taps: FrameTaps;
  /** Bytes kept of each frame; 128 unless given, as VPNKit's --pcap-snaplen. */
  readonly snapLength?: number;
  /** Readers at once (16); a further one is closed at once. */
  readonly maxReaders?: number;
  /** Memory for each reader's waiting frames (1 MiB). */
  readonly bufferBytes?: number;
}

/** A live capture for whoever connects: each reader gets a capture file without end. */
export interface PcapStream {
  /** Feeds a connection, from now until it closes or the capture does. Give it every connection of the socket. */
  attach(reader: Duplex): void;
  /** Of the readers that are attached, in the order of their coming. */
  readonly counters: readonly CaptureCounters[];
  close(): void;
}

/** Idle without a reader. A reader that is slower than the network loses frames, never the network time or memory. */
export function createPcapStream(options: PcapStreamOptions): PcapStream {
  const snapLength = Math.min(options.snapLength ?? DEFAULT_SNAP_LENGTH, MAX_SNAP_LENGTH);
  const readers = new Map<Duplex, RecordPump>();

  const attach = (reader: Duplex): void => {
    reader.on('error', () => reader.destroy());
    if (readers.size >= (options.maxReaders ?? MAX_READERS)) {
      reader.destroy();
      return;
    }
    const pump = new RecordPump({
      bufferBytes: options.bufferBytes ?? READER_BYTES,
      snapLength,
      write: (bytes) => writeTo(reader, bytes),
      failed: () => reader.destroy(),
    });
    const tap: FrameTap = { capture: (frame, offset, length) => void pump.push(frame, offset, length) };
    const detach = options.taps.attach(tap);
    readers.set(reader, pump);
    reader.once('close', () => {
      detach();
      readers.delete(reader);
    });
    // Nothing is expected from a reader. The end of its side says nothing; writing finds out whether it left.
    reader.resume();
    reader.write(encodePcapHeader(snapLength));
  };

  return {
    attach,
    get counters() {
      return [...readers.values()].map((pump) => pump.counters);
    },
    close() {
      for (const reader of readers.keys()) reader.destroy();
    },
  };
}

function writeTo(reader: Duplex, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    reader.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
