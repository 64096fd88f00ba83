import type { ServerCredentials } from '../certs/machine-certificates';
import { GUEST_FILES } from './engine-profile';

/** Statuses of the script that mean something of their own. */
export const SCRIPT_STATUS = { notBoot2docker: 64, dockerFailed: 65 } as const;

/** What the guest is to become. */
export interface GuestSetup {
  readonly machineName: string;
  readonly credentials: ServerCredentials;
  /** Content of /var/lib/boot2docker/profile. */
  readonly profile: string;
}

/**
 * The script that root's shell in the guest runs, from its standard input: so no key is ever on a command line.
 *
 * It leaves what docker-machine's boot2docker provisioner leaves, in one go, and then brings Docker to it. Our guest has
 * a word of its own for that, which does the least that is needed; any other guest gets docker-machine's stop and start.
 * Its last line says what was done: `docker: unchanged`, `reloaded`, `started` or `restarted`.
 */
export function guestScript(setup: GuestSetup): string {
  const { machineName, credentials, profile } = setup;
  return `
set -eu
cd /
grep -q '^ID=boot2docker' /etc/os-release || exit ${SCRIPT_STATUS.notBoot2docker}

put() (
    umask 077
    cat >"$1.new"
    chmod "$2" "$1.new"
    mv "$1.new" "$1"
)
mkdir -p /var/lib/boot2docker/etc
${putFile(GUEST_FILES.ca, '644', credentials.caPem)}
${putFile(GUEST_FILES.certificate, '644', credentials.certificatePem)}
${putFile(GUEST_FILES.key, '600', credentials.keyPem)}
${putFile(GUEST_FILES.profile, '644', profile)}
${putFile(GUEST_FILES.hostname, '644', `${machineName}\n`)}
[ "$(hostname)" = ${machineName} ] || /usr/bin/sethostname ${machineName}
exec </dev/null

say() { echo "docker: $1"; exit 0; }
init=/etc/init.d/docker
run_init() { $init "$1" || exit ${SCRIPT_STATUS.dockerFailed}; }
restart_docker() {
    run_init stop
    if ip link show docker0 >/dev/null 2>&1; then ip link delete docker0 || :; fi
    run_init start
    say restarted
}

grep -qs 'adapt|' $init || restart_docker
change=$($init adapt) || exit ${SCRIPT_STATUS.dockerFailed}
say "$change"
`;
}

function putFile(file: string, mode: string, content: string): string {
  const body = content.endsWith('\n') ? content : `${content}\n`;
  return `put ${file} ${mode} <<'END-OF-FILE'\n${body}END-OF-FILE`;
}
