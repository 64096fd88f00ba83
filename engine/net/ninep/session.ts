import { FID_NOT_FOUND, FILE_NOT_FOUND, NinePError, PERMISSION_DENIED } from './nine-p-error';
import { type OpenDirectory, qidOf, readDirectory, statOf } from './node-view';
import type { NinePDirectory, NinePHandle, NinePNode } from './tree';
import {
  DMDIR,
  decodeRequest,
  encodeReply,
  HEADER_BYTES,
  IO_HEADER_BYTES,
  NOFID,
  OEXEC,
  ORCLOSE,
  OREAD,
  OWRITE,
  type Qid,
  type Reply,
  type Request,
  RREAD_HEADER_BYTES,
} from './wire';

const VERSION = '9P2000';
const MIN_MSIZE_BYTES = 512;
const MAX_MSIZE_BYTES = 65_536 + IO_HEADER_BYTES;
/** Before a version is agreed on, nobody needs more. */
const FIRST_MSIZE_BYTES = 8192;
const FILE_IOUNIT_BYTES = 32_768;
const DIRECTORY_IOUNIT_BYTES = 512;
const MAX_FIDS = 4096;
const MAX_OUTSTANDING = 64;
const MAX_PATH_NODES = 32;

type Of<Type extends Request['type']> = Extract<Request, { readonly type: Type }>;

/** A place in the tree that the client holds, and what it has opened there. */
interface Fid {
  /** From the root to the node. */
  readonly path: readonly [NinePDirectory, ...NinePNode[]];
  readonly opened?: OpenDirectory | OpenFile;
}

interface OpenFile {
  readonly kind: 'file';
  readonly handle: NinePHandle;
  readonly readable: boolean;
  readonly writable: boolean;
}

/** One client's conversation: its fids and the requests it waits for. */
export class NinePSession {
  #msize = FIRST_MSIZE_BYTES;
  #agreed = false;
  #fids = new Map<number, Fid>();
  readonly #outstanding = new Map<number, Promise<void>>();
  #ended = false;

  constructor(
    private readonly root: NinePDirectory,
    private readonly send: (reply: Buffer) => void,
  ) {}

  /** The largest message that either side may send. */
  get msize(): number {
    return this.#msize;
  }

  /**
   * Begins to serve a message and resolves when the next may come: at once, or while too many requests are under way
   * when one is done.
   * @throws NinePError when the client breaks the protocol so that no reply would make sense.
   */
  async take(message: Buffer): Promise<void> {
    const tag = message.readUInt16LE(HEADER_BYTES - 2);
    if (this.#outstanding.has(tag)) throw new NinePError(`tag ${tag} is in use`);
    const done = this.#serve(tag, message).then(() => {
      this.#outstanding.delete(tag);
    });
    this.#outstanding.set(tag, done);
    // A new version ends what was before it, so nothing may overtake it.
    if (!this.#agreed) await done;
    while (this.#outstanding.size >= MAX_OUTSTANDING) await Promise.race(this.#outstanding.values());
  }

  /** Lets everything go that the client holds. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all([...this.#outstanding.values(), this.#forgetFids()]);
    this.root.clientLeft?.(this);
  }

  async #serve(tag: number, message: Buffer): Promise<void> {
    let reply: Reply;
    try {
      const request = decodeRequest(message);
      if (!this.#agreed && request.type !== 'version') throw new NinePError('the version is not agreed on');
      reply = await this.#dispatch(request);
    } catch (error) {
      reply = { type: 'error', message: error instanceof NinePError ? error.message : 'i/o error' };
    }
    if (!this.#ended) this.send(encodeReply(tag, reply));
  }

  #dispatch(request: Request): Reply | Promise<Reply> {
    switch (request.type) {
      case 'version':
        return this.#version(request);
      case 'auth':
        throw new NinePError('authentication is not needed');
      case 'attach':
        return this.#attach(request);
      case 'flush':
        return this.#flush(request);
      case 'walk':
        return this.#walk(request);
      case 'open':
        return this.#open(request);
      case 'create':
        return this.#create(request);
      case 'read':
        return this.#read(request);
      case 'write':
        return this.#write(request);
      case 'clunk':
        return this.#clunk(request.fid);
      case 'remove':
        return this.#remove(request.fid);
      case 'stat':
        return { type: 'stat', stat: statOf(this.#node(request.fid)) };
      case 'wstat':
        this.#fid(request.fid);
        throw new NinePError(PERMISSION_DENIED);
    }
  }

  async #version({ msize, version }: Of<'version'>): Promise<Reply> {
    this.#agreed = false;
    if (msize < MIN_MSIZE_BYTES) throw new NinePError(`msize must be at least ${MIN_MSIZE_BYTES}`);
    await this.#forgetFids();
    this.#msize = Math.min(msize, MAX_MSIZE_BYTES);
    // Dialects such as 9P2000.u are offers that fall back to plain 9P2000 (version(5)).
    this.#agreed = version === VERSION || version.startsWith(`${VERSION}.`);
    return { type: 'version', msize: this.#msize, version: this.#agreed ? VERSION : 'unknown' };
  }

  #attach({ fid, afid }: Of<'attach'>): Reply {
    if (afid !== NOFID) throw new NinePError('authentication is not needed');
    this.#checkFree(fid);
    this.#fids.set(fid, { path: [this.root] });
    return { type: 'attach', qid: qidOf(this.root) };
  }

  /** Nothing that is under way can be broken off, so it is finished first, as flush(5) allows. */
  async #flush({ oldTag }: Of<'flush'>): Promise<Reply> {
    await this.#outstanding.get(oldTag);
    return { type: 'flush' };
  }

  #walk({ fid, newFid, names }: Of<'walk'>): Reply {
    const from = this.#fid(fid);
    if (from.opened) throw new NinePError('fid is open');
    if (newFid !== fid) this.#checkFree(newFid);
    let { path } = from;
    const qids: Qid[] = [];
    for (const name of names) {
      const next = step(path, name);
      if (!next) break;
      path = next;
      qids.push(qidOf(last(path)));
    }
    if (names.length > 0 && qids.length === 0) throw new NinePError(FILE_NOT_FOUND);
    if (qids.length === names.length) this.#fids.set(newFid, { path });
    return { type: 'walk', qids };
  }

  #open({ fid, mode }: Of<'open'>): Reply {
    const { path, opened } = this.#fid(fid);
    if (opened) throw new NinePError('fid is open');
    const node = last(path);
    const access = mode & 3;
    const readable = access !== OWRITE;
    const writable = access !== OREAD && access !== OEXEC;
    if (mode & ORCLOSE || (writable && (node.kind === 'directory' || (node.permissions & 0o222) === 0))) {
      throw new NinePError(PERMISSION_DENIED);
    }
    this.#fids.set(fid, {
      path,
      opened:
        node.kind === 'directory'
          ? { kind: 'directory', count: 0, offset: 0 }
          : { kind: 'file', handle: node.open(), readable, writable },
    });
    return { type: 'open', qid: qidOf(node), ioUnit: this.#ioUnit(node) };
  }

  #create({ fid, name, perm }: Of<'create'>): Reply {
    const { path, opened } = this.#fid(fid);
    const parent = last(path);
    if (opened || parent.kind !== 'directory' || !parent.makeDirectory || (perm & DMDIR) === 0) {
      throw new NinePError(PERMISSION_DENIED);
    }
    const directory = parent.makeDirectory(name, this);
    // Creating opens, too.
    this.#fids.set(fid, { path: [...path, directory], opened: { kind: 'directory', count: 0, offset: 0 } });
    return { type: 'create', qid: qidOf(directory), ioUnit: this.#ioUnit(directory) };
  }

  #read({ fid, offset, count }: Of<'read'>): Reply {
    const { path, opened } = this.#fid(fid);
    if (!opened) throw new NinePError('fid is not open');
    const most = Math.min(count, this.#msize - RREAD_HEADER_BYTES);
    if (opened.kind === 'directory') return { type: 'read', data: readDirectory(last(path), opened, offset, most) };
    if (!opened.readable) throw new NinePError(PERMISSION_DENIED);
    return { type: 'read', data: opened.handle.read().subarray(offset, offset + most) };
  }

  async #write({ fid, data }: Of<'write'>): Promise<Reply> {
    const { opened } = this.#fid(fid);
    if (opened?.kind !== 'file' || !opened.writable || !opened.handle.write) throw new NinePError(PERMISSION_DENIED);
    await opened.handle.write(data);
    return { type: 'write', count: data.length };
  }

  async #clunk(number: number): Promise<Reply> {
    const fid = this.#fid(number);
    this.#fids.delete(number);
    await close(fid);
    return { type: 'clunk' };
  }

  /** The fid is gone even when the file stays (remove(5)). */
  async #remove(number: number): Promise<Reply> {
    const fid = this.#fid(number);
    this.#fids.delete(number);
    const node = last(fid.path);
    try {
      if (!node.remove) throw new NinePError(PERMISSION_DENIED);
      node.remove(fid.opened?.kind === 'file' ? fid.opened.handle : undefined);
    } finally {
      await close(fid);
    }
    return { type: 'remove' };
  }

  #fid(number: number): Fid {
    const fid = this.#fids.get(number);
    if (!fid) throw new NinePError(FID_NOT_FOUND);
    return fid;
  }

  #node(number: number): NinePNode {
    return last(this.#fid(number).path);
  }

  #checkFree(number: number): void {
    if (number === NOFID || this.#fids.has(number)) throw new NinePError('fid is in use');
    if (this.#fids.size >= MAX_FIDS) throw new NinePError(`too many fids, the most are ${MAX_FIDS}`);
  }

  #ioUnit({ kind }: NinePNode): number {
    return Math.min(kind === 'directory' ? DIRECTORY_IOUNIT_BYTES : FILE_IOUNIT_BYTES, this.#msize - IO_HEADER_BYTES);
  }

  async #forgetFids(): Promise<void> {
    const fids = [...this.#fids.values()];
    this.#fids = new Map();
    await Promise.all(fids.map(close));
  }
}

/** One step of a walk; undefined when there is no such node. */
function step(path: Fid['path'], name: string): Fid['path'] | undefined {
  const node = last(path);
  if (node.kind !== 'directory' || path.length >= MAX_PATH_NODES) return undefined;
  if (name === '..') {
    const [root, ...rest] = path;
    return [root, ...rest.slice(0, -1)];
  }
  const child = node.child(name);
  return child && [...path, child];
}

function last([root, ...rest]: Fid['path']): NinePNode {
  return rest.at(-1) ?? root;
}

async function close({ opened }: Fid): Promise<void> {
  if (opened?.kind !== 'file') return;
  await opened.handle.close?.().catch(() => {}); // Its owner has nobody to tell.
}
