import { execFile } from 'node:child_process';
import { findOnPath } from './find-qemu';

/**
 * The words before a command that make the kernel end it with the process that started it, even by SIGKILL
 * (PR_SET_PDEATHSIG, prctl(2)). Empty where there is no such thing or no setpriv (util-linux 2.33) to set it: then the
 * state file's list of children is what the next command cleans up by.
 *
 * The signal is tied to the thread that starts the command, which in Node is the main one. setpriv becomes the command
 * by exec, so the pid stays.
 */
export async function parentDeathPrefix(environment: NodeJS.ProcessEnv = process.env): Promise<readonly string[]> {
  if (process.platform !== 'linux') return [];
  const setpriv = findOnPath('setpriv', environment.PATH);
  if (setpriv === undefined) return [];
  const help = await new Promise<string>((resolve) => {
    execFile(setpriv, ['--help'], { timeout: 2000, killSignal: 'SIGKILL' }, (_error, stdout) => resolve(stdout));
  });
  return help.includes('--pdeathsig') ? [setpriv, '--pdeathsig', 'KILL', '--'] : [];
}
