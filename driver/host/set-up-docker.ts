import type { ServerCredentials } from '../certs/machine-certificates';
import { engineProfile } from '../provision/engine-profile';
import { type DockerChange, provisionGuest } from '../provision/provision-guest';
import { openSshConnection } from '../ssh/open-connection';
import type { StoredMachine } from '../store/stored-machine';
import { readEngineWishes } from './host-options';

/** The guest's SSH server has greeted before; what remains is a login. */
const LOGIN_DEADLINE_MS = 60_000;

/**
 * Gives a running machine's Docker its credentials and its options, over one SSH connection.
 * @throws DriverError HK_PROVISION_FAILED, or what the connection fails with
 */
export async function setUpDocker(
  machine: StoredMachine,
  credentials: ServerCredentials,
  signal: AbortSignal,
): Promise<DockerChange> {
  const driver = machine.requireDriver();
  const target = {
    host: await driver.getSSHHostname(),
    port: await driver.getSSHPort(),
    user: await driver.getSSHUsername(),
    keyPath: await driver.getSSHKeyPath(),
  };
  const dockerPort = Number(new URL(await driver.getURL()).port);
  const profile = engineProfile(readEngineWishes(machine.document), driver.driverName(), dockerPort);
  const connection = await openSshConnection(target, { deadlineMs: LOGIN_DEADLINE_MS, signal });
  const onAbort = (): void => connection.close();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await provisionGuest(connection, { machineName: machine.name, credentials, profile });
  } finally {
    signal.removeEventListener('abort', onAbort);
    connection.close();
  }
}
