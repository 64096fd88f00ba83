import { isIPv4 } from 'node:net';
import { type Answer, createAnswer } from './answer';
import { addressRecord, pointerRecord } from './local-records';
import { addressOfReverseName, canonicalAddress, toText, toWireName } from './names';
import type { Query } from './query';
import { CLASS_ANY, CLASS_IN, NOERROR, TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_PTR } from './wire';

/** One name has not more addresses than fit into one message. */
const MAX_ADDRESSES = 256;

/** A name and one of its addresses. */
export type NameAddress = readonly [name: string, address: string];

/** Names with addresses, and the way back: answers A, AAAA, PTR and ANY. */
export class AddressBook {
  readonly #addresses = new Map<string, string[]>();
  readonly #names = new Map<string, string>();

  /** Entries that are no names or addresses are left out. */
  constructor(entries: Iterable<NameAddress>) {
    for (const [name, text] of entries) {
      const wire = toWireName(name);
      const address = canonicalAddress(text);
      if (wire === undefined || address === undefined) continue;
      const known = this.#addresses.get(wire);
      if (!known) this.#addresses.set(wire, [address]);
      else if (known.length < MAX_ADDRESSES && !known.includes(address)) known.push(address);
      if (!this.#names.has(address)) this.#names.set(address, toText(wire));
    }
  }

  /** Undefined when the name is not here. Types that a name of ours has not are answered with nothing, not NXDOMAIN. */
  find(query: Query): Answer | undefined {
    if (query.class !== CLASS_IN && query.class !== CLASS_ANY) return undefined;
    const addresses = this.#addresses.get(query.name);
    if (addresses) {
      const wanted = addresses.filter((address) => isWanted(address, query.type));
      return createAnswer(query, NOERROR, wanted.map(addressRecord));
    }
    if (query.type !== TYPE_PTR || this.#names.size === 0) return undefined;
    const address = addressOfReverseName(query.name);
    const name = address === undefined ? undefined : this.#names.get(address);
    return name === undefined ? undefined : createAnswer(query, NOERROR, [pointerRecord(name)]);
  }
}

/** Whether a question of this type asks for such an address. */
export function isWanted(address: string, type: number): boolean {
  return type === TYPE_ANY || type === (isIPv4(address) ? TYPE_A : TYPE_AAAA);
}
