import path from 'node:path';
import { DriverError } from '../errors';

/** One variable to set, or with undefined to unset. */
export interface EnvironmentChange {
  readonly name: string;
  readonly value: string | undefined;
}

/** How a shell writes a change, a comment, and the line that has it take over a command's output. */
interface ShellSyntax {
  readonly set: (name: string, value: string) => string;
  readonly unset: (name: string) => string;
  readonly comment: string;
  readonly evaluate: (command: string) => string;
}

const bourne: ShellSyntax = {
  set: (name, value) => `export ${name}="${value.replace(/["\\$`]/g, '\\$&')}"`,
  unset: (name) => `unset ${name}`,
  comment: '#',
  evaluate: (command) => `eval $(${command})`,
};

/** docker-machine's forms, with values quoted for the shell that reads them. */
const SYNTAX = {
  bash: bourne,
  zsh: bourne,
  sh: bourne,
  fish: {
    set: (name, value) => `set -gx ${name} "${value.replace(/["\\$]/g, '\\$&')}";`,
    unset: (name) => `set -e ${name};`,
    comment: '#',
    evaluate: (command) => `eval (${command})`,
  },
  powershell: {
    set: (name, value) => `$Env:${name} = "${value.replace(/["$`]/g, '`$&')}"`,
    unset: (name) => `Remove-Item Env:\\\\${name}`,
    comment: '#',
    evaluate: (command) => `& ${command} | Invoke-Expression`,
  },
  cmd: {
    set: (name, value) => `SET ${name}=${value}`,
    unset: (name) => `SET ${name}=`,
    comment: 'REM',
    evaluate: (command) => `\t@FOR /f "tokens=*" %i IN ('${command}') DO @%i`,
  },
} as const satisfies Readonly<Record<string, ShellSyntax>>;

export type Shell = keyof typeof SYNTAX;
export const SHELLS = Object.keys(SYNTAX) as readonly Shell[];

/**
 * The shell that is meant: the one given, else that of SHELL; one that is not known writes like sh.
 * @throws DriverError HK_USAGE for a given one that is not known
 */
export function detectShell(given: string, env: NodeJS.ProcessEnv): Shell {
  const known = (name: string): Shell | undefined => SHELLS.find((shell) => shell === name);
  if (given !== '') {
    const found = known(given);
    if (found === undefined)
      throw new DriverError('HK_USAGE', `cannot use --shell=${given}: it must be one of ${SHELLS.join(', ')}`);
    return found;
  }
  return known(path.basename(env['SHELL'] ?? '')) ?? 'sh';
}

/** Lines for the shell to take over, and how it does. */
export function formatEnvironment(shell: Shell, changes: readonly EnvironmentChange[], command: string): string {
  const { set, unset, comment, evaluate }: ShellSyntax = SYNTAX[shell];
  return [
    ...changes.map(({ name, value }) => (value === undefined ? unset(name) : set(name, value))),
    `${comment} Run this command to configure your shell: `,
    `${comment} ${evaluate(command)}`,
  ].join('\n');
}

/** NO_PROXY, or no_proxy if that is what is set, with an address added once. */
export function noProxyWith(
  address: string,
  env: NodeJS.ProcessEnv,
): { readonly name: string; readonly value: string } {
  const name = (env['no_proxy'] ?? '') === '' ? 'NO_PROXY' : 'no_proxy';
  const entries = (env[name] ?? '').split(',').filter((entry) => entry !== '');
  return { name, value: (entries.includes(address) ? entries : [...entries, address]).join(',') };
}
