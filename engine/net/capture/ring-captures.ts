import { classifyFrame, FRAME_BAD, FRAME_DNS, FRAME_HTTP_PROXY, FRAME_ICMP, FRAME_NTP } from './classify';
import type { FrameTap } from './frame-tap';
import { encodePcapHeader, PCAP_HEADER_BYTES, PCAP_RECORD_HEADER_BYTES } from './pcap-format';
import { RecordBuffer } from './record-buffer';
import { wallClockMs } from './wall-clock';

const KIBIBYTE = 1024;

/** Classes that a ring takes; every frame is in `ANY`. */
const ANY = -1;

/** The rings of VPNKit's diagnostics, by its names and sizes. `all` takes its snap length from the command line. */
const RINGS = [
  { name: 'all', classes: ANY, sizeBytes: 256 * KIBIBYTE, snapLength: undefined },
  { name: 'dns', classes: FRAME_DNS, sizeBytes: 256 * KIBIBYTE, snapLength: 1500 },
  { name: 'ntp', classes: FRAME_NTP, sizeBytes: 64 * KIBIBYTE, snapLength: 1500 },
  { name: 'icmp', classes: FRAME_ICMP, sizeBytes: 8 * KIBIBYTE, snapLength: 1500 },
  { name: 'http_proxy', classes: FRAME_HTTP_PROXY, sizeBytes: 1024 * KIBIBYTE, snapLength: 1500 },
  { name: 'bad', classes: FRAME_BAD, sizeBytes: 1024 * KIBIBYTE, snapLength: 1500 },
] as const;

/** VPNKit's default of --pcap-snaplen. */
export const DEFAULT_SNAP_LENGTH = 128;

/** The latest frames of each kind, in memory, for the diagnostics. */
export class RingCaptures implements FrameTap {
  readonly #rings: readonly Ring[];

  /** @param snapLength bytes kept of each frame in the ring of all frames. */
  constructor(snapLength: number = DEFAULT_SNAP_LENGTH) {
    this.#rings = RINGS.map((ring) => new Ring(ring.name, ring.classes, ring.sizeBytes, ring.snapLength ?? snapLength));
  }

  capture(frame: Uint8Array, offset: number, length: number): void {
    const classes = classifyFrame(frame, offset, length);
    const timeMs = wallClockMs();
    for (const ring of this.#rings) {
      if (ring.classes === ANY || (ring.classes & classes) !== 0) ring.push(frame, offset, length, timeMs);
    }
  }

  /** Every ring as a capture file, oldest frame first. */
  snapshot(): readonly { readonly name: string; readonly pcap: Uint8Array }[] {
    return this.#rings.map((ring) => ({ name: ring.name, pcap: ring.toPcap() }));
  }
}

class Ring {
  readonly #records: RecordBuffer;
  readonly #snapLength: number;

  constructor(
    readonly name: string,
    readonly classes: number,
    sizeBytes: number,
    snapLength: number,
  ) {
    this.#records = new RecordBuffer(sizeBytes);
    this.#snapLength = Math.min(snapLength, sizeBytes - PCAP_RECORD_HEADER_BYTES);
  }

  push(frame: Uint8Array, offset: number, length: number, timeMs: number): void {
    const needed = PCAP_RECORD_HEADER_BYTES + Math.min(length, this.#snapLength);
    while (this.#records.free < needed) this.#records.dropRecord();
    this.#records.append(frame, offset, length, this.#snapLength, timeMs);
  }

  toPcap(): Uint8Array {
    const pcap = new Uint8Array(PCAP_HEADER_BYTES + this.#records.size);
    pcap.set(encodePcapHeader(this.#snapLength));
    this.#records.copyTo(pcap.subarray(PCAP_HEADER_BYTES));
    return pcap;
  }
}
