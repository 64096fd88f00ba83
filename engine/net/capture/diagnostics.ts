import type { Duplex } from 'node:stream';
import { type TarEntry, writeTar } from '../../storage/ustar';
import type { RingCaptures } from './ring-captures';

const MAX_DUMPS = 4;
const MAX_MEMBERS = 64;
const MAX_MEMBER_BYTES = 4 * 1024 * 1024;
/** ustar's name field with its NUL; directories are not needed for a reader. */
const NAME = /^[\x21-\x7e]{1,99}$/;
const COLLECT_MS = 2000;
const SEND_MS = 30_000;

/** One file of the dump: its name in the archive and, when asked, its text. */
export interface DiagnosticsMember {
  /** ASCII, at most 99 characters, such as `connections.json`. */
  readonly name: string;
  /** Whatever it throws becomes the text. */
  read(): string | Promise<string>;
}

export interface DiagnosticsOptions {
  readonly members: readonly DiagnosticsMember[];
  /** Added as `capture/NAME.pcap`. */
  readonly captures?: RingCaptures;
  /** How long a reader may take (30 s). */
  readonly sendMs?: number;
}

/** What VPNKit's --diagnostics socket does. */
export interface Diagnostics {
  /**
   * Sends one tar archive and ends the connection. Give it every connection of the socket, which should allow half-open
   * ones (`nc -U SOCKET < /dev/null`). Resolves when the connection is closed; never rejects.
   */
  send(reader: Duplex): Promise<void>;
}

/** Four dumps at once; a further connection is closed at once. Members beyond 4 MiB are cut. */
export function createDiagnostics(options: DiagnosticsOptions): Diagnostics {
  let dumps = 0;
  const dump = async (reader: Duplex): Promise<void> => {
    const closed = new Promise<void>((resolve) => reader.once('close', resolve));
    const timer = setTimeout(() => reader.destroy(), COLLECT_MS + (options.sendMs ?? SEND_MS));
    reader.resume();
    const archive = writeTar(await collect(options));
    if (!reader.destroyed) reader.end(archive);
    await closed;
    clearTimeout(timer);
  };

  return {
    async send(reader) {
      reader.on('error', () => reader.destroy());
      if (dumps >= MAX_DUMPS || reader.destroyed) {
        reader.destroy();
        return;
      }
      dumps++;
      await dump(reader);
      dumps--;
    },
  };
}

async function collect(options: DiagnosticsOptions): Promise<readonly TarEntry[]> {
  const members = options.members.filter(({ name }) => NAME.test(name)).slice(0, MAX_MEMBERS);
  const texts = await Promise.all(members.map(async (member) => fileEntry(member.name, await readMember(member))));
  const captures = options.captures?.snapshot() ?? [];
  return [...texts, ...captures.map(({ name, pcap }) => fileEntry(`capture/${name}.pcap`, pcap))];
}

async function readMember(member: DiagnosticsMember): Promise<Uint8Array> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, COLLECT_MS, `not known within ${COLLECT_MS} ms\n`);
  });
  try {
    return Buffer.from(await Promise.race([member.read(), late])).subarray(0, MAX_MEMBER_BYTES);
  } catch (error) {
    return Buffer.from(`cannot be told: ${(error as Error).message}\n`);
  } finally {
    clearTimeout(timer);
  }
}

function fileEntry(name: string, content: Uint8Array): TarEntry {
  return { name, mode: 0o600, kind: 'file', content };
}
