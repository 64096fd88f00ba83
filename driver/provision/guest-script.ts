import type { ServerCredentials } from '../certs/machine-certificates';
import { type EngineProfile, GUEST_FILES } from './engine-profile';

/** Statuses of the script that mean something of their own. */
export const SCRIPT_STATUS = { notBoot2docker: 64, dockerFailed: 65 } as const;

/** What the guest is to become. */
export interface GuestSetup {
  readonly machineName: string;
  readonly credentials: ServerCredentials;
  readonly profile: EngineProfile;
  readonly dockerPort: number;
}

/**
 * The script that root's shell in the guest runs, from its standard input: so no key is ever on a command line.
 *
 * It leaves what docker-machine's boot2docker provisioner leaves, in one go, and then brings Docker to it with the least
 * that is needed. Our guest's dockerd has no TLS of its own, a front has, and most of its options can be changed while
 * it runs; so only the front is started anew. Any other guest gets docker-machine's stop and start. Its last line says
 * what was done: `docker: unchanged`, `reloaded`, `started` or `restarted`.
 */
export function guestScript(setup: GuestSetup): string {
  const { machineName, credentials, profile, dockerPort } = setup;
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
${putFile(GUEST_FILES.profile, '644', profile.text)}
${putFile(GUEST_FILES.hostname, '644', `${machineName}\n`)}
[ "$(hostname)" = ${machineName} ] || /usr/bin/sethostname ${machineName}
exec </dev/null

say() { echo "docker: $1"; exit 0; }
run_init() { /etc/init.d/docker "$1" || exit ${SCRIPT_STATUS.dockerFailed}; }
restart_docker() {
    run_init stop
    if ip link show docker0 >/dev/null 2>&1; then ip link delete docker0 || :; fi
    run_init start
    say restarted
}

front=/usr/lib/boot2docker/docker-front
[ -x $front ] && command -v flock >/dev/null || restart_docker

# The boot may be starting Docker just now; it holds this lock until it is done.
exec 9>/run/docker.lock
flock -w 120 9
daemon=$(cat /run/docker.process 2>/dev/null || :)
if [ -z "$daemon" ] || [ "$(cat "/proc/$daemon/comm" 2>/dev/null)" != dockerd ]; then
    # Whoever starts it reads the new profile: we, or the boot, which then has been faster.
    exec 9>&-
    /etc/init.d/docker start >/dev/null 2>&1 || /etc/init.d/docker status >/dev/null || exit ${SCRIPT_STATUS.dockerFailed}
    say started
fi

info() { curl -sf --max-time 20 --unix-socket /run/docker.sock http://docker/info; }
wanted=${quote(`${profile.words.join(' ')} `)}
has=$(tr '\\0' '\\n' <"/proc/$daemon/cmdline" | sed '1,/^\\/run\\/containerd\\/containerd.sock$/d' | tr '\\n' ' ')
reloadable=${quote(profile.reloadable === undefined ? '' : JSON.stringify(profile.reloadable))}
word=unchanged
if [ "$has" != "$wanted" ]; then
    [ -z "$has" ] && [ -n "$reloadable" ] && [ ! -e /etc/docker/daemon.json ] &&
        info | grep -q '"Driver":"${profile.storageDriver}"' || { exec 9>&-; restart_docker; }
    # The file is for this SIGHUP only: at the next start the profile says the same as options, and dockerd refuses to
    # have both. So it lies in memory: a guest that loses its power now comes back without it.
    mkdir -p /etc/docker
    printf '%s' "$reloadable" >/run/daemon.json
    ln -sf /run/daemon.json /etc/docker/daemon.json
    kill -HUP "$daemon"
    tries=0
    until info | grep -qF ${quote(lastLabel(profile))}; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || { rm -f /etc/docker/daemon.json; exec 9>&-; restart_docker; }
        sleep 0.1
    done
    rm -f /etc/docker/daemon.json
    word=reloaded
fi
CACERT=${GUEST_FILES.ca} SERVERCERT=${GUEST_FILES.certificate} SERVERKEY=${GUEST_FILES.key} DOCKER_TLS=auto \\
    MIN_API=$(cat /run/docker.min-api 2>/dev/null || echo 1.24) $front start 0.0.0.0:${dockerPort} 9>&- ||
    exit ${SCRIPT_STATUS.dockerFailed}
say $word
`;
}

function putFile(file: string, mode: string, content: string): string {
  const body = content.endsWith('\n') ? content : `${content}\n`;
  return `put ${file} ${mode} <<'END-OF-FILE'\n${body}END-OF-FILE`;
}

/** What dockerd's own account of its labels contains once they are taken over. */
function lastLabel(profile: EngineProfile): string {
  const { labels = [] } = (profile.reloadable ?? {}) as { readonly labels?: readonly string[] };
  return JSON.stringify(labels.at(-1) ?? '');
}

/** One word for the shell, whatever is in it. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
