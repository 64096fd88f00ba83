import { randomBytes, randomUUID } from 'node:crypto';
import { EngineError } from '../errors';
import type { DockerCredentials, GuestIdentity } from '../hypervisors/warm-starts';
import type { DockerFiles, VmSpec, WarmSpec } from '../spec/vm-spec';
import { writeHandshake } from '../storage/handshake';
import { readSmallFile } from '../storage/small-file';
import { makeInterimPair } from './interim-pair';
import { makeHostKey } from './ssh-host-key';

const SEED_BYTES = 64;
/** A chain of several certificates; with all others it has to fit into what a guest reads. */
const MAX_PEM_BYTES = 16 * 1024;

/**
 * What a copy of a warm image becomes: names and addresses are the specification's, everything else is new.
 * @throws EngineError HK_SPEC_INVALID when a file that the specification names cannot be read
 */
export function newIdentity(
  { network }: Pick<VmSpec, 'network'>,
  macAddress: string,
  { authorizedKeys, docker }: Pick<WarmSpec, 'authorizedKeys' | 'docker'>,
): GuestIdentity {
  return {
    hostname: network.hostname,
    machineId: randomBytes(16).toString('hex'),
    bootId: randomUUID(),
    engineId: randomUUID(),
    generation: randomUUID(),
    macAddress,
    seed: randomBytes(SEED_BYTES),
    hostKeys: { ecdsa: makeHostKey('ecdsa'), ed25519: makeHostKey('ed25519') },
    docker: docker === undefined ? interimCredentials(network.hostname) : readCredentials(docker),
    userData: writeHandshake(authorizedKeys),
  };
}

function interimCredentials(hostname: string): DockerCredentials {
  const { certificate, key } = makeInterimPair(hostname);
  return { ca: certificate, certificate, key, profile: undefined };
}

function readCredentials({ ca, certificate, key, profile }: DockerFiles): DockerCredentials {
  return { ca: readPem(ca), certificate: readPem(certificate), key: readPem(key), profile };
}

function readPem(file: string): string {
  const reading = readSmallFile(file, MAX_PEM_BYTES);
  if ('problem' in reading) {
    throw new EngineError('HK_SPEC_INVALID', `cannot read the Docker credentials in ${file}: ${reading.problem}`);
  }
  return reading.text;
}
