/**
 * The public key blob of RFC 4253, 6.6, as it stands in authorized_keys: each part is a big-endian u32 length and bytes.
 *
 *   string  "ssh-rsa"
 *   mpint   e
 *   mpint   n
 */
export function encodeRsaPublicKey(modulus: Uint8Array, exponent: Uint8Array): Buffer {
  return Buffer.concat([encodeString(Buffer.from('ssh-rsa', 'latin1')), encodeMpint(exponent), encodeMpint(modulus)]);
}

/** RFC 4251, 5: a positive number has no leading zero bytes, except one when its top bit is set. */
export function encodeMpint(magnitude: Uint8Array): Buffer {
  let start = 0;
  while (start < magnitude.length && magnitude[start] === 0) start++;
  const digits = magnitude.subarray(start);
  return encodeString((digits[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.of(0), digits]) : digits);
}

/** RFC 4251, 5: a big-endian u32 length, then the bytes. */
export function encodeString(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
