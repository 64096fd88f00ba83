import { DriverError } from '../errors';
import type { SshConnection } from '../ssh/ssh-connection';
import { type GuestSetup, guestScript, SCRIPT_STATUS } from './guest-script';

/** A restart of dockerd under emulation took 40 s at worst; containers are given 10 s to end. */
const DEADLINE_MS = 300_000;
const LAST_WORDS_LINES = 8;

/** What became of the guest's Docker. */
export type DockerChange = 'unchanged' | 'reloaded' | 'started' | 'restarted';

/**
 * Gives a guest its name, its certificates and its Docker configuration, by one command over one connection.
 * @throws DriverError HK_PROVISION_FAILED with the guest's last words; what the connection throws
 */
export async function provisionGuest(connection: Pick<SshConnection, 'run'>, setup: GuestSetup): Promise<DockerChange> {
  const { code, stdout, stderr } = await connection.run('sudo -n /bin/sh -s', {
    stdin: guestScript(setup),
    deadlineMs: DEADLINE_MS,
  });
  const change = /^docker: (unchanged|reloaded|started|restarted)$/m.exec(stdout)?.[1];
  if (code === 0 && change !== undefined) return change as DockerChange;
  throw failure(setup.machineName, code, `${stdout}${stderr}`);
}

function failure(machineName: string, code: number | null, said: string): DriverError {
  const lines = said.trim().split('\n').slice(-LAST_WORDS_LINES);
  const reason =
    code === SCRIPT_STATUS.notBoot2docker
      ? 'its system is not boot2docker; create the machine from a boot2docker-compatible ISO'
      : code === SCRIPT_STATUS.dockerFailed
        ? 'its Docker does not start with these options; the guest says:'
        : `the set-up ended with status ${code}; the guest says:`;
  return new DriverError(
    'HK_PROVISION_FAILED',
    [`cannot set up machine "${machineName}": ${reason}`, ...lines].join('\n  '),
  );
}
