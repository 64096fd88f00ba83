import { EngineError } from '../../errors';
import { type ForwardRules, openForward } from '../control/open-forward';
import type { Forward, Forwarder } from '../forwards/forwarder';
import { FILE_NOT_FOUND, NinePError, PERMISSION_DENIED } from './nine-p-error';
import { formatSpecText, MAX_SPEC_BYTES, parseSpecText } from './spec-text';
import { type NinePDirectory, type NinePFile, type NinePHandle, type NinePNode, textFile } from './tree';

const README = `Ports and sockets of the host, forwarded to the guests' network.

To add a forward, make a directory with any name and open the file "ctl" in it. Write one request in one write:
    tcp:EXTIP:EXTPORT:tcp:INTIP:INTPORT
    udp:EXTIP:EXTPORT:udp:INTIP:INTPORT
    unix:BASE64-OF-EXTPATH:tcp:INTIP:INTPORT
EXTPORT 0 lets the host choose. Then read "ctl":
    OK REQUEST-WITH-THE-REAL-PORT
    ERROR REASON
Keep "ctl" open: the forward ends when it is closed or the connection is lost.

Every forward at work is a file of this directory, under the name that was chosen for it.
`;
const NO_REQUEST = 'ERROR no request received. Please read the README.\n';
const MAX_DIRECTORIES = 1024;
const MAX_NAME_BYTES = 255;
const ROOT_QID = 0;
const README_QID = 1;
/** A forward has three: its directory, ctl, and the file that stands for it while it is at work. */
const QIDS_PER_FORWARD = 3;

export interface PortTreeOptions extends ForwardRules {
  readonly forwarder: Forwarder;
}

/**
 * VPNKit's 9P view of forwards: `mkdir NAME`, then a request written into `NAME/ctl`. One tree serves all connections;
 * each sees the forwards of the others.
 */
export function createPortTree(options: PortTreeOptions): NinePDirectory {
  return new PortTree(options);
}

class PortTree implements NinePDirectory {
  readonly kind = 'directory';
  readonly name = '/';
  readonly qidPath = ROOT_QID;
  readonly permissions = 0o777;
  readonly #readme = textFile('README', README_QID, README);
  readonly #directories = new Map<string, ForwardDirectory>();
  #nextQid = README_QID + 1;

  constructor(private readonly options: PortTreeOptions) {}

  child(name: string): NinePNode | undefined {
    return name === this.#readme.name ? this.#readme : this.#directories.get(name)?.visible;
  }

  children(): readonly NinePNode[] {
    const nodes = [...this.#directories.values()].map(({ visible }) => visible);
    return [this.#readme, ...nodes.filter(({ kind }) => kind === 'file')];
  }

  makeDirectory(name: string, client: object): NinePDirectory {
    if (!isName(name)) throw new NinePError('illegal name');
    if (this.child(name)) throw new NinePError('file already exists');
    if (this.#directories.size >= MAX_DIRECTORIES)
      throw new NinePError(`too many forwards, the most are ${MAX_DIRECTORIES}`);
    const directory = new ForwardDirectory(name, this.#nextQid, client, this.options, () =>
      this.#directories.delete(name),
    );
    this.#nextQid += QIDS_PER_FORWARD;
    this.#directories.set(name, directory);
    return directory;
  }

  clientLeft(client: object): void {
    for (const directory of [...this.#directories.values()]) {
      if (directory.maker === client) directory.abandon();
    }
  }
}

/** How far a request has come. `owner` is the open ctl that it was written to, whose end is its end. */
type Progress =
  | { readonly at: 'none' }
  | { readonly at: 'asked'; readonly owner: NinePHandle; readonly done: Promise<void> }
  | { readonly at: 'failed'; readonly owner: NinePHandle; readonly text: string }
  | { readonly at: 'open'; readonly owner: NinePHandle; readonly forward: Forward }
  | { readonly at: 'over' };

class ForwardDirectory implements NinePDirectory {
  readonly kind = 'directory';
  readonly permissions = 0o777;
  readonly #control: NinePFile;
  readonly #active: NinePFile;
  #progress: Progress = { at: 'none' };

  constructor(
    readonly name: string,
    readonly qidPath: number,
    readonly maker: object,
    private readonly options: PortTreeOptions,
    private readonly vanish: () => void,
  ) {
    this.#control = {
      kind: 'file',
      name: 'ctl',
      qidPath: qidPath + 1,
      permissions: 0o666,
      lengthBytes: () => 0, // As for every file whose text depends on what is asked.
      open: () => this.#openControl(),
      remove: (handle) => this.#removeThrough(handle),
    };
    this.#active = {
      kind: 'file',
      name,
      qidPath: qidPath + 2,
      permissions: 0o444,
      lengthBytes: () => this.#specLine().length,
      open: () => ({ read: () => this.#specLine() }),
    };
  }

  /** What stands in the root under the name: the directory, or the forward once it is at work. */
  get visible(): NinePNode {
    return this.#progress.at === 'open' ? this.#active : this;
  }

  child(name: string): NinePNode | undefined {
    return name === this.#control.name && this.#progress.at !== 'over' ? this.#control : undefined;
  }

  children(): readonly NinePNode[] {
    return this.#progress.at === 'over' ? [] : [this.#control];
  }

  remove(): void {
    this.#removeThrough(undefined);
  }

  /** Nobody who made it is left to ask for anything. */
  abandon(): void {
    if (this.#progress.at === 'none') this.#end();
  }

  #openControl(): NinePHandle {
    if (this.#progress.at === 'over') throw new NinePError(FILE_NOT_FOUND);
    const handle: NinePHandle = {
      read: () => Buffer.from(this.#answer()),
      write: async (data) => {
        if (this.#progress.at !== 'none') throw new NinePError(PERMISSION_DENIED);
        const done = this.#open(handle, data);
        // Unless it was refused at once.
        if (this.#progress.at === 'none') this.#progress = { at: 'asked', owner: handle, done };
        await done;
      },
      close: () => this.#close(handle),
    };
    return handle;
  }

  async #open(owner: NinePHandle, data: Buffer): Promise<void> {
    try {
      if (data.length > MAX_SPEC_BYTES) throw new EngineError('HK_FORWARD_FAILED', 'the request is too long');
      const spec = parseSpecText(data.toString('utf8').trim());
      const forward = await openForward(this.options.forwarder, this.options, spec);
      this.#progress = { at: 'open', owner, forward };
    } catch (error) {
      this.#progress = { at: 'failed', owner, text: reasonOf(error) };
    }
  }

  #answer(): string {
    switch (this.#progress.at) {
      case 'failed':
        return `ERROR ${this.#progress.text}\n`;
      case 'open':
        return `OK ${formatSpecText(this.#progress.forward.spec)}\n`;
      default:
        return NO_REQUEST;
    }
  }

  #specLine(): Buffer {
    return Buffer.from(this.#progress.at === 'open' ? `${formatSpecText(this.#progress.forward.spec)}\n` : '');
  }

  /** A forward at work only ends with the ctl that made it. */
  #removeThrough(handle: NinePHandle | undefined): void {
    const { at } = this.#progress;
    if (at === 'none' || at === 'failed' || at === 'over') this.#end();
    else if (handle === undefined || this.#progress.owner !== handle) throw new NinePError(PERMISSION_DENIED);
  }

  async #close(handle: NinePHandle): Promise<void> {
    if (!('owner' in this.#progress) || this.#progress.owner !== handle) return;
    if (this.#progress.at === 'asked') await this.#progress.done;
    const progress = this.#progress;
    this.#end();
    if (progress.at === 'open') await progress.forward.close();
  }

  #end(): void {
    if (this.#progress.at === 'over') return;
    this.#progress = { at: 'over' };
    this.vanish();
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof EngineError)) return 'the forward failed for an unexpected reason';
  return error.message.replace(/[\r\n]+/g, ' ');
}

function isName(name: string): boolean {
  const bytes = Buffer.byteLength(name);
  return bytes > 0 && bytes <= MAX_NAME_BYTES && name !== '.' && name !== '..' && !/[/\0]/.test(name);
}
