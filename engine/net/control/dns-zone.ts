import { canonicalAddress } from '../endpoint-text';
import { BodyError, JsonFields, parseFields } from './json-body';

/** A name inside of a zone; either `name` or `regexp` says which names it answers for. */
export interface DnsRecord {
  readonly name: string;
  readonly ip?: string;
  /** In Go's syntax, as gvproxy takes it. It comes from outside: it may be invalid or costly. */
  readonly regexp?: string;
}

export interface DnsZone {
  /** With the closing dot: `containers.internal.` */
  readonly name: string;
  readonly records: readonly DnsRecord[];
  /** What every other name of the zone resolves to. */
  readonly defaultIp?: string;
}

const MAX_RECORDS = 1024;
const MAX_NAME_LENGTH = 255;
const MAX_REGEXP_LENGTH = 1024;

/** @throws BodyError when the body is no zone of gvproxy's API ({"Name", "Records": [{"Name", "IP", "Regexp"}], "DefaultIP"}). */
export function parseZone(body: string): DnsZone {
  const fields = parseFields(body);
  const records = fields.list('Records');
  if (records.length > MAX_RECORDS) throw new BodyError(`a zone can't have more than ${MAX_RECORDS} records`);
  const defaultIp = parseIp(fields.string('DefaultIP'));
  return {
    name: bounded('Name', fields.string('Name') ?? '', MAX_NAME_LENGTH),
    records: records.map(parseRecord),
    ...(defaultIp !== undefined && { defaultIp }),
  };
}

/** The zone with Go's field names, a record's expression only when it has one. */
export function formatZone({ name, records, defaultIp }: DnsZone): unknown {
  return {
    Name: name,
    Records: records.map(({ name: Name, ip, regexp }) => ({
      Name,
      IP: ip ?? '',
      ...(regexp !== undefined && { Regexp: regexp }),
    })),
    DefaultIP: defaultIp ?? '',
  };
}

function parseRecord(value: unknown): DnsRecord {
  const fields = new JsonFields(value);
  const ip = parseIp(fields.string('IP'));
  const regexp = fields.string('Regexp');
  return {
    name: bounded('Name', fields.string('Name') ?? '', MAX_NAME_LENGTH),
    ...(ip !== undefined && { ip }),
    ...(regexp !== undefined && { regexp: bounded('Regexp', regexp, MAX_REGEXP_LENGTH) }),
  };
}

function parseIp(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  const address = canonicalAddress(text);
  if (address === undefined) throw new BodyError(`invalid IP address: ${text}`);
  return address;
}

function bounded(name: string, value: string, limit: number): string {
  if (value.length <= limit) return value;
  throw new BodyError(`${name} is longer than ${limit} characters`);
}
