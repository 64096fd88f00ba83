/** What we offer: the guest may have 65,535 << 7 bytes under way, more than we ever let it. */
const OUR_SCALE = 7;
/** The largest window field. */
const MAX_WINDOW = 0xffff;
/** Bytes that the guest may send ahead of the host's reader. */
const LIMIT_BYTES = 1024 * 1024;
const SCARCE_LIMIT_BYTES = 64 * 1024;

/** Which numbers a guest may send (RFC 9293 section 3.4). Sequence numbers are 32 bits that wrap. */
export class ReceiveWindow {
  /** The number that is expected next. */
  next = 0;
  /** Whether windows are scaled, both ways (RFC 7323 section 2.2). */
  scaling = false;
  /** Right edge of the window that was promised; never moves back. */
  #edge = 0;

  /** The guest's SYN has this number. */
  begin(sequence: number): void {
    this.next = (sequence + 1) | 0;
    this.#edge = this.next;
  }

  /** Bytes that may still come as promised. */
  get promised(): number {
    return (this.#edge - this.next) | 0;
  }

  /** As a SYN tells it; -1: windows are not scaled. */
  get scale(): number {
    return this.scaling ? OUR_SCALE : -1;
  }

  advance(count: number): void {
    this.next = (this.next + count) | 0;
  }

  /** Whether some of the `length` numbers that begin `ahead` of the next may come: RFC 9293 section 3.10.7.4, first check. */
  accepts(ahead: number, length: number): boolean {
    const room = this.promised;
    if (length === 0) return room === 0 ? ahead === 0 : ahead >= 0 && ahead < room;
    if (room === 0) return false;
    return (ahead >= 0 && ahead < room) || (ahead + length - 1 >= 0 && ahead + length - 1 < room);
  }

  /** Whether there is room to promise that is worth a segment of its own (RFC 9293 section 3.8.6.2.2). */
  isWorthTelling(queued: number, scarce: boolean, mss: number): boolean {
    return this.#room(queued, scarce) - this.promised >= Math.min(LIMIT_BYTES / 4, 2 * mss);
  }

  /** A SYN's window is never scaled (RFC 7323 section 2.2). */
  promiseInSyn(): number {
    this.#edge = (this.next + MAX_WINDOW) | 0;
    return MAX_WINDOW;
  }

  /** The window field while `queued` bytes wait for the host; what it promises is remembered. */
  promise(queued: number, scarce: boolean): number {
    const shift = this.scaling ? OUR_SCALE : 0;
    const window = Math.max(this.promised, this.#room(queued, scarce));
    const field = Math.min(MAX_WINDOW, window >> shift);
    const edge = (this.next + (field << shift)) | 0;
    if (((edge - this.#edge) | 0) > 0) this.#edge = edge;
    return field;
  }

  #room(queued: number, scarce: boolean): number {
    const limit = this.scaling ? (scarce ? SCARCE_LIMIT_BYTES : LIMIT_BYTES) : MAX_WINDOW;
    return Math.max(0, limit - queued);
  }
}
