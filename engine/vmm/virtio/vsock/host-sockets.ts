import { lstatSync, mkdirSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { allocatePinned } from '../../../../native/pinned-buffer';
import { AF_UNIX, EAGAIN, SOCK_STREAM, sockets } from '../../../../native/sockets';
import { EngineError } from '../../../errors';
import { acceptConnections } from '../../../net/attach/accept-loop';
import { openListeningSocket } from '../../../net/attach/listening-socket';
import type { Reactor } from '../../../net/reactor/reactor';
import { HOST_CID } from './packet';

/** `%08x.%08x\n`: CID and port. */
const CONNECT_LINE = /^([0-9a-f]{8})\.([0-9a-f]{8})\n$/i;
const CONNECT_LINE_BYTES = 18;
/** How long a client may take to say where it wants to go, and how many may take their time at once. */
const CONNECT_LINE_MS = 10_000;
const MAX_UNDECIDED = 128;

export interface HostSocketOptions {
  /** Made if it is not there. */
  readonly folder: string;
  readonly guestCid: number;
  /** Ports of the guest that get a socket of their own. */
  readonly guestForwards: readonly number[];
  /** A program of the host wants to a port of the guest; the descriptor is the callee's. */
  readonly connected: (fd: number, guestPort: number) => void;
}

/** HyperKit's sockets for programs of the host, in one folder. */
export interface HostSockets {
  /** Connects to the program that serves `port` of the host; undefined: there is none. */
  connectToService(port: number): number | undefined;
  close(): void;
}

/**
 * Listens on `connect`, where clients begin with the CID and port that they want, and on `CID.PORT` for each of the
 * guest's forwarded ports, which is also `guest.PORT`. All numbers are eight hexadecimal digits. Sockets are this user's
 * alone; those of a dead process are replaced.
 * @throws EngineError HK_NET_UNAVAILABLE; nothing is left then.
 */
export async function openHostSockets(reactor: Reactor, options: HostSocketOptions): Promise<HostSockets> {
  const { folder, guestCid, guestForwards, connected } = options;
  const opened: { close(): void }[] = [];
  const close = (): void => {
    for (const one of opened.splice(0).reverse()) one.close();
  };
  const listen = async (name: string, accepted: (fd: number) => void): Promise<void> => {
    const listening = await openListeningSocket({ kind: 'path', path: path.join(folder, name) });
    opened.push(acceptConnections(reactor, listening, accepted));
  };
  try {
    makeFolder(folder);
    const undecided = new Undecided(reactor, guestCid, connected);
    opened.push(undecided);
    await listen('connect', (fd) => undecided.take(fd));
    for (const port of new Set(guestForwards)) {
      const name = socketName(guestCid, port);
      await listen(name, (fd) => connected(fd, port));
      opened.push(makeLink(path.join(folder, `guest.${hex8(port)}`), name));
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    connectToService: (port) => {
      const fd = sockets.socket(AF_UNIX, SOCK_STREAM);
      if (sockets.connectPath(fd, path.join(folder, socketName(HOST_CID, port))) === 0) return fd;
      sockets.close(fd);
      return undefined;
    },
    close,
  };
}

/** Clients of `connect` that have not said yet where they want to go. */
class Undecided {
  readonly #clients = new Set<{ close(): void }>();
  readonly #line = allocatePinned(CONNECT_LINE_BYTES);

  constructor(
    private readonly reactor: Reactor,
    private readonly guestCid: number,
    private readonly connected: (fd: number, guestPort: number) => void,
  ) {}

  take(fd: number): void {
    if (this.#clients.size >= MAX_UNDECIDED) {
      sockets.close(fd);
      return;
    }
    let line = '';
    const read = (): void => {
      while (line.length < CONNECT_LINE_BYTES) {
        // Not one byte more: what follows is the guest's.
        const length = sockets.receive(fd, this.#line.address, CONNECT_LINE_BYTES - line.length);
        if (length === -EAGAIN) return;
        if (length <= 0) {
          client.close();
          return;
        }
        line += this.#line.bytes.toString('latin1', 0, length);
      }
      const [, cid = '', port = ''] = CONNECT_LINE.exec(line) ?? [];
      if (Number.parseInt(cid, 16) !== this.guestCid) {
        client.close();
        return;
      }
      forget();
      this.connected(fd, Number.parseInt(port, 16));
    };
    const watch = this.reactor.watch(fd, read);
    const timer = this.reactor.timer(() => client.close());
    const forget = (): void => {
      this.#clients.delete(client);
      timer.clear();
      watch.close();
    };
    const client = {
      close: () => {
        forget();
        sockets.close(fd);
      },
    };
    this.#clients.add(client);
    timer.set(this.reactor.nowMs + CONNECT_LINE_MS);
  }

  close(): void {
    for (const client of [...this.#clients]) client.close();
  }
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0');
}

function socketName(cid: number, port: number): string {
  return `${hex8(cid)}.${hex8(port)}`;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new EngineError('HK_NET_UNAVAILABLE', `cannot make the folder ${folder}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** An older link is replaced; anything else of that name is somebody's. */
function makeLink(file: string, target: string): { close(): void } {
  const isOurs = (): boolean => {
    try {
      return readlinkSync(file) === target;
    } catch {
      return false;
    }
  };
  try {
    if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true) unlinkSync(file);
    symlinkSync(target, file);
  } catch (cause) {
    throw new EngineError('HK_NET_UNAVAILABLE', `cannot make the link ${file}: ${(cause as Error).message}`, { cause });
  }
  return {
    close: () => {
      if (isOurs()) unlinkSync(file);
    },
  };
}
