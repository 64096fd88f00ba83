import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Plain, TypeText } from './plain';

/** A stream that Go's encoder wrote, and what is in it. */
export interface Vector {
  readonly name: string;
  readonly types: readonly TypeText[];
  readonly values: readonly Plain[];
  readonly registry?: { readonly [name: string]: TypeText };
  readonly cut?: boolean;
  readonly hex: string;
}

export const VECTOR_FOLDER = path.join(__dirname, '..', 'vectors');

export const vectorFile = (vector: Vector): string => `${vector.name.replaceAll(' ', '-')}.json`;

/** The committed ones. The contract test `vectors` makes them again: UPDATE_VECTORS=1 writes them. */
export const vectors: readonly Vector[] = readdirSync(VECTOR_FOLDER)
  .sort()
  .map((file) => JSON.parse(readFileSync(path.join(VECTOR_FOLDER, file), 'utf8')) as Vector);
