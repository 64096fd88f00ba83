import { encodeDhcp } from './codec';
import { encodeDomainSearch } from './domain-name';
import { type DhcpMessage, OPTION } from './message';

/**
 * Domains go into one option, although RFC 3397 allows several: systemd-networkd, for one, doesn't join the pieces
 * (systemd/systemd#36883) and ends up with no search list at all.
 */
const MAX_SEARCH_BYTES = 255;

/** How much of the search list goes at a time: a guest chooses how little room there is, and each try costs time. */
const SEARCH_STEP_BYTES = 16;

/** What a guest can be without, what it misses least first. */
const DISPENSABLE: readonly number[] = [
  OPTION.ntpServers,
  OPTION.domainName,
  OPTION.hostName,
  OPTION.broadcastAddress,
  OPTION.interfaceMtu,
  OPTION.classlessStaticRoutes,
];

export interface ReplyContent {
  readonly head: Omit<DhcpMessage, 'options'>;
  /** Written first, in this order; never left out. */
  readonly essential: ReadonlyMap<number, Uint8Array>;
  readonly parameters: ReadonlyMap<number, Uint8Array>;
  readonly searchDomains: readonly string[];
  /** The order of the parameters (RFC 2132 section 9.8); those not in it come last. */
  readonly order: readonly number[];
}

/**
 * Writes a reply of at most `maxBytes`. What does not fit is left out: search domains from the last on, then
 * parameters. Undefined when not even the essential options fit.
 */
export function fitReply(content: ReplyContent, maxBytes: number): Buffer | undefined {
  const parameters = new Map(content.parameters);
  let searchRoom = MAX_SEARCH_BYTES;
  const dispensable = DISPENSABLE.values();
  for (;;) {
    const search = encodeDomainSearch(content.searchDomains, searchRoom);
    if (search.length > 0) parameters.set(OPTION.domainSearch, search);
    else parameters.delete(OPTION.domainSearch);
    const encoded = encodeDhcp(
      { ...content.head, options: new Map([...content.essential, ...sortParameters(parameters, content.order)]) },
      maxBytes,
    );
    if (encoded !== undefined) return encoded;
    if (search.length > 0) {
      searchRoom = search.length - SEARCH_STEP_BYTES;
      continue;
    }
    const next = dispensable.next();
    if (next.done === true) return undefined;
    parameters.delete(next.value);
  }
}

function sortParameters(parameters: ReadonlyMap<number, Uint8Array>, order: readonly number[]) {
  const rank = (code: number): number => (order.includes(code) ? order.indexOf(code) : order.length);
  return [...parameters].sort(([a], [b]) => rank(a) - rank(b));
}
