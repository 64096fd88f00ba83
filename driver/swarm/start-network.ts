import path from 'node:path';
import { startSharedNetwork } from '../../engine/shared-network/control-shared-network';
import { findNetworkSocket, swarmFolder, swarmOfOption } from './swarm-network';

/** Starts the network of the swarm that a machine belongs to, if it belongs to one. @throws EngineError HK_NET_UNAVAILABLE */
export async function startNetworkOf(
  config: { readonly VpnKitSock: string; readonly StorePath: string },
  programsDir: string,
  signal: AbortSignal,
): Promise<void> {
  const swarm = swarmOfOption(config.VpnKitSock);
  if (swarm === undefined || findNetworkSocket(config.VpnKitSock, config.StorePath) === undefined) return;
  const program = path.join(programsDir, 'hyperkit-network.cjs');
  await startSharedNetwork(swarmFolder(config.StorePath, swarm), program, signal);
}
