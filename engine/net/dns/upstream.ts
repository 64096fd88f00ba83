import type { Answer } from './answer';
import { askServer, type Outcome, type Request } from './exchange';
import { type NameServer, NO_RESOLVER, type ResolverConfig } from './resolver-config';
import { type Selection, ServerPool, type ServerPoolOptions } from './server-pool';
import { NOERROR, NXDOMAIN } from './wire';

/** A server may know a name that another denies; this long it is waited for once there is a denial. */
const DENIAL_GRACE_MS = 1000;
/** A server that was silent for this long counts as one that did not answer. */
const SILENCE_MS = 1000;

/** Forwards questions to the servers of the configuration in force. */
export class Upstream {
  readonly #options: ServerPoolOptions;
  #pool: ServerPool;
  readonly #cancels = new Set<() => void>();

  constructor(options: ServerPoolOptions) {
    this.#options = options;
    this.#pool = new ServerPool(NO_RESOLVER, options);
  }

  /** From the next question on these servers are asked. */
  configure(config: ResolverConfig): void {
    this.#pool = new ServerPool(config, this.#options);
  }

  /** `done` gets the best answer of all servers, or undefined when none gave any; after {@link close} it is not called. */
  ask(request: Request, done: (answer: Answer | undefined) => void): void {
    const { groups, probes } = this.#pool.select(request.query.name);
    const inquiry = new Inquiry(groups, request, this.#pool, (answer) => {
      this.#cancels.delete(cancel);
      done(answer);
    });
    const cancel = (): void => inquiry.cancel();
    this.#cancels.add(cancel);
    inquiry.start();
    for (const server of probes) this.#probe(server, request);
  }

  close(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  #probe(server: NameServer, request: Request): void {
    const pool = this.#pool;
    const cancel = askServer(server, { ...request, whole: false }, (outcome) => {
      this.#cancels.delete(cancel);
      note(pool, server, outcome);
    });
    this.#cancels.add(cancel);
  }
}

/** One question on its way through the groups of servers. */
class Inquiry {
  readonly #groups: Selection['groups'];
  readonly #request: Request;
  readonly #pool: ServerPool;
  readonly #done: (answer: Answer | undefined) => void;
  readonly #running = new Map<NameServer, { readonly cancel: () => void; readonly sinceMs: number }>();
  #group = 0;
  #best: Answer | undefined;
  #grace: NodeJS.Timeout | undefined;

  constructor(
    groups: Selection['groups'],
    request: Request,
    pool: ServerPool,
    done: (answer: Answer | undefined) => void,
  ) {
    this.#groups = groups;
    this.#request = request;
    this.#pool = pool;
    this.#done = done;
  }

  start(): void {
    const group = this.#groups[this.#group++];
    if (!group) {
      this.#finish(this.#best);
      return;
    }
    for (const server of group) {
      const cancel = askServer(server, this.#request, (outcome) => this.#receive(server, outcome));
      this.#running.set(server, { cancel, sinceMs: performance.now() });
    }
  }

  cancel(): void {
    clearTimeout(this.#grace);
    for (const { cancel } of this.#running.values()) cancel();
    this.#running.clear();
  }

  #receive(server: NameServer, outcome: Outcome): void {
    this.#running.delete(server);
    note(this.#pool, server, outcome);
    if ('answer' in outcome) {
      if (isPositive(outcome.answer)) {
        this.#finish(outcome.answer);
        return;
      }
      if (!this.#best || (isDenial(outcome.answer) && !isDenial(this.#best))) this.#best = outcome.answer;
      if (isDenial(this.#best)) this.#grace ??= setTimeout(() => this.#finish(this.#best), DENIAL_GRACE_MS);
    }
    if (this.#running.size === 0) this.start();
  }

  #finish(answer: Answer | undefined): void {
    const now = performance.now();
    for (const [server, { sinceMs }] of this.#running) {
      if (now - sinceMs >= SILENCE_MS) this.#pool.unanswered(server, 'no answer');
    }
    this.cancel();
    this.#done(answer);
  }
}

function note(pool: ServerPool, server: NameServer, outcome: Outcome): void {
  if ('answer' in outcome) pool.answered(server);
  else pool.unanswered(server, outcome.failure);
}

function isPositive(answer: Answer): boolean {
  return answer.rcode === NOERROR && (answer.truncated || answer.message.readUInt16BE(6) > 0);
}

function isDenial({ rcode }: Answer): boolean {
  return rcode === NOERROR || rcode === NXDOMAIN;
}
