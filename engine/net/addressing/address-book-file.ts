import { replaceFile } from '../../storage/atomic-file';
import { readSmallFile } from '../../storage/small-file';
import { AddressBook } from './address-book';
import type { NetworkPlan } from './network-plan';

/** Ten times what a full book takes. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** Guests that come together are written down together; the most that a killed process forgets. */
const SETTLE_MS = 200;

/** An address book that outlives its process. It is a convenience, so no trouble with the file is anybody's failure. */
export class AddressBookFile {
  readonly book: AddressBook;
  readonly #path: string;
  readonly #log: (line: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #writing = Promise.resolve();
  #isClosed = false;
  #complaint = '';

  /** Reads the file. One that is missing makes an empty book, and so does one that is damaged, which is logged. */
  static open(path: string, plan: NetworkPlan, log: (line: string) => void): AddressBookFile {
    const file = new AddressBookFile(path, plan, log);
    const reading = readSmallFile(path, MAX_FILE_BYTES);
    if ('text' in reading) {
      const problem = file.book.load(parseJson(reading.text));
      if (problem !== undefined) log(`cannot use all of ${path}: ${problem}; guests may get other addresses`);
    } else if (reading.code !== 'ENOENT') {
      log(`cannot read ${path}: ${reading.problem}; guests may get other addresses`);
    }
    return file;
  }

  private constructor(path: string, plan: NetworkPlan, log: (line: string) => void) {
    this.#path = path;
    this.#log = log;
    this.book = new AddressBook(plan, () => this.#schedule());
  }

  /** Writes what is not written yet. The book works on, but what happens to it is no longer kept. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== undefined) this.#write();
    await this.#writing;
  }

  #schedule(): void {
    if (this.#isClosed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#write(), SETTLE_MS).unref();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(async () => {
      try {
        await replaceFile(this.#path, 0o600, async (file) => await file.writeFile(`${JSON.stringify(this.book)}\n`));
        this.#complaint = '';
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        // Not the message of the file system, which names another temporary file each time.
        const complaint = `cannot write ${this.#path}: ${code ?? message}; the next change tries again`;
        if (complaint !== this.#complaint) this.#log(complaint);
        this.#complaint = complaint;
      }
    });
  }
}

/** Undefined, which no book is, when it is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
