/**
 * A kernel that panics stays where it is, for ever and with a core spinning, unless `panic=` says otherwise; then it
 * resets, and the machine process starts the guest again. Emulated guests do panic now and then while they boot.
 */
export function resetOnPanic(commandLine: string): string {
  return /(^|\s)panic=/.test(commandLine) ? commandLine : `${commandLine} panic=1`.trim();
}

/** What the kernel of a machine is told: what its configuration says, else what its ISO does. */
export function effectiveCommandLine(configured: string, ofIso: string): string {
  return resetOnPanic(configured === '' ? ofIso : configured);
}
