import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

// What tests do to the host around a machine: each returns a function that undoes it.

/** Why this user cannot mount file systems here; undefined when that works. */
export function whyNoMounts(): string | undefined {
  const tried = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { encoding: 'utf8' });
  if (tried.status === 0 && process.getuid?.() === 0) return undefined;
  return `mounting a file system needs root (${(tried.stderr || tried.error?.message || 'not root').trim()})`;
}

/** A file system of that size, in a folder of its own. */
export function mountSmallDisk(sizeMiB: number): { readonly path: string; unmount(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'hk-disk-'));
  run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'hk-test', folder]);
  return {
    path: folder,
    unmount: () => {
      run('umount', ['-l', folder]);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Makes a folder refuse writes: by its mode, or for root, whom no mode stops, by a mount. */
export function makeReadOnly(folder: string): () => void {
  if (process.getuid?.() !== 0) {
    chmodSync(folder, 0o500);
    return () => chmodSync(folder, 0o700);
  }
  run('mount', ['--bind', folder, folder]);
  run('mount', ['-o', 'remount,bind,ro', folder]);
  return () => run('umount', ['-l', folder]);
}

/**
 * Command lines that run a program on a host whose /dev/kvm is not what it should be; only that program sees it.
 * It takes root.
 */
export const WITHOUT_KVM = {
  missing: isolated(
    'for device in null zero full random urandom tty; do cp -a /dev/$device /mnt/; done && mount --bind /mnt /dev',
  ),
  somethingElse: isolated('mount --bind /dev/null /dev/kvm'),
};

function isolated(change: string): readonly string[] {
  const script = `mount -t tmpfs none /mnt && { ${change}; } && exec "$@"`;
  return ['unshare', '--mount', 'sh', '-c', script, 'sh'];
}

/** Listens on an address, as another program would. */
export async function occupy(address: string, port: number): Promise<() => Promise<void>> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
}
