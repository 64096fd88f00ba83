import path from 'node:path';
import * as v from 'valibot';
import { parseJsonObject } from '../../json-object';
import type { FileReading } from '../../storage/small-file';
import { WatchedFile } from '../watched-file';
import type { DhcpDomains } from './dhcp-settings';
import { normalizeDomain } from './domain-name';

const MAX_FILE_BYTES = 64 * 1024;
const MAX_SEARCH_DOMAINS = 1024;

const domain = v.pipe(
  v.string('must be a text'),
  v.check((text) => normalizeDomain(text) !== undefined, 'must be a domain name'),
);
// VPNKit's Go client writes null for a list that it has not got.
const schema = v.object({
  searchDomains: v.nullish(
    v.pipe(
      v.array(domain, 'must be a list'),
      v.maxLength(MAX_SEARCH_DOMAINS, `must be at most ${MAX_SEARCH_DOMAINS} domains`),
    ),
  ),
  /** Empty: guests get no domain name. */
  domainName: v.nullish(v.union([v.literal(''), domain], 'must be a domain name')),
});

/** Reads `{"searchDomains": […], "domainName": "…"}`, both optional. A text says what is wrong with it. */
export function parseDhcpOptions(text: string): Partial<DhcpDomains> | string {
  const json = parseJsonObject(text);
  if (json === undefined) return 'it is not a JSON object';
  const result = v.safeParse(schema, json, { abortEarly: true });
  if (!result.success) return `${v.getDotPath(result.issues[0])} ${result.issues[0].message}`;
  const { searchDomains, domainName } = result.output;
  return { ...(searchDomains && { searchDomains }), ...(typeof domainName === 'string' && { domainName }) };
}

/** The file of `--dhcp-path`, read again whenever it changes. While it is broken or missing the last good one counts. */
export class DhcpOptionsFile {
  readonly #path: string;
  readonly #log: (line: string) => void;
  readonly #file: WatchedFile;
  /** What was last read; undefined before the first look. */
  #reading: string | undefined;
  #current: Partial<DhcpDomains> = {};

  /** Reads the file now, and again when it changes until {@link close}. Never throws; what is wrong is logged. */
  constructor(file: string, log: (line: string) => void) {
    this.#path = path.resolve(file);
    this.#log = log;
    this.#file = new WatchedFile(file, {
      maxBytes: MAX_FILE_BYTES,
      onReading: (reading) => this.#take(reading),
      log,
    });
  }

  get current(): Partial<DhcpDomains> {
    return this.#current;
  }

  close(): void {
    this.#file.close();
  }

  #take(reading: FileReading): void {
    const isFirst = this.#reading === undefined;
    const seen = JSON.stringify(reading);
    if (seen === this.#reading) return;
    this.#reading = seen;
    const options = 'text' in reading ? parseDhcpOptions(reading.text) : `it can't be read: ${reading.problem}`;
    if (typeof options === 'string') {
      this.#log(`cannot use ${this.#path}: ${options}${isFirst ? '' : '; what it said before still counts'}`);
      return;
    }
    this.#current = options;
    if (!isFirst) this.#log(`uses the new content of ${this.#path}; guests learn of it with their next lease`);
  }
}
