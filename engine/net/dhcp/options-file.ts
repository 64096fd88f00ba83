import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { parseJsonObject, readSmallFile } from '../../machine/machine-files';
import type { DhcpDomains } from './dhcp-settings';
import { normalizeDomain } from './domain-name';

const MAX_FILE_BYTES = 64 * 1024;
const MAX_SEARCH_DOMAINS = 1024;

/** Who saves a file in several steps is done by then. */
const SETTLE_MS = 100;

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
  readonly #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Null before the first look. */
  #text: string | undefined | null = null;
  #current: Partial<DhcpDomains> = {};

  /** Reads the file now, and watches its folder until {@link close}. Never throws; what is wrong is logged. */
  constructor(file: string, log: (line: string) => void) {
    this.#path = path.resolve(file);
    this.#log = log;
    // Before reading, so that no change falls in between. The folder, because a file may be replaced by another.
    this.#watcher = this.#watch();
    this.#read();
  }

  get current(): Partial<DhcpDomains> {
    return this.#current;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  #watch(): FSWatcher | undefined {
    const complain = (error: Error): void =>
      this.#log(`cannot watch ${this.#path}: ${error.message}; changes count after a restart`);
    try {
      const watcher = watch(path.dirname(this.#path), { persistent: false }, (_event, name) => {
        if (name === null || name === path.basename(this.#path)) this.#schedule();
      });
      watcher.on('error', (error: Error) => {
        watcher.close();
        complain(error);
      });
      return watcher;
    } catch (error) {
      complain(error as Error);
      return undefined;
    }
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#read();
    }, SETTLE_MS).unref();
  }

  #read(): void {
    const text = readSmallFile(this.#path, MAX_FILE_BYTES);
    if (text === this.#text) return;
    const isFirst = this.#text === null;
    this.#text = text;
    const unreadable = `it can't be read, or is longer than ${MAX_FILE_BYTES} bytes`;
    const options = text === undefined ? unreadable : parseDhcpOptions(text);
    if (typeof options === 'string') {
      this.#log(`cannot use ${this.#path}: ${options}${isFirst ? '' : '; what it said before still counts'}`);
      return;
    }
    this.#current = options;
    if (!isFirst) this.#log(`uses the new content of ${this.#path}; guests learn of it with their next lease`);
  }
}
