/**
 * What went wrong, stable across versions.
 *
 * - `GOB_TRUNCATED`: a message, or the stream, ends in the middle of a value.
 * - `GOB_MALFORMED`: bytes no encoder writes (field number out of range, array of another length, ...).
 * - `GOB_LIMIT`: correct as far as read, but beyond a {@link GobLimits} entry or the JavaScript stack.
 * - `GOB_DUPLICATE_TYPE`: a type id is defined twice, or a reserved id is defined.
 * - `GOB_UNKNOWN_TYPE`: a value names a type id that was never defined.
 * - `GOB_TYPE_MISMATCH`: a value (or a received type) does not fit the type asked for.
 * - `GOB_NOT_REGISTERED`: an interface value carries a name without a type in the registry.
 * - `GOB_INVALID_TYPE`: a type descriptor that Go could not declare.
 */
export type GobErrorCode =
  | 'GOB_TRUNCATED'
  | 'GOB_MALFORMED'
  | 'GOB_LIMIT'
  | 'GOB_DUPLICATE_TYPE'
  | 'GOB_UNKNOWN_TYPE'
  | 'GOB_TYPE_MISMATCH'
  | 'GOB_NOT_REGISTERED'
  | 'GOB_INVALID_TYPE';

/** The only error this library throws. Messages start with `gob: ` and follow Go's wording where Go has one. */
export class GobError extends Error {
  override readonly name = 'GobError';

  constructor(
    readonly code: GobErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`gob: ${message}`, options);
  }
}

/**
 * Turns whatever was caught into a GobError: recursion beyond the JavaScript stack and refused allocations surface as
 * RangeError, and to the caller they are limits like any other.
 */
export function toGobError(caught: unknown): GobError {
  if (caught instanceof GobError) return caught;
  const reason = caught instanceof Error ? caught.message : String(caught);
  return new GobError('GOB_LIMIT', `value is beyond what this process can hold: ${reason}`, { cause: caught });
}
