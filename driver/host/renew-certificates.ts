import { issueMachineCertificates } from '../certs/machine-certificates';
import { ensureStoreCertificates } from '../certs/store-certificates';
import type { Logger } from '../contract/logger';
import { refreshDockerContext } from '../docker/docker-context';
import type { DockerChange } from '../provision/provision-guest';
import type { MachineStore } from '../store/machine-store';
import type { StoredMachine } from '../store/stored-machine';
import { readAuthPaths } from './host-options';
import { dockerAnswers } from './run-host';
import { setUpDocker } from './set-up-docker';

export interface RenewOptions {
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Also the store's client pair, which all machines share. */
  readonly renewClient: boolean;
}

/** Gives a running machine a new server certificate and lays its Docker configuration down again, as `create` does. */
export async function renewCertificates(
  store: MachineStore,
  machine: StoredMachine,
  { logger, signal, renewClient }: RenewOptions,
): Promise<DockerChange> {
  const driver = machine.requireDriver();
  return await machine.withLock(`hyperkit regenerate-certs ${machine.name}`, async () => {
    const address = await driver.getIP();
    const paths = readAuthPaths(machine.document, store.path, machine.folder);
    const certificates = await ensureStoreCertificates(paths, { logger, renewClient });
    const identity = { machineName: machine.name, address };
    const credentials = await issueMachineCertificates(certificates, identity, machine.folder, paths);
    await refreshDockerContext(machine.name, await driver.getURL(), store.path, machine.folder);
    const change = await setUpDocker(machine, credentials, signal);
    await dockerAnswers(store, machine, signal);
    await machine.save();
    return change;
  });
}
