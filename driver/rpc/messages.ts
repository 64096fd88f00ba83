// Every call is two gob values, a Request and its argument; every answer two more, a Response and its body. A body
// follows even an error (an empty struct), and answers come in any order: Seq says which call they belong to.
import { gob } from '../gob';

/** net/rpc.Request, as far as it is encoded. */
export const REQUEST = gob.struct('Request', [
  ['ServiceMethod', gob.string],
  ['Seq', gob.uint],
]);

/** net/rpc.Response, as far as it is encoded. */
export const RESPONSE = gob.struct('Response', [
  ['ServiceMethod', gob.string],
  ['Seq', gob.uint],
  ['Error', gob.string],
]);

/** struct{}: the argument of methods without one, the body of answers without one. */
export const EMPTY = gob.struct('', []);

/** The one value of {@link EMPTY}. */
export const NOTHING = {} as const;

// Seq is a uint64; what does not fit a number comes as a bigint and goes back as one.
export interface Request {
  readonly ServiceMethod: string;
  readonly Seq: number | bigint;
}

export interface Response extends Request {
  readonly Error: string;
}
