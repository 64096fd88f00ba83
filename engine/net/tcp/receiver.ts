import type { PinnedBuffer } from '../../../native/pinned-buffer';
import type { ChunkPool } from './chunk-pool';
import { EarlySegments } from './early-segments';
import type { HostSocket } from './host-socket';
import { ReceiveWindow } from './receive-window';

/** The other way of a connection: the guest's bytes on their way to the host's socket, put in order. */
export class Receiver {
  readonly window = new ReceiveWindow();
  /** Made when something gets lost: on the links that guests have, hardly ever. */
  #early: EarlySegments | undefined;
  #bytes = 0;
  #ended = false;

  constructor(
    private readonly pool: ChunkPool,
    private readonly host: HostSocket,
  ) {}

  /** What came before something in front of it did. */
  get early(): EarlySegments | undefined {
    return this.#early;
  }

  /** Bytes that the socket, or its queue, took. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The guest has said all it had to say, and the socket has it. */
  get isComplete(): boolean {
    return this.#ended && this.host.queued === 0;
  }

  /** The window field for now; what it promises is remembered. */
  promise(): number {
    return this.window.promise(this.host.queued, this.pool.scarce);
  }

  /** Whether the guest should be told at once that there is room. */
  hasNews(mss: number): boolean {
    const { queued } = this.host;
    return queued === 0 || this.window.isWorthTelling(queued, this.pool.scarce, mss);
  }

  /** Takes an acceptable segment that begins `ahead` of what is next: bytes [start, end) of `buffer`, and a FIN behind. */
  take(ahead: number, fin: boolean, buffer: PinnedBuffer, start: number, end: number): 'in-order' | 'early' | 'broken' {
    const { window } = this;
    const room = window.promised;
    if (ahead > 0) {
      this.#early ??= new EarlySegments(this.pool);
      this.#early.keep((window.next + ahead) | 0, buffer, start, Math.min(end, start + room - ahead));
      return 'early';
    }
    if (this.#ended) return 'in-order';
    const from = start - ahead;
    const to = Math.min(end, from + room);
    const taken = to > from ? this.#pass(buffer, from, to) : 0;
    if (taken < 0) return 'broken';
    if (fin && from + taken === end) {
      window.advance(1);
      this.#ended = true;
    } else if (this.#early !== undefined && from + taken === to) return this.#takeEarly(this.#early);
    return 'in-order';
  }

  close(): void {
    this.#early?.clear();
  }

  /** What came early and is next now. */
  #takeEarly(early: EarlySegments): 'in-order' | 'broken' {
    const { window } = this;
    for (let segment = early.takeAt(window.next); segment !== undefined; segment = early.takeAt(window.next)) {
      const { sequence, chunk } = segment;
      const from = chunk.start + ((window.next - sequence) | 0);
      const to = chunk.end;
      const taken = this.#pass(chunk.buffer, from, to);
      this.pool.give(chunk);
      if (taken < 0) return 'broken';
      // The rest finds no memory, and comes again.
      if (from + taken < to) break;
    }
    return 'in-order';
  }

  /** Bytes that were taken, -1 when the socket is broken. */
  #pass(buffer: PinnedBuffer, from: number, to: number): number {
    const taken = this.host.write(buffer, from, to);
    if (taken > 0) {
      this.window.advance(taken);
      this.#bytes += taken;
    }
    return taken;
  }
}
