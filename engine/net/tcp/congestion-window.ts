/** The link to a guest is memory, so nothing starts slowly; loss brings it down to RFC 5681's rules. */
const FIRST_BYTES = 8 * 1024 * 1024;
const MAX_BYTES = 16 * 1024 * 1024;
/** RFC 5681 section 3.2: fewer come of segments that overtook each other. */
const DUPLICATES_OF_A_LOSS = 3;

/**
 * How much may be under way: slow start and congestion avoidance (RFC 5681), fast retransmit and recovery (RFC 6582).
 * Sequence numbers are 32 bits that wrap.
 */
export class CongestionWindow {
  #bytes = FIRST_BYTES;
  /** Below it the window grows fast. */
  #threshold = MAX_BYTES;
  #duplicates = 0;
  #recovering = false;
  /** Fast recovery until this number is acknowledged. */
  #recover = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** All before `acknowledged` arrived, `fresh` bytes of it just now. True: there is another hole, to be filled at once. */
  acknowledge(acknowledged: number, fresh: number, mss: number): boolean {
    this.#duplicates = 0;
    if (this.#recovering) {
      if (((acknowledged - this.#recover) | 0) < 0) return true;
      this.#recovering = false;
      this.#bytes = this.#threshold;
      return false;
    }
    if (this.#bytes >= MAX_BYTES) return false;
    this.#bytes +=
      this.#bytes < this.#threshold ? fresh : Math.max(1, Math.floor((mss * Math.max(fresh, mss)) / this.#bytes));
    return false;
  }

  /**
   * Something arrived that was not next, while the numbers [unacknowledged, sent) are under way. True: the first of them
   * counts as lost, and is to be sent again.
   */
  countDuplicate(unacknowledged: number, sent: number, mss: number): boolean {
    this.#duplicates++;
    if (this.#recovering) {
      this.#bytes += mss;
      return false;
    }
    if (this.#duplicates !== DUPLICATES_OF_A_LOSS) return false;
    this.#halve(unacknowledged, sent, mss);
    this.#bytes = this.#threshold + DUPLICATES_OF_A_LOSS * mss;
    this.#recover = sent;
    this.#recovering = true;
    return true;
  }

  /** Nothing was acknowledged in time, while the numbers [unacknowledged, sent) are under way (RFC 5681 section 3.1). */
  timeOut(unacknowledged: number, sent: number, mss: number): void {
    this.#halve(unacknowledged, sent, mss);
    this.#bytes = 2 * mss;
    this.#recovering = false;
    this.#duplicates = 0;
  }

  #halve(unacknowledged: number, sent: number, mss: number): void {
    const underWay = (sent - unacknowledged) | 0;
    this.#threshold = Math.max(Math.floor(underWay / 2), 2 * mss);
  }
}
