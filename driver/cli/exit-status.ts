/** Exit statuses of the verbs, documented in docs/cli.md. docker-machine's own are 1 and, for a failed pre-create check, 3. */
export const EXIT = {
  ok: 0,
  failed: 1,
  /** Wrong words or options: nothing was done. */
  usage: 2,
  /** `create` was refused before anything existed. */
  refused: 3,
  /** There is no such machine, swarm or pool. */
  unknownMachine: 4,
  /** Another command is working on the machine, or keeps the pool. */
  busy: 5,
  /** No machine of a pool became ready in time. */
  poolEmpty: 6,
  /** 128 + SIGINT, as shells count. */
  interrupted: 130,
} as const;

/** The status that a failure ends with. */
export function exitStatusOf(error: unknown): number {
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  if (name === 'CreateRefused') return refusedStatus(error as Error);
  switch (code) {
    case 'HK_USAGE':
    case 'HK_FLAG_INVALID':
    case 'HK_FLAG_UNSUPPORTED':
      return EXIT.usage;
    case 'HK_MACHINE_UNKNOWN':
    case 'HK_SWARM_UNKNOWN':
    case 'HK_POOL_UNKNOWN':
      return EXIT.unknownMachine;
    case 'HK_MACHINE_BUSY':
    case 'HK_POOL_BUSY':
      return EXIT.busy;
    case 'HK_POOL_EMPTY':
      return EXIT.poolEmpty;
    case 'HK_CLIENT_GONE':
      return EXIT.interrupted;
    default:
      return EXIT.failed;
  }
}

/** Wrong words stay wrong words; everything else that a create is refused for has docker-machine's status for it. */
function refusedStatus({ cause }: Error): number {
  const status = exitStatusOf(cause);
  return status === EXIT.failed ? EXIT.refused : status;
}
