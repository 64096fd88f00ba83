import type { Command } from './command';

/** A verb before its code is loaded. */
export interface CommandEntry {
  /** One word, or two: `image ls`. */
  readonly verb: string;
  /** The line in `hyperkit --help`. */
  readonly summary: string;
  load(): Promise<Command>;
}

const entry = (verb: string, summary: string, load: () => Promise<Command>): CommandEntry => ({ verb, summary, load });

/** Every verb, in the order of `hyperkit --help`. A verb's code is loaded when it is asked for. */
export const COMMANDS: readonly CommandEntry[] = [
  entry('create', 'make Docker hosts', async () => (await import('./commands/create')).create),
  entry('ls', 'list machines', async () => (await import('./commands/ls')).ls),
  entry(
    'doctor',
    'what can run virtual machines on this host, measured',
    async () => (await import('./commands/doctor')).doctor,
  ),
];
