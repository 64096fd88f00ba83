import { GobDecoder, GobEncoder } from '../driver/gob';
import { compareWithGo } from './support/gob-payloads';
import type { Measurement } from './support/measurement';

/** Decoding an RPC reply with 2 KB of configuration, and a slice of a hundred structs, against Go's encoding/gob. */
export async function measure(): Promise<Measurement> {
  return compareWithGo('gob-decode', 'bench-decode', ({ items }) => {
    const encoder = new GobEncoder();
    const decoder = new GobDecoder();
    decoder.push(encoder.define(...items.map(([, type]) => type)));
    const operation = Buffer.concat(items.map(([value, type]) => encoder.encode(value, type)));
    return (count) => {
      for (let round = 0; round < count; round++) {
        decoder.push(operation);
        for (let item = 0; item < items.length; item++) {
          if (decoder.next() === undefined) throw new Error('a value is missing');
        }
      }
    };
  });
}
