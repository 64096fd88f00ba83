/** What a decoder puts up with before it fails with `GOB_LIMIT`. All counts are inclusive maxima. */
export interface GobLimits {
  /** Bytes of one length-prefixed message. */
  readonly messageBytes: number;
  /** Bytes of all messages that make up one top-level value (interface values may spread over several). */
  readonly valueBytes: number;
  /** Elements, map entries, struct fields and structs of one top-level value, zero-valued fields included. */
  readonly values: number;
  /** Values nested in each other: slice in struct in interface is 3. */
  readonly depth: number;
  /** Types defined in the life of a stream. */
  readonly types: number;
  /** Fields of one struct type. */
  readonly fields: number;
  /** Bytes of all type definitions in the life of a stream; they are kept until the decoder goes. */
  readonly definitionBytes: number;
  /** Bytes of the registered name of an interface value. */
  readonly nameBytes: number;
}

/**
 * Defaults: far above real traffic (the largest docker-machine message seen is some hundred KiB, its deepest value 6,
 * its connections define about ten types), low enough that one hostile stream cannot take the process down.
 */
export const DEFAULT_LIMITS: GobLimits = {
  messageBytes: 64 * 1024 * 1024,
  valueBytes: 64 * 1024 * 1024,
  // A byte on the wire can be a struct of a thousand zeros: a mebi of values is made within a second and 100 MB.
  values: 1024 * 1024,
  // Each level costs up to three stack frames; a Node stack holds about ten thousand.
  depth: 1000,
  types: 4096,
  fields: 4096,
  definitionBytes: 4 * 1024 * 1024,
  // The same limit as Go's decoder.
  nameBytes: 1024,
};
