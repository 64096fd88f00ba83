/**
 * Where the driver's words go. docker-machine tells levels apart by stream: info and warn are shown to the user as
 * `(name) text`, debug and error only with `--debug`; what the user must read when a call fails is the call's error.
 *
 * Rule for callers: names, paths, sizes, addresses and states may be logged; the configuration JSON, flag values and
 * anything read from a key file never, because docker-machine keeps the lines and puts them into crash reports.
 */
export interface Logger {
  /** For whoever looks for a fault. */
  debug(text: string): void;
  /** One step of a long operation. Never from a getter: `ls` would show it. */
  info(text: string): void;
  /** Something the user should know though the operation goes on. */
  warn(text: string): void;
  /** A fault that no caller hears of, such as one in the background. */
  error(text: string): void;
}
