import { formatEndpoint } from '../endpoint-text';
import type { Forward, Forwarder, ForwardSpec, HostSide } from '../forwards/forwarder';
import { type ForwardRules, openForward } from './open-forward';

/** What an interface wants to see again when it lists a forward. */
export interface ForwardLabel {
  /** VPNKit's clients mark their own forwards with it. */
  readonly annotation?: string;
  /** gvproxy's `local`, as it was written. */
  readonly local?: string;
}

/** A forward that is open, whoever opened it. */
export interface ListedForward {
  readonly spec: ForwardSpec;
  readonly label: ForwardLabel;
}

/**
 * All forwards of a network, as the HTTP interfaces see them. The forwarder owns them: one whose client vanished while
 * it was opened is listed and can be closed like any other. Changes of the same place on the host happen one after the
 * other, so that of two equal requests the second finds the work done.
 */
export class ForwardTable {
  readonly #labels = new WeakMap<Forward, ForwardLabel>();
  /** The last change that was asked for, by place on the host. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(
    private readonly forwarder: Forwarder,
    private readonly rules: ForwardRules,
  ) {}

  /** In the order of opening. */
  list(): readonly ListedForward[] {
    return this.forwarder.list().map((forward) => this.#listed(forward));
  }

  /**
   * Opens a forward unless one that `isSame` is open; tells whether it was opened.
   * @throws EngineError HK_FORWARD_FAILED
   */
  open(spec: ForwardSpec, label: ForwardLabel, isSame: (listed: ListedForward) => boolean): Promise<boolean> {
    return this.#inTurn(spec.host, async () => {
      if (this.list().some(isSame)) return false;
      this.#labels.set(await openForward(this.forwarder, this.rules, spec), label);
      return true;
    });
  }

  /** Closes the forwards at a place on the host that match; tells whether there were any. */
  close(host: HostSide, matches: (listed: ListedForward) => boolean): Promise<boolean> {
    return this.#inTurn(host, async () => {
      const found = this.forwarder.list().filter((forward) => matches(this.#listed(forward)));
      await Promise.all(found.map((forward) => forward.close()));
      return found.length > 0;
    });
  }

  #listed(forward: Forward): ListedForward {
    return { spec: forward.spec, label: this.#labels.get(forward) ?? {} };
  }

  #inTurn<Result>(host: HostSide, work: () => Promise<Result>): Promise<Result> {
    if ('port' in host && host.port === 0) return work(); // Each gets a port of its own.
    const place = 'path' in host ? host.path : formatEndpoint(host);
    const mine = (this.#turns.get(place) ?? Promise.resolve()).then(work);
    const over = mine
      .catch(() => {})
      .then(() => {
        if (this.#turns.get(place) === over) this.#turns.delete(place);
      });
    this.#turns.set(place, over);
    return mine;
  }
}
