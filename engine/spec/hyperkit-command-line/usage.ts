/** HyperKit's options, one letter each, in the order of its help. */
export const HYPERKIT_OPTIONS: Readonly<Record<string, string>> = {
  A: 'ACPI tables',
  b: 'debug console at I/O port 0x220',
  c: 'number of CPUs (1)',
  C: 'taken and not used',
  e: 'an access to an I/O port without device ends the VM',
  f: 'what boots: kexec,KERNEL[,INITRD][,COMMANDLINE], bootrom,IMAGE or multiboot,KERNEL[,MODULES][,COMMANDLINE]',
  F: 'file for the process id',
  g: 'TCP port of a debugger for I/O port 0x224',
  h: 'this text',
  H: 'taken and not used',
  l: 'serial port, e.g. com1,stdio or com2,autopty=LINK,log=FILE or com2,/dev/tty7',
  m: 'memory in MB, or with one of the letters K, M, G, T (256M)',
  M: 'print the MAC of the virtio-net card and end',
  P: 'taken and not used',
  s: 'PCI slot, e.g. 0,hostbridge or 31,lpc or 1:0,virtio-blk,FILE',
  u: 'the clock tells UTC (local time)',
  U: 'UUID of the machine',
  v: 'version',
  w: 'unknown MSRs read 0',
  W: 'virtio with one MSI instead of MSI-X',
  x: 'x2APIC',
  Y: 'no MP table',
};

/** The options that a machine is described by. */
export const HYPERKIT_SYNOPSIS = [
  '[-behuvwxACHMPWY] [-c CPUS] [-F FILE] [-g PORT] [-l PORT,BACKEND]… [-m SIZE]',
  '[-s SLOT,DEVICE[,CONFIG]]… [-U UUID] -f FIRMWARE',
] as const;

/** What `-h` prints, and what goes with a mistake. */
export function usageText(program: string): string {
  const [first, second] = HYPERKIT_SYNOPSIS;
  return [
    `Usage: ${program} ${first}`,
    `       ${' '.repeat(program.length)} ${second}`,
    ...Object.entries(HYPERKIT_OPTIONS).map(([letter, describe]) => `       -${letter}: ${describe}`),
    '',
  ].join('\n');
}
