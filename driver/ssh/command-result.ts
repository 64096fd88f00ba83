/** What a command in the guest is given. */
export interface CommandOptions {
  /** What the command reads; empty unless told. */
  readonly stdin?: string | Uint8Array;
  /** Counted from the command's start; two minutes unless told. */
  readonly deadlineMs?: number;
}

/** How it ended and what it said. */
export interface CommandResult {
  /** Exit status; null when a signal ended the command. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
