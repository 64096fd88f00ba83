import { EngineError } from '../../errors';
import type { Forward, Forwarder, ForwardSpec } from '../forwards/forwarder';

/** What a control interface may have opened for those who ask it. */
export interface ForwardRules {
  /** Throws when an address of the host may not be bound, see `allowBind`. Absent: all may. */
  readonly allowBind?: (address: string) => void;
  /** Whether unix sockets of the host may be listened on. Default true; false for an interface that guests reach. */
  readonly allowPaths?: boolean;
  /** Forwards of the network at a time, whoever opened them; 1024 when absent. */
  readonly maxForwards?: number;
}

const MAX_FORWARDS = 1024;
const OPEN_LIMIT_MS = 30_000;

/** Forwards that are being opened now; they count, or the limit would be for the patient only. */
const opening = new WeakMap<Forwarder, number>();

/**
 * Opens a forward within the rules and within 30 s. One that comes later is closed again.
 * @throws EngineError HK_FORWARD_FAILED
 */
export async function openForward(forwarder: Forwarder, rules: ForwardRules, spec: ForwardSpec): Promise<Forward> {
  checkRules(forwarder, rules, spec);
  const wanted = forwarder.open(spec);
  let timer: NodeJS.Timeout | undefined;
  count(forwarder, 1);
  try {
    return await Promise.race([
      wanted,
      new Promise<never>((_, reject) => {
        const late = `cannot open the forward: the host did not do it within ${OPEN_LIMIT_MS / 1000} s; try again`;
        timer = setTimeout(() => {
          wanted.then((forward) => forward.close()).catch(() => {});
          reject(new EngineError('HK_FORWARD_FAILED', late));
        }, OPEN_LIMIT_MS);
        timer.unref();
      }),
    ]);
  } finally {
    clearTimeout(timer);
    count(forwarder, -1);
  }
}

function count(forwarder: Forwarder, more: number): void {
  opening.set(forwarder, (opening.get(forwarder) ?? 0) + more);
}

function checkRules(forwarder: Forwarder, rules: ForwardRules, { host }: ForwardSpec): void {
  if (!('path' in host)) rules.allowBind?.(host.address);
  else if (rules.allowPaths === false) {
    const what = `cannot listen on ${host.path}: unix sockets of the host are not forwarded from here; use an address`;
    throw new EngineError('HK_FORWARD_FAILED', what);
  }
  const limit = rules.maxForwards ?? MAX_FORWARDS;
  if (forwarder.list().length + (opening.get(forwarder) ?? 0) >= limit) {
    throw new EngineError(
      'HK_FORWARD_FAILED',
      `cannot open the forward: ${limit} are open, which is the limit; close some`,
    );
  }
}
