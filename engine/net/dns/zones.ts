import { isIPv6 } from 'node:net';
import { EngineError } from '../../errors';
import { isWanted } from './address-book';
import { type Answer, createAnswer } from './answer';
import { addressRecord } from './local-records';
import { canonicalAddress, suffixOffsets, toText, toWireName } from './names';
import type { Query } from './query';
import { CLASS_ANY, CLASS_IN, NOERROR, NXDOMAIN } from './wire';
import { compileZonePattern, type ZonePattern } from './zone-pattern';

const MAX_ZONES = 256;
const MAX_RECORDS = 4096;
/** Of all patterns together: what one look-up may cost for each character of the name. */
const MAX_PATTERN_SIZE = 4096;
const MAX_NAME = 253;

/** A name below the zone's, or a pattern for such names, and the address they have if they have one. */
export interface ZoneRecord {
  /** Without the zone's name; may have dots. Empty: only the pattern counts. */
  readonly name: string;
  readonly ip?: string;
  /** Go's syntax, matched anywhere in the name without the zone's. */
  readonly regexp?: string;
}

/** Names below one name, as gvproxy has them. The first record that fits counts. */
export interface DnsZone {
  readonly name: string;
  readonly records: readonly ZoneRecord[];
  /** The address of all names that no record fits; without it they do not exist. */
  readonly defaultIp?: string;
}

interface PreparedRecord {
  readonly source: ZoneRecord;
  readonly name: string | undefined;
  readonly pattern: ZonePattern | undefined;
  readonly address: string | undefined;
}

interface PreparedZone {
  readonly name: string;
  readonly records: readonly PreparedRecord[];
  readonly defaultAddress: string | undefined;
}

/** The zones in force. The one with the longest name that a question's name lies below answers it, all types of it. */
export class Zones {
  /** By folded name, in the order in which they came. */
  readonly #zones = new Map<string, PreparedZone>();

  /**
   * Adds a zone. One that is there keeps its records behind the new ones, and gets the new default address or none.
   * @throws EngineError HK_NET_CONFIG_INVALID when something in it is no name, address or pattern, or it is too much;
   * then nothing has changed.
   */
  add(zone: DnsZone): void {
    const wire = toWireName(zone.name);
    if (wire === undefined) throw refuse(zone, 'that is no domain name');
    if (zone.records.length > MAX_RECORDS) throw refuse(zone, `it has more than ${MAX_RECORDS} records`);
    const known = this.#zones.get(wire);
    if (!known && this.#zones.size >= MAX_ZONES) throw refuse(zone, `there are ${MAX_ZONES} zones already`);

    const fresh = zone.records.map((record) => prepareRecord(zone, record));
    const records = dropShadowed([...fresh, ...(known?.records ?? [])]);
    const others = [...this.#zones.values()].filter((other) => other !== known).flatMap((other) => other.records);
    if (others.length + records.length > MAX_RECORDS) {
      throw refuse(zone, `all zones together have more than ${MAX_RECORDS} records`);
    }
    if (patternSize(others) + patternSize(records) > MAX_PATTERN_SIZE) {
      throw refuse(zone, 'the patterns of all zones together are too large');
    }
    const defaultAddress = zone.defaultIp ? parseAddress(zone, zone.defaultIp) : undefined;
    this.#zones.set(wire, { name: known?.name ?? zone.name, records, defaultAddress });
  }

  /** As they were given, in the order in which they came. */
  list(): DnsZone[] {
    return [...this.#zones.values()].map(({ name, records, defaultAddress }) => ({
      name,
      records: records.map(({ source }) => source),
      ...(defaultAddress !== undefined && { defaultIp: defaultAddress }),
    }));
  }

  /** Undefined when the name lies below no zone. */
  find(query: Query): Answer | undefined {
    if (this.#zones.size === 0 || (query.class !== CLASS_IN && query.class !== CLASS_ANY)) return undefined;
    for (const at of suffixOffsets(query.name)) {
      const zone = at > 0 ? this.#zones.get(query.name.slice(at)) : undefined;
      if (zone) return answerFrom(zone, `${query.name.slice(0, at)}\0`, query);
    }
    return undefined;
  }
}

function answerFrom(zone: PreparedZone, wire: string, query: Query): Answer {
  const name = toText(wire);
  let exists = false;
  for (const { name: own, pattern, address } of zone.records) {
    if (own !== name && !pattern?.matches(name)) continue;
    if (address && isWanted(address, query.type)) return createAnswer(query, NOERROR, [addressRecord(address)]);
    exists = true;
  }
  if (exists) return createAnswer(query, NOERROR);
  if (zone.defaultAddress === undefined) return createAnswer(query, NXDOMAIN);
  const isAsked = isWanted(zone.defaultAddress, query.type);
  return createAnswer(query, NOERROR, isAsked ? [addressRecord(zone.defaultAddress)] : []);
}

function prepareRecord(zone: DnsZone, record: ZoneRecord): PreparedRecord {
  const { name, ip, regexp } = record;
  if (name.length > MAX_NAME) throw refuse(zone, 'the name of a record is too long');
  return {
    source: record,
    name: name === '' ? undefined : name.toLowerCase(),
    pattern: regexp ? compileZonePattern(regexp) : undefined,
    address: ip ? parseAddress(zone, ip) : undefined,
  };
}

/** Without records that can answer nothing, because one before them has the same name, pattern and kind of address. */
function dropShadowed(records: readonly PreparedRecord[]): readonly PreparedRecord[] {
  if (records.length <= MAX_RECORDS / 2) return records;
  const seen = new Set<string>();
  return records.filter(({ source, name, address }) => {
    const identity = JSON.stringify([name, source.regexp, address && isIPv6(address)]);
    if (seen.has(identity)) return false;
    seen.add(identity);
    return true;
  });
}

function patternSize(records: readonly PreparedRecord[]): number {
  return records.reduce((sum, { pattern }) => sum + (pattern?.size ?? 0), 0);
}

function parseAddress(zone: DnsZone, text: string): string {
  const address = canonicalAddress(text);
  if (address === undefined) throw refuse(zone, `${JSON.stringify(text.slice(0, 80))} is no IP address`);
  return address;
}

function refuse(zone: DnsZone, reason: string): EngineError {
  return new EngineError(
    'HK_NET_CONFIG_INVALID',
    `cannot add the zone ${JSON.stringify(zone.name.slice(0, 80))}: ${reason}`,
  );
}
