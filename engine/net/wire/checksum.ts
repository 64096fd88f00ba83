/**
 * The internet checksum (RFC 1071) as a running sum: add parts with `sumBytes`, then `finish`. A part that is followed
 * by another must have an even length.
 */
export function sumBytes(view: DataView, start: number, end: number, sum = 0): number {
  let total = sum;
  let offset = start;
  // 32-bit words add up exactly in a double for far more than the 64 KiB a packet can have.
  const whole = start + ((end - start) & ~15);
  for (; offset < whole; offset += 16) {
    total +=
      view.getUint32(offset) + view.getUint32(offset + 4) + view.getUint32(offset + 8) + view.getUint32(offset + 12);
  }
  for (; offset + 2 <= end; offset += 2) total += view.getUint16(offset);
  if (offset < end) total += view.getUint8(offset) << 8;
  return total;
}

/** The checksum field's value for a sum. */
export function finish(sum: number): number {
  return ~fold(sum) & 0xffff;
}

/** A sum as 16 bits of one's complement, for a field that somebody else will finish. */
export function fold(sum: number): number {
  let high = Math.floor(sum / 0x1_0000_0000);
  let low = sum >>> 0;
  low = (low & 0xffff) + (low >>> 16);
  high = (high & 0xffff) + (high >>> 16);
  let folded = low + high;
  folded = (folded & 0xffff) + (folded >>> 16);
  return (folded & 0xffff) + (folded >>> 16);
}
