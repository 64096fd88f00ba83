/** A listening socket of a forward. */
export interface OpenListener {
  /** The real one, where 0 was asked for. */
  readonly port: number;
  close(): void;
}
