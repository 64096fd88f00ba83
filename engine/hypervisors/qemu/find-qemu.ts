import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';

const PROGRAM = 'qemu-system-x86_64';

/** Where QEMU is when PATH does not say: Homebrew, MacPorts, and Red Hat's own name for it. */
const OTHER_PLACES = [
  `/opt/homebrew/bin/${PROGRAM}`,
  `/usr/local/bin/${PROGRAM}`,
  `/opt/local/bin/${PROGRAM}`,
  `/usr/bin/${PROGRAM}`,
  '/usr/libexec/qemu-kvm',
];

export type FoundQemu =
  | { readonly found: true; readonly program: string }
  | { readonly found: false; readonly reason: string };

/** The QEMU to run: HYPERKIT_QEMU if set (and then nothing else), else the first on PATH, else the usual places. */
export function findQemu(environment: NodeJS.ProcessEnv = process.env): FoundQemu {
  const chosen = environment.HYPERKIT_QEMU ?? '';
  if (chosen !== '') {
    const program = chosen.includes('/') ? path.resolve(chosen) : findOnPath(chosen, environment.PATH);
    return program !== undefined && isProgram(program)
      ? { found: true, program }
      : { found: false, reason: `HYPERKIT_QEMU is set to ${chosen}, which is not a program that this user may run` };
  }
  const program = findOnPath(PROGRAM, environment.PATH) ?? OTHER_PLACES.find(isProgram);
  return program === undefined ? { found: false, reason: notFound() } : { found: true, program };
}

/** First executable file of that name on a PATH; relative entries are left out. */
export function findOnPath(name: string, searchPath = ''): string | undefined {
  return searchPath
    .split(path.delimiter)
    .filter((folder) => path.isAbsolute(folder))
    .map((folder) => path.join(folder, name))
    .find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function notFound(): string {
  const mend =
    process.platform === 'darwin'
      ? 'install it with "brew install qemu"'
      : 'install it with "apt-get install qemu-system-x86", "dnf install qemu-system-x86-core" or "apk add qemu-system-x86_64"';
  return `${PROGRAM} is not on PATH; ${mend}, or set HYPERKIT_QEMU to its path`;
}
