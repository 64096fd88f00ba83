import { type DecodedValue, GobDecoder, type GobDecoderOptions, GobEncoder, gob } from '../../../../../driver/gob';

/** Bytes from hexadecimal text with spaces, line ends and `|` for the eye. */
export const bytes = (text: string): Buffer => Buffer.from(text.replace(/[\s|]/g, ''), 'hex');

/** Messages from their contents: each gets its length in front. */
export function messages(...contents: readonly string[]): Buffer {
  const encoder = new GobEncoder();
  // A message of []byte is its length, id and marker, then length and content of the bytes: that is cut out here.
  return Buffer.concat(
    contents.map((content) => {
      const body = bytes(content);
      const message = encoder.encode(body, gob.bytes);
      return message.subarray(message.indexOf(Buffer.of(0x0a, 0x00)) + 2);
    }),
  );
}

/** All values of a stream that arrives in chunks of the given size; throws if it ends in the middle of one. */
export function decodeAll(
  stream: Uint8Array,
  options: GobDecoderOptions & { readonly chunkBytes?: number } = {},
): DecodedValue[] {
  const { chunkBytes = Math.max(1, stream.length), ...rest } = options;
  const decoder = new GobDecoder(rest);
  const found: DecodedValue[] = [];
  for (let at = 0; at < stream.length; at += chunkBytes) {
    decoder.push(stream.subarray(at, at + chunkBytes));
    for (let item = decoder.next(); item !== undefined; item = decoder.next()) found.push(item);
  }
  decoder.end();
  return found;
}
