import { createInterface } from 'node:readline/promises';
import { DriverError } from '../errors';

/**
 * Asks a yes-or-no question on the terminal; anything but y or yes means no.
 * @throws DriverError HK_USAGE when nobody is there to answer
 */
export async function confirm(question: string, option: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new DriverError('HK_USAGE', `nobody can be asked whether that is meant; give ${option}`);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} (y/n): `, { signal })).trim());
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}
