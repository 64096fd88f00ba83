import { EngineError } from '../../errors';
import { type ProgramSettings, parseCommandLine } from './command-line';
import { openProgram } from './open-program';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs the program until a signal ends it, and answers its exit status. */
export async function runVpnkit(words: readonly string[]): Promise<number> {
  // Whoever has started us may go without us.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const command = parseCommandLine(words);
  switch (command.kind) {
    case 'help':
      process.stdout.write(command.text);
      return 0;
    case 'mistake':
      process.stderr.write(`vpnkit: ${command.text}\nvpnkit --help lists the options\n`);
      return EXIT_USAGE;
    case 'run':
      return await runUntilSignal(command.settings);
  }
}

async function runUntilSignal(settings: ProgramSettings): Promise<number> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  // Before anything is there that a signal would leave behind.
  const signal = new Promise<void>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => resolve());
  });
  try {
    const program = await openProgram(settings, log);
    process.stdout.write('ready\n');
    await signal;
    await program.close();
    return 0;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    log(`vpnkit: ${error.message}`);
    return EXIT_FAILED;
  }
}
