/** What a guest says before it gives up, and what that means for whoever wants a machine; the first match counts. */
const CAUSES: readonly (readonly [said: RegExp, cause: string])[] = [
  [
    /Out of memory|oom-kill|Initramfs unpacking failed: write error|System is deadlocked on memory/i,
    'the guest has too little memory; give it more with --hyperkit-memory-size',
  ],
  [
    /Initramfs unpacking failed|junk (within|in) compressed archive|Decoding failed|invalid magic at start of compressed/i,
    'the initrd is damaged; build or fetch the ISO again',
  ],
  [
    /Unable to mount root fs|No working init found|Requested init .* failed|Attempted to kill init|can't find \/init|not syncing: No init/i,
    "the guest finds no first program: its ISO is damaged or of another kind, or --hyperkit-cmdline doesn't fit it",
  ],
  [
    /No space left on device/i,
    "the machine's disk is full; free space in it, or give it more with --hyperkit-disk-size",
  ],
  [
    /EXT4-fs error|Buffer I\/O error|I\/O error, dev|Remounting filesystem read-only/i,
    "the machine's disk is damaged; what is on it may be lost",
  ],
  [
    /no lease|No DHCPOFFERS|Network is unreachable|eth0: .*(timed out|no such device)|NETDEV WATCHDOG/i,
    'the guest has no network; hyperkit.log tells what the network of this computer said',
  ],
  [/Kernel panic/i, "the guest's kernel crashed; try another ISO, or another --hyperkit-engine"],
];

/** The likely cause of a guest's end or silence, out of its console's last lines; undefined when nothing there is known. */
export function findLikelyCause(lines: readonly string[]): string | undefined {
  return CAUSES.find(([said]) => lines.some((line) => said.test(line)))?.[1];
}
