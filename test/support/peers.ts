import { spawnSync } from 'node:child_process';
import path from 'node:path';

export const PROJECT = path.join(__dirname, '../..');

/** A Go peer that was built, or why it can't be had here. */
export type Peer =
  | { readonly available: true; readonly path: string }
  | { readonly available: false; readonly reason: string };

/** Builds a peer of test/peers (cached after the first time). Without Go it is not there, and the reason says so. */
export function buildPeer(name: string): Peer {
  const built = spawnSync(path.join(PROJECT, 'test/peers/build'), [name], { encoding: 'utf8', timeout: 900_000 });
  if (built.status === 3) return { available: false, reason: built.stderr.trim() };
  const line = built.stdout.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  if (built.status !== 0 || line === undefined) {
    throw new Error(`cannot build the peer ${name}: exit ${built.status}\n${built.stderr}`);
  }
  return { available: true, path: line.slice(name.length + 1).trim() };
}

/** Docker's command line client: the host's own, or the one of its Debian package. */
export function dockerClient(): Peer {
  const found = spawnSync(path.join(PROJECT, 'test/peers/docker-cli'), { encoding: 'utf8', timeout: 300_000 });
  if (found.status === 0) return { available: true, path: found.stdout.trim() };
  return { available: false, reason: found.stderr.trim().split('\n').at(-1) ?? 'no docker command' };
}

/**
 * `describe` for tests that need something of this machine; when it is missing, they are skipped and the reason is
 * printed where people read it.
 */
export function describeWith(title: string, missing: readonly (string | undefined)[], body: () => void): void {
  const reasons = missing.filter((reason) => reason !== undefined);
  if (reasons.length === 0) {
    describe(title, body);
    return;
  }
  process.stderr.write(`SKIPPED ${title}: ${reasons.join('; ')}\n`);
  describe.skip(title, body);
}
