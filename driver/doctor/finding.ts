/** What was found out about one thing that machines need. */
export interface Finding {
  /** What was looked at, a word or two: `KVM`, `machine dev`. */
  readonly subject: string;
  /** `warn`: machines run, but not as well as they could. `fail`: something doesn't work. */
  readonly level: 'ok' | 'warn' | 'fail';
  /** What was measured. */
  readonly text: string;
  /** The command that mends it. */
  readonly mend?: string;
  /** Mends it without harm, whatever goes on meanwhile; for `--fix`. */
  readonly fix?: () => Promise<void>;
}
