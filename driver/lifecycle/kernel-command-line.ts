/**
 * A kernel that panics stays where it is, for ever and with a core spinning, unless `panic=` says otherwise; then it
 * resets, and the machine process starts the guest again. Emulated guests do panic now and then while they boot.
 */
export function resetOnPanic(commandLine: string): string {
  return /(^|\s)panic=/.test(commandLine) ? commandLine : `${commandLine} panic=1`.trim();
}
