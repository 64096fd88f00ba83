import { GobEncoder } from '../driver/gob';
import { compareWithGo } from './support/gob-payloads';
import type { Measurement } from './support/measurement';

/** Encoding an RPC reply with 2 KB of configuration, and a slice of a hundred structs, against Go's encoding/gob. */
export async function measure(): Promise<Measurement> {
  return compareWithGo('gob-encode', 'bench-encode', ({ items }) => {
    const encoder = new GobEncoder();
    return (count) => {
      for (let operation = 0; operation < count; operation++) {
        for (const [value, type] of items) encoder.encode(value, type);
      }
    };
  });
}
