import { randomBytes, randomUUID } from 'node:crypto';
import type { GuestIdentity } from '../hypervisors/warm-starts';
import type { VmSpec } from '../spec/vm-spec';
import { writeHandshake } from '../storage/handshake';

const SEED_BYTES = 64;

/** What a copy of a warm image becomes: names and addresses are the specification's, everything else is new. */
export function newIdentity(
  { network }: Pick<VmSpec, 'network'>,
  macAddress: string,
  authorizedKeys: string,
): GuestIdentity {
  return {
    hostname: network.hostname,
    machineId: randomBytes(16).toString('hex'),
    bootId: randomUUID(),
    engineId: randomUUID(),
    generation: randomUUID(),
    macAddress,
    seed: randomBytes(SEED_BYTES),
    userData: writeHandshake(authorizedKeys),
  };
}
