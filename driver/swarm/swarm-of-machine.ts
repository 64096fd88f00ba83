import { type DriverConfig, emptyConfig, mergeConfig } from '../config/driver-config';
import type { StoredMachine } from '../store/stored-machine';
import { swarmOfOption } from './swarm-network';

/** The swarm whose network a machine is in; undefined: none. */
export function swarmOfMachine(machine: StoredMachine): string | undefined {
  return machine.driver === undefined ? undefined : swarmOfOption(configOf(machine).VpnKitSock);
}

/** The driver's part of a machine's config.json. */
export function configOf(machine: StoredMachine): DriverConfig {
  return mergeConfig(emptyConfig(), JSON.stringify(machine.document['Driver'] ?? {})).document.config;
}
