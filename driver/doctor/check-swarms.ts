import path from 'node:path';
import { sharedNetworkAnswers, startSharedNetwork } from '../../engine/shared-network/control-shared-network';
import { MachineState } from '../contract/machine-driver';
import type { MachineStore } from '../store/machine-store';
import { listMembers } from '../swarm/swarm-member';
import { swarmFolder } from '../swarm/swarm-network';
import { listSwarms } from '../swarm/swarm-record';
import type { Finding } from './finding';

/** Every swarm of the store: whether it has machines, and a network while one of them runs. Nothing amiss is no finding. */
export async function checkSwarms(store: MachineStore, programsDir: string): Promise<readonly Finding[]> {
  const swarms = await listSwarms(store.path);
  const findings = await Promise.all(swarms.map(async (name) => await checkSwarm(store, name, programsDir)));
  return findings.filter((finding) => finding !== undefined);
}

async function checkSwarm(store: MachineStore, name: string, programsDir: string): Promise<Finding | undefined> {
  const subject = `swarm ${name}`;
  const folder = swarmFolder(store.path, name);
  const members = await listMembers(store, name);
  if (members.length === 0)
    return { subject, level: 'warn', text: 'it has no machines', mend: `hyperkit swarm rm -f ${name}` };
  const states = await Promise.all(members.map(async (machine) => await machine.requireDriver().getState()));
  const running = members.filter((_machine, index) => states[index] === MachineState.Running);
  if (running.length === 0 || (await sharedNetworkAnswers(folder))) return undefined;
  return {
    subject,
    level: 'fail',
    text: `its network process is gone, so ${running.map((machine) => machine.name).join(', ')} cannot reach anybody`,
    mend: 'hyperkit doctor --fix',
    fix: async () => await startSharedNetwork(folder, path.join(programsDir, 'hyperkit-network.cjs')),
  };
}
