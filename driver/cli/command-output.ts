import { styleText } from 'node:util';
import type { Logger } from '../contract/logger';

/** How a verb's output looks; decided once, from options, environment and terminal. */
export interface OutputStyle {
  /** One JSON document on stdout instead of text, errors as JSON on stderr. */
  readonly json: boolean;
  /** No progress. */
  readonly quiet: boolean;
  /** The driver's debug lines, too. */
  readonly debug: boolean;
  /** stderr is a terminal that somebody watches: lines may be rewritten. */
  readonly live: boolean;
  readonly colour: boolean;
}

/** Enough of a stream to write to. */
export interface TextSink {
  write(text: string): unknown;
}

/** The style that options and surroundings ask for: plain when not a terminal or in CI, without colour when NO_COLOR is set. */
export function chooseStyle(
  options: { readonly json: boolean; readonly quiet: boolean; readonly debug: boolean },
  surroundings: { readonly isTerminal: boolean; readonly env: NodeJS.ProcessEnv },
): OutputStyle {
  const { env, isTerminal } = surroundings;
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  const live = isTerminal && !isSet('CI') && env['TERM'] !== 'dumb';
  return { ...options, live, colour: live && !isSet('NO_COLOR') };
}

/** Results go to stdout, everything about the way there to stderr. */
export class CommandOutput {
  readonly #listeners = new Map<string, (line: string) => void>();

  constructor(
    readonly style: OutputStyle,
    readonly stdout: TextSink = process.stdout,
    readonly stderr: TextSink = process.stderr,
  ) {}

  /** A result for people: lines on stdout. */
  print(text: string): void {
    this.stdout.write(`${text}\n`);
  }

  /** A result for programs: one JSON document on stdout. */
  json(value: unknown): void {
    this.print(JSON.stringify(value, undefined, 2));
  }

  /** One line of progress. */
  say(text: string): void {
    if (!this.style.quiet) this.stderr.write(`${printable(text)}\n`);
  }

  /** Something the user should know though the command goes on. */
  warn(text: string): void {
    this.stderr.write(`${this.colour('yellow', printable(text))}\n`);
  }

  /** The driver's words about one machine, as docker-machine shows them: `(dev) text`. */
  loggerOf(machineName: string): Logger {
    const prefixed = (text: string): string =>
      text
        .split(/\r?\n/)
        .map((line) => `(${machineName}) ${line}`)
        .join('\n');
    const debug = (text: string): void => {
      if (this.style.debug) this.stderr.write(`${printable(prefixed(text))}\n`);
    };
    return {
      debug,
      error: debug,
      info: (text) => {
        const listener = this.#listeners.get(machineName);
        if (listener === undefined) this.say(prefixed(text));
        else listener(text);
      },
      warn: (text) => this.warn(prefixed(text)),
    };
  }

  /** Sends what the driver tells of one machine's way elsewhere. */
  redirect(machineName: string, listener: (line: string) => void): void {
    this.#listeners.set(machineName, listener);
  }

  colour(name: 'red' | 'green' | 'yellow' | 'dim', text: string): string {
    return this.style.colour ? styleText(name, text) : text;
  }
}

/** Texts may come from a guest, a file or a download: escape sequences lose their teeth. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '?');
}
