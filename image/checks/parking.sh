# Stop and start without the cost of dockerd's restart, and the cases in which
# it must be paid. Sourced by check.

init() { guest "sudo /etc/init.d/docker $1"; }

# keeps NAME COMMAND...: the command succeeds and dockerd is the same as before.
keeps() {
    local name=$1 before
    shift
    before=$(dockerd_process)
    ok "$name" "$@"
    gives "$name: dockerd has not restarted" "^$before\$" dockerd_process
}

# renews NAME COMMAND...: the command succeeds and dockerd is a new one.
renews() {
    local name=$1 before after
    shift
    before=$(dockerd_process)
    ok "$name" "$@"
    after=$(dockerd_process)
    if [ "$after" != gone ] && [ "$after" != "$before" ]; then pass "$name: dockerd has restarted"; else fail "$name: dockerd has restarted" "$before" "$after"; fi
}

stop_and_start() { init stop && guest "${1:-true}" && init start; }

check_parking() {
    guest 'sudo cp /var/lib/boot2docker/profile /var/lib/boot2docker/profile.kept'
    default_profile
    renews "back to docker-machine's defaults" stop_and_start
    ok 'stop without containers' init stop
    refuses 'status when stopped' init status
    gives 'docker info when stopped' 'Cannot connect' guest 'docker info 2>&1'
    gives 'nothing on 2376 when stopped' '^closed$' guest 'netstat -tln | grep -q :2376 || echo closed'
    refuses 'reload when stopped' init reload
    ok 'stop when stopped' init stop
    keeps 'restart when stopped' init restart
    gives 'API after it' '^OK$' api /_ping
    refuses 'nothing waits to end dockerd' guest 'pgrep -f "[d]ocker expire"'
    default_profile '--label check=yes' '--registry-mirror http://127.0.0.1:5000'
    keeps 'new labels and mirrors' stop_and_start
    gives 'dockerd has them' '"Labels":\[[^]]*"check=yes"' api /info
    gives 'and the mirror' '"Mirrors":\["http://127.0.0.1:5000/"\]' api /info
    gives 'adapt finds nothing to do' '^unchanged$' init adapt
    default_profile
    gives 'adapt takes them away' '^reloaded$' init adapt
    gives 'dockerd lacks them' '"Labels":\["provider=hyperkit"\]' api /info
    renews 'rules of iptables that are gone while it is stopped' stop_and_start 'sudo iptables -F'
    renews 'dockerd that died while it was stopped' stop_and_start 'sudo pkill -9 -x dockerd; sleep 1'
    default_profile '--debug'
    renews 'another option' stop_and_start
    guest "printf '\\nexport A=b\\n' | sudo tee -a /var/lib/boot2docker/profile" >/dev/null
    gives 'adapt to another environment' '^restarted$' init adapt
    renews 'restart' init restart
    check_no_parking
    check_template
    guest 'sudo mv /var/lib/boot2docker/profile.kept /var/lib/boot2docker/profile'
    ok 'restart with the profile of before' init restart
}

check_no_parking() {
    guest 'docker run -d --name parked busybox sleep 1000000' >/dev/null
    ok 'stop with a container' init stop
    gives 'it ends dockerd' '^gone$' dockerd_process
    ok 'start' init start
    guest 'docker rm -f parked; nohup docker events >/dev/null 2>&1 & sleep 3' >/dev/null
    ok 'stop with a client in the guest' init stop
    gives 'it ends dockerd, too' '^gone$' dockerd_process
    ok 'start again' init start
    ok 'stop for long' init stop
    gives 'it ends dockerd after a while' '^gone$' guest 'for i in $(seq 80); do pgrep -x dockerd >/dev/null || break; sleep 1; done; pgrep -x dockerd || echo gone'
    gives 'and leaves its bridge' 'docker0' guest 'sudo flock /run/docker.lock ip link show docker0'
    ok 'start after it' init start
}

check_template() {
    guest 'sudo touch /run/template'
    ok 'restart in a template' init restart
    gives 'no port there' '^closed$' guest 'netstat -tln | grep -q :2376 || echo closed'
    gives 'but Docker' 'provider=hyperkit' guest 'docker info'
    guest 'sudo rm /run/template'
    keeps 'front' init front
    gives 'API through it' '^OK$' api /_ping
}

# disk_is_clean FILE: its first partition, of ext4, was unmounted.
disk_is_clean() {
    local start block state incompatible
    start=$(od -An -tu8 -j 1056 -N 8 "$1")
    block=$((start * 512 + 1024))
    state=$(od -An -tu2 -j $((block + 58)) -N 2 "$1")
    incompatible=$(od -An -tu4 -j $((block + 96)) -N 4 "$1")
    [ $((state)) -eq 1 ] && [ $((incompatible & 4)) -eq 0 ]
}
