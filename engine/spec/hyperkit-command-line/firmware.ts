import type { FirmwareSpec } from '../board-spec';
import { splitOnce } from './comma-list';
import { HyperkitUsageError } from './usage-error';

/** What Linux gets when no command line is given. */
const DEFAULT_KERNEL_COMMAND_LINE = 'auto';

const FORMS = `Invalid firmware argument
    -f kexec,'kernel'[,'initrd'][,'"cmdline"']
    -f fbsd,'userboot','boot volume'[,'"kernel env"']
    -f bootrom,'ROM'
    -f multiboot,'kernel'[,module[;cmdline][:module[;cmdline]]...][,cmdline]`;

/**
 * `NAME,A[,B][,C]`: an empty part is none, and C holds every further comma. Anything that begins with the name is taken
 * for it, as HyperKit does.
 * @throws HyperkitUsageError
 */
export function parseFirmware(text: string): FirmwareSpec {
  const [name, rest] = splitOnce(text, ',');
  const [first, afterFirst] = splitOnce(rest ?? '', ',');
  const [second, third = ''] = splitOnce(afterFirst ?? '', ',');
  if (first === '') throw new HyperkitUsageError(FORMS);
  if (name.startsWith('kexec')) {
    const initrd = second === '' ? undefined : second;
    const commandLine = third === '' ? DEFAULT_KERNEL_COMMAND_LINE : third;
    return { kind: 'kexec', kernel: first, initrd, commandLine };
  }
  if (name.startsWith('bootrom')) return { kind: 'bootrom', image: first };
  if (name.startsWith('multiboot')) {
    return { kind: 'multiboot', kernel: first, modules: parseModules(second), commandLine: third };
  }
  if (name.startsWith('fbsd')) {
    throw new HyperkitUsageError(
      "cannot use -f fbsd: it runs FreeBSD's boot loader as a library of macOS; boot FreeBSD with -f bootrom and UEFI firmware",
    );
  }
  throw new HyperkitUsageError(FORMS);
}

/** `PATH[;COMMANDLINE]`, separated by colons. */
function parseModules(text: string): Extract<FirmwareSpec, { kind: 'multiboot' }>['modules'] {
  return text
    .split(':')
    .filter((module) => module !== '')
    .map((module) => {
      const [path, commandLine = ''] = splitOnce(module, ';');
      if (path === '') throw new HyperkitUsageError(FORMS);
      return { path, commandLine };
    });
}
