/** ITU-T X.690, 8.1: identifier, length in as few bytes as it takes, content. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const digits = Buffer.from(content.length.toString(16).replace(/^(?=(..)*.$)/, '0'), 'hex');
  const length = content.length < 0x80 ? digits : Buffer.concat([Buffer.of(0x80 | digits.length), digits]);
  return Buffer.concat([Buffer.of(tag), length, content]);
}

export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export function derSequence(...parts: readonly Uint8Array[]): Buffer {
  return der(DER_TAG.sequence, ...parts);
}

/** Of whole bytes. */
export function derBitString(bytes: Uint8Array): Buffer {
  return der(DER_TAG.bitString, Buffer.of(0), bytes);
}

/** @param dotted such as 2.5.29.17; the first two arcs are one number, and each is in base 128 (X.690, 8.19) */
export function derObjectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const digits = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift(0x80 | (left & 0x7f));
    bytes.push(...digits);
  }
  return der(DER_TAG.objectIdentifier, Buffer.from(bytes));
}

/** As RFC 5280, 4.1.2.5 wants it in certificates: two digits for the year until 2049. */
export function derTime(time: Date): Buffer {
  const digits = time.toISOString().replace(/[-:T]|\.\d+/g, '');
  const isShort = time.getUTCFullYear() < 2050;
  return der(isShort ? DER_TAG.utcTime : DER_TAG.generalizedTime, Buffer.from(isShort ? digits.slice(2) : digits));
}
