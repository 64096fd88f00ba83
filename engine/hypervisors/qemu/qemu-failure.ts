import { EngineError } from '../../errors';
import type { VmSpec } from '../../spec/vm-spec';
import type { ExitReason } from '../hypervisor';

/** How a QEMU process ended. */
export interface QemuEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** `reason` of the SHUTDOWN event, if there was one. */
  readonly shutdownReason: string | undefined;
  /** Whether we ended it. */
  readonly killed: boolean;
  /** Its last output lines. */
  readonly lastWords: readonly string[];
}

/** Reasons are of QEMU's enum ShutdownCause (qapi/run-state.json). */
export function classifyEnd(end: QemuEnd): ExitReason {
  if (end.killed || end.shutdownReason === 'host-qmp-quit') return { kind: 'killed' };
  switch (end.shutdownReason) {
    case 'guest-shutdown':
      return { kind: 'power-off' };
    case 'guest-reset':
    case 'subsystem-reset':
      return { kind: 'reset' };
    case 'guest-panic':
      return { kind: 'failed', detail: 'the guest reported a crash of its kernel; see console.log' };
    case 'host-signal':
      return { kind: 'failed', detail: ['QEMU was ended by a signal from outside', ...end.lastWords].join('\n  ') };
    default:
      return { kind: 'failed', detail: [describeEnd(end), ...end.lastWords].join('\n  ') };
  }
}

export function describeEnd({ code, signal }: Pick<QemuEnd, 'code' | 'signal'>): string {
  if (signal === 'SIGKILL')
    return 'QEMU was killed (SIGKILL), perhaps because this computer ran out of memory: see "dmesg"';
  if (signal === 'SIGSYS') return 'QEMU was killed by its sandbox (SIGSYS)';
  return signal === null ? `QEMU ended with status ${code}` : `QEMU crashed with ${signal}`;
}

/** Why QEMU did not get as far as running the guest, from its own words. */
export function startFailure(
  spec: Pick<VmSpec, 'name' | 'memoryMiB'>,
  what: string,
  lastWords: readonly string[],
  cause?: unknown,
): EngineError {
  const words = lastWords.join('\n  ');
  const forward = /Could not set up host forwarding rule '?tcp:([\d.]+):(\d+)/.exec(words);
  if (forward) {
    const text = `cannot listen on ${forward[1]}:${forward[2]}: it is in use; end the program that uses it, or give the machine another address`;
    return new EngineError('HK_ADDRESS_IN_USE', text, { cause });
  }
  const mend = mendFor(words, spec);
  return new EngineError(
    'HK_HYPERVISOR_FAILED',
    `cannot start machine "${spec.name}": ${mend ?? what}${words === '' ? '' : `\n  ${words}`}`,
    { cause },
  );
}

function mendFor(words: string, spec: Pick<VmSpec, 'memoryMiB'>): string | undefined {
  if (/Cannot allocate memory|cannot set up guest memory/i.test(words)) {
    return `this computer cannot give it ${spec.memoryMiB} MiB of memory; stop other programs or give the machine less`;
  }
  if (/Failed to get .*lock/.test(words)) return 'another virtual machine uses one of its disks; stop that one first';
  if (/No space left on device/.test(words)) return 'the disk of this computer is full; free some space';
  if (/Permission denied/.test(words)) return 'QEMU may not open one of the files it needs; check their owner and mode';
  return undefined;
}
