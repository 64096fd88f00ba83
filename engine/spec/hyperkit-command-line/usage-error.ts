import { EngineError } from '../../errors';

/** Statuses of sysexits.h and HyperKit. */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 64;

/** A command line that HyperKit refuses; `message` is what it prints on stderr, without a name in front. */
export class HyperkitUsageError extends EngineError {
  constructor(
    message: string,
    /** The exit status that goes with it. */
    readonly status: number = EXIT_FAILED,
  ) {
    super('HK_SPEC_INVALID', message);
  }
}
