# Docker over TLS, through the front. Sourced by check.

api() {
    local path=$1
    shift
    timeout 60 curl -sS --cacert "$work/certs/ca.pem" --cert "$work/certs/cert.pem" --key "$work/certs/key.pem" "$@" "https://$address:2376$path"
}

# docker from here when it is installed, by TLS; else this part is skipped.
dock() {
    # --foreground: in a process group of its own docker could not use a terminal.
    timeout --foreground "${dock_timeout:-120}" docker -H "tcp://$address:2376" --tlsverify --tlscacert "$work/certs/ca.pem" \
        --tlscert "$work/certs/cert.pem" --tlskey "$work/certs/key.pem" "$@"
}

# Timers of the front; its watchdog would have one for each thread.
front_timers='sudo cat /proc/$(sudo cat /run/docker-front/pid)/timers | wc -l'

check_docker() {
    gives 'API 1.15 as docker-machine asks for it' '"ApiVersion"' api /v1.15/version
    gives 'oldest API is the one the front was made for' '"MinAPIVersion":"1.24"' api /version
    gives 'API 1.24' '"ApiVersion"' api /v1.24/version
    gives 'API without a version' '^OK$' api /_ping
    refuses 'no client certificate, no API' timeout 30 curl -sS --cacert "$work/certs/ca.pem" "https://$address:2376/version"
    refuses "a stranger's certificate, no API" timeout 30 curl -sS --cacert "$work/certs/ca.pem" --cert "$work/certs/bad.pem" --key "$work/certs/bad-key.pem" "https://$address:2376/version"
    gives 'BuildKit session is upgraded to HTTP/2' '101 Switching' h2c_session
    gives 'no watchdog that kills the front when the host is busy' '^0$' guest "$front_timers"
    gives 'labels' 'provider=hyperkit' api /info
    gives 'storage driver' '"Driver":"overlay2"' api /info
    gives 'proxy of the profile' '"HttpProxy":"http://127.0.0.1:9"' api /info
    gives 'no warnings' '"Warnings":(null|\[\])' api /info
    gives "dockerd's environment, as docker-machine's tests read it" 'NO_PROXY=localhost' guest 'sudo cat /proc/$(pgrep -f $(which dockerd))/environ | tr "\0" "\n"'
    refuses 'start when running fails' guest 'sudo /etc/init.d/docker start'
    ok 'status' guest 'sudo /etc/init.d/docker status'
    gives 'load' 'busybox' api /images/load -X POST -H 'Content-Type: application/x-tar' --data-binary "@$busybox"
    if ! command -v docker >/dev/null; then
        note 'no docker command here: the rest of the Docker checks is left out'
        guest 'docker run --rm busybox true'
        return 0
    fi
    local start
    start=$(now)
    gives 'run' '^hello$' dock run --rm busybox echo hello
    note "docker run took $(since "$start") s"
    gives 'run -i ends with its input' '^hi$' run_with_input
    gives 'run -it' '^check.?$' run_with_terminal
    ok 'published port' check_port
    gives 'exec' '^inside$' with_container dock exec box echo inside
    gives 'exec -i' '^piped$' with_container exec_with_input
    gives 'logs -f' '^3$' check_logs
    gives 'events after silence' 'container create' check_events
    gives 'attach' '^attached$' check_attach
    ok 'classic build' check_build
    ok 'cp, save and load of 200 MB' check_bulk
    gives 'memory limit' '^50331648$' dock run --rm -m 48m busybox cat /sys/fs/cgroup/memory.max
    gives 'container resolves and forwards' '^ok$' dock run --rm busybox sh -c 'ip route | grep -q default && echo ok'
    dock rm -f box >/dev/null 2>&1 || true
}

h2c_session() {
    { printf 'POST /session HTTP/1.1\r\nHost: check\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nX-Docker-Expose-Session-Uuid: check\r\nX-Docker-Expose-Session-Name: check\r\nX-Docker-Expose-Session-Sharedkey: check\r\n\r\n'; sleep 3; } |
        timeout 20 openssl s_client -quiet -connect "$address:2376" -CAfile "$work/certs/ca.pem" -cert "$work/certs/cert.pem" -key "$work/certs/key.pem" 2>/dev/null | head -c 200 | tr -d '\0'
}

run_with_input() { echo hi | dock run --rm -i busybox cat; }
# script gives the command a terminal; its input must stay open and silent.
run_with_terminal() {
    sleep 40 | timeout --foreground 90 script -qec "$(declare -p work address); $(declare -f dock); dock run --rm -it busybox echo check" /dev/null
}

with_container() {
    [ -n "$(dock ps -q -f name=^box$)" ] || dock run -d --name box busybox sleep 1000000 >/dev/null
    "$@"
}

exec_with_input() { echo piped | dock exec -i box cat; }

check_port() {
    local try
    dock run -d --name web -p 8080:80 busybox sh -c 'mkdir /w && echo served >/w/index.html && httpd -f -h /w' >/dev/null
    for try in 1 2 3 4 5 6 7 8 9 10; do
        ! curl -s -m 5 "http://$address:8080/" | grep -q served || { dock rm -f web >/dev/null; return 0; }
        sleep 1
    done
    return 1
}

check_logs() {
    dock run -d --name log busybox sh -c 'for i in 1 2 3; do echo line; sleep 1; done' >/dev/null
    dock logs -f log | wc -l
    dock rm -f log >/dev/null
}

check_events() {
    dock_timeout=25 dock events >"$work/events" &
    local events=$!
    sleep 12
    dock create --name event busybox true >/dev/null
    dock rm event >/dev/null
    wait $events || true
    cat "$work/events"
}

check_attach() {
    dock create -i --name att busybox sh -c 'read line; echo "$line"' >/dev/null
    echo attached | dock start -ai att
    dock rm -f att >/dev/null
}

check_build() {
    mkdir -p "$work/context"
    printf 'FROM busybox\nCOPY file /file\nRUN test -s /file\n' >"$work/context/Dockerfile"
    cp "$work/file" "$work/context/file"
    DOCKER_BUILDKIT=0 dock build -q -t built "$work/context" && dock run --rm built test -s /file
}

check_bulk() (
    set -e
    with_container true
    dock exec box sh -c 'head -c 100000000 /dev/urandom >/half; cat /half /half >/bulk; rm /half'
    dock cp box:/bulk "$work/bulk"
    sum=$(dock exec box sha256sum /bulk | cut -d' ' -f1)
    [ "$sum" = "$(sha256sum <"$work/bulk" | cut -d' ' -f1)" ]
    dock cp "$work/bulk" box:/again
    [ "$sum" = "$(dock exec box sha256sum /again | cut -d' ' -f1)" ]
    rm "$work/bulk"
    dock exec box rm /again
    dock commit box big >/dev/null
    dock save big -o "$work/big.tar"
    dock rmi big >/dev/null
    dock load -q -i "$work/big.tar"
    rm "$work/big.tar"
    [ "$sum" = "$(dock run --rm big sha256sum /bulk | cut -d' ' -f1)" ]
    dock rmi -f big >/dev/null
)

# Other words in the profile, and back again.
check_profiles() {
    local start
    guest 'sudo cp /var/lib/boot2docker/profile /var/lib/boot2docker/profile.kept'
    guest "printf '%s\n' '' DOCKER_TLS=no \"DOCKER_HOST='-H tcp://0.0.0.0:2375'\" | sudo tee -a /var/lib/boot2docker/profile" >/dev/null
    ok 'restart with DOCKER_TLS=no and another port' guest 'sudo /etc/init.d/docker restart'
    gives 'plain HTTP on the other port' '^OK$' timeout 30 curl -s "http://$address:2375/_ping"
    gives 'nothing on 2376' '^closed$' guest 'netstat -tln | grep -q :2376 || echo closed'
    guest 'sudo mv /var/lib/boot2docker/profile.kept /var/lib/boot2docker/profile'
    ok 'stop' guest 'sudo /etc/init.d/docker stop'
    ok 'stop when stopped' guest 'sudo /etc/init.d/docker stop'
    start=$(now)
    ok 'restart when stopped' guest 'sudo /etc/init.d/docker restart'
    note "took $(since "$start") s"
    start=$(now)
    ok 'restart when running' guest 'sudo /etc/init.d/docker restart'
    note "took $(since "$start") s"
    ok 'reload' guest 'sudo /etc/init.d/docker reload'
    gives 'API after reload' '^OK$' api /_ping
}
