// Go's net/rpc has no authentication: whoever finds the port may drive the plugin, and every user of the host can
// connect to 127.0.0.1. The kernel knows which user owns the other end of a loopback connection, so we ask it.
//
// One row of /proc/net/tcp and tcp6 (Linux, Documentation/networking/proc_net_tcp.rst), columns by blanks:
//   0 number   1 local ADDR:PORT   2 remote ADDR:PORT   3 state   …   7 uid   8 time-out   9 inode
// ADDR is made of 32-bit words in host byte order, in hexadecimal; PORT is plain hexadecimal.
//
// macOS has no such table, and lsof would cost more than the whole command: there any loopback peer is accepted, as
// with every Go plugin.
import { readFile } from 'node:fs';
import { endianness } from 'node:os';
import { promisify } from 'node:util';

// These, and not their modules of promises: a plugin lives for some milliseconds, and loading those takes one or two.
const read = promisify(readFile);
const sleep = promisify(setTimeout);

/** Both ends of a TCP connection as this process sees them. */
export interface Connection {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** `uid` of the process at the other end; `unknown` when this system has no table to ask. */
export type Peer =
  | { readonly kind: 'uid'; readonly uid: number }
  | { readonly kind: 'unlisted' }
  | { readonly kind: 'unknown' };

const ESTABLISHED = '01';
const V4_MAPPED = '0000000000000000FFFF0000';

/** `127.0.0.1` (or `::ffff:127.0.0.1`), 80 -> `0100007F:0050` on a little-endian machine. */
function formatEndpoint(address: string, port: number): string | undefined {
  const bytes = address
    .replace(/^::ffff:/i, '')
    .split('.')
    .map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !(byte >= 0 && byte <= 255))) return undefined;
  if (endianness() === 'LE') bytes.reverse();
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0');
  return `${bytes.map((byte) => hex(byte, 2)).join('')}:${hex(port, 4)}`;
}

/**
 * Finds the uid of the far end of an IPv4 loopback connection in a table of /proc/net.
 *
 * Only an established row with an inode counts: a socket that its process has closed already lives on for a while in
 * other states, and the kernel then shows uid 0.
 */
export function findPeerUid(table: string, connection: Connection): number | undefined {
  // The peer's row is ours with the ends swapped.
  const local = formatEndpoint(connection.remoteAddress, connection.remotePort);
  const remote = formatEndpoint(connection.localAddress, connection.localPort);
  if (local === undefined || remote === undefined) return undefined;
  for (const ends of [` ${local} ${remote} `, ` ${mapped(local)} ${mapped(remote)} `]) {
    const at = table.indexOf(ends);
    if (at < 0) continue;
    const [state, , , , uid, , inode] = table.slice(at + ends.length, at + ends.length + 200).split(/\s+/);
    if (state === ESTABLISHED && inode !== undefined && /^[1-9]\d*$/.test(inode)) return Number(uid);
  }
  return undefined;
}

/** An IPv4 address in an IPv6 socket (`::ffff:a.b.c.d`); the marker word is in host order as well. */
function mapped(endpoint: string): string {
  return `${endianness() === 'LE' ? V4_MAPPED : '00000000000000000000FFFF'}${endpoint}`;
}

export interface PeerTables {
  /** Text of /proc/net/tcp or /proc/net/tcp6; undefined where there is no such file. */
  read(name: 'tcp' | 'tcp6'): Promise<string | undefined>;
}

export const procTables: PeerTables = { read: shareReads(readTable) };

async function readTable(name: 'tcp' | 'tcp6'): Promise<string | undefined> {
  try {
    return await read(`/proc/net/${name}`, 'latin1');
  } catch (error) {
    // Any other failure (no descriptors left, say) must not open the door.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Lets all who ask while a read is under way share the next one: a thousand connections at once cost two reads, and
 * nobody is shown a table older than the question.
 */
export function shareReads<T>(readNow: (name: 'tcp' | 'tcp6') => Promise<T>): (name: 'tcp' | 'tcp6') => Promise<T> {
  const running = new Map<string, Promise<unknown>>();
  const next = new Map<string, Promise<T>>();
  const begin = (name: 'tcp' | 'tcp6'): Promise<T> => {
    next.delete(name);
    const reading = readNow(name);
    const done = reading.then(
      () => {},
      () => {},
    );
    running.set(name, done);
    void done.then(() => {
      if (running.get(name) === done) running.delete(name);
    });
    return reading;
  };
  return (name) => {
    const current = running.get(name);
    if (current === undefined) return begin(name);
    const waiting = next.get(name) ?? current.then(() => begin(name));
    next.set(name, waiting);
    return waiting;
  };
}

const ATTEMPTS = 4;
const PAUSE_MS = 5;

/** Asks the kernel who is at the other end. Takes a millisecond or two; a row that is missing gets a few more looks. */
export async function identifyPeer(connection: Connection, tables: PeerTables = procTables): Promise<Peer> {
  for (let attempt = 1; ; attempt++) {
    const uid = await lookUp(connection, tables);
    if (uid === undefined) return { kind: 'unknown' };
    // Root is also what a socket in the middle of being closed looks like: it must still be there at a second look.
    if (uid === 0 && (await lookUp(connection, tables)) !== 0) return { kind: 'unlisted' };
    if (uid >= 0) return { kind: 'uid', uid };
    if (attempt === ATTEMPTS) return { kind: 'unlisted' };
    await sleep(PAUSE_MS * attempt);
  }
}

const UNLISTED = -1;

async function lookUp(connection: Connection, tables: PeerTables): Promise<number | undefined> {
  const v4 = await tables.read('tcp');
  if (v4 === undefined) return undefined;
  const uid = findPeerUid(v4, connection);
  if (uid !== undefined) return uid;
  const v6 = await tables.read('tcp6');
  return (v6 === undefined ? undefined : findPeerUid(v6, connection)) ?? UNLISTED;
}

/**
 * The users who may drive this plugin: root, ourselves (real and effective: setuid installations), and whoever started
 * us (rancher-machine can run plugins under another uid than its own).
 */
export async function allowedUids(parentPid: number): Promise<ReadonlySet<number>> {
  const uids = new Set([0, process.getuid?.() ?? 0, process.geteuid?.() ?? 0]);
  try {
    const [, ids] = /^Uid:\s+(.*)$/m.exec(await read(`/proc/${parentPid}/status`, 'latin1')) ?? [];
    for (const id of ids?.split(/\s+/) ?? []) uids.add(Number(id));
  } catch {
    // The parent is gone or hidden (hidepid): the others still count.
  }
  return uids;
}
