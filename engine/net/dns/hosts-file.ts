import type { NameAddress } from './address-book';

/** A hosts file of an ad blocker has some 200,000 names. */
const MAX_NAMES = 500_000;

/**
 * The entries of a hosts file (hosts(5)): an address and its names on each line, `#` starts a comment, lines end as on
 * Unix or Windows. Nothing is checked; {@link AddressBook} leaves out what is wrong. Names above 500,000 are left out.
 */
export function* parseHosts(text: string): Generator<NameAddress> {
  let count = 0;
  for (const line of text.replace(/^\ufeff/, '').split(/[\r\n]+/)) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (!address) continue;
    for (const name of names) {
      if (++count > MAX_NAMES) return;
      yield [name, address];
    }
  }
}
