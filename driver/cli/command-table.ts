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
  entry('ssh', 'run a command or a shell in a machine', async () => (await import('./commands/ssh')).ssh),
  entry('scp', 'copy files to, from and between machines', async () => (await import('./commands/scp')).scp),
  entry('console', "attach to a machine's serial console", async () => (await import('./commands/console')).console),
  entry('logs', "show a machine's console or Docker log", async () => (await import('./commands/logs')).logs),
  entry('ports', 'list the ports that lead to a machine', async () => (await import('./commands/ports')).ports),
  entry(
    'doctor',
    'what can run virtual machines on this host, measured',
    async () => (await import('./commands/doctor')).doctor,
  ),
];
