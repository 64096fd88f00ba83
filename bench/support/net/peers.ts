import { spawnSync } from 'node:child_process';
import { buildPeer } from '../../../test/support/peers';
import { gvproxy } from './gvproxy';
import type { NetworkUnderTest } from './network';
import { pasta } from './pasta';
import { slirp4netns } from './slirp4netns';

/** The peers that can be had here, and why others cannot, by name. */
export interface Peers {
  readonly networks: readonly NetworkUnderTest[];
  readonly missing: Readonly<Record<string, string>>;
}

/** Throws when there is none: a figure without a peer says nothing. */
export function findPeers(): Peers {
  const networks: NetworkUnderTest[] = [];
  const missing: Record<string, string> = {};
  for (const network of [slirp4netns, pasta]) {
    const { error } = spawnSync(network.name, ['--version']);
    if (error === undefined) networks.push(network);
    else missing[network.name] = error.message;
  }
  const built = buildPeer('gvproxy');
  if (built.available) networks.push(gvproxy(built.path));
  else missing['gvproxy'] = built.reason;
  if (networks.length === 0) {
    throw new Error(`there is no network to compare with; run scripts/requirements net: ${JSON.stringify(missing)}`);
  }
  return { networks, missing };
}
