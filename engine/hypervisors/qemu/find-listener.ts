import { readdir, readFile, readlink } from 'node:fs/promises';

const LISTEN = '0A';

/** The process that listens on a TCP port, as far as this user may see it. Linux only; never throws. */
export async function findListener(
  address: string,
  port: number,
): Promise<{ readonly pid: number; readonly name: string } | undefined> {
  const inodes = new Set(listeningInodes(await read('/proc/net/tcp'), [toKernelHex(address), '00000000'], port));
  for (const inode of listeningInodes(await read('/proc/net/tcp6'), ['0'.repeat(32)], port)) inodes.add(inode);
  if (inodes.size === 0) return undefined;
  for (const pid of (await names('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const fd of await names(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode !== undefined && inodes.has(inode)) {
        return { pid: Number(pid), name: (await read(`/proc/${pid}/comm`)).trim() || 'a program' };
      }
    }
  }
  return undefined;
}

/** Lines of /proc/net/tcp: `sl local_address rem_address st … inode`, proc(5); addresses in hex, byte order of the host. */
export function listeningInodes(table: string, addresses: readonly string[], port: number): string[] {
  const wanted = addresses.map((address) => `${address}:${port.toString(16).toUpperCase().padStart(4, '0')}`);
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === LISTEN && wanted.includes(fields[1] ?? ''))
    .map((fields) => fields[9] ?? '');
}

function toKernelHex(address: string): string {
  const octets = address.split('.').map((octet) => Number(octet).toString(16).toUpperCase().padStart(2, '0'));
  return octets.reverse().join('');
}

async function read(file: string): Promise<string> {
  return await readFile(file, 'latin1').catch(() => '');
}

async function names(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}
