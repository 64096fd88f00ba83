import type { MachineDriver } from '../contract/machine-driver';

/** Where a machine's SSH server answers, and who logs in with which key. */
export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private key in PEM form, readable by its owner only. */
  readonly keyPath: string;
}

/** `docker@127.64.1.2:22`, for messages. */
export function formatTarget({ host, port, user }: SshTarget): string {
  return `${user}@${host}:${port}`;
}

/** Where a machine's driver says that its SSH server is. */
export async function targetOfMachine(
  driver: Pick<MachineDriver, 'getSSHHostname' | 'getSSHPort' | 'getSSHUsername' | 'getSSHKeyPath'>,
): Promise<SshTarget> {
  return {
    host: await driver.getSSHHostname(),
    port: await driver.getSSHPort(),
    user: await driver.getSSHUsername(),
    keyPath: await driver.getSSHKeyPath(),
  };
}
