# docker-machine's provisioning, command by command. Sourced by check.

# make_certificates: CA, server and client pairs as docker-machine makes them.
make_certificates() {
    local dir=$work/certs
    mkdir -p "$dir"
    cd "$dir"
    openssl req -x509 -newkey rsa:2048 -nodes -days 1080 -subj "/O=check" -keyout ca-key.pem -out ca.pem 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -subj "/O=check.machine" -keyout server-key.pem -out server.csr 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -subj "/O=check.<bootstrap>" -keyout key.pem -out client.csr 2>/dev/null
    printf 'subjectAltName=IP:%s,DNS:localhost\nextendedKeyUsage=serverAuth\n' "$address" >server.ext
    printf 'extendedKeyUsage=clientAuth\n' >client.ext
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 1080 -extfile server.ext -out server.pem 2>/dev/null
    openssl x509 -req -in client.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 1080 -extfile client.ext -out cert.pem 2>/dev/null
    # A stranger's certificate.
    openssl req -x509 -newkey rsa:2048 -nodes -days 10 -subj "/O=stranger" -keyout bad-key.pem -out bad.pem 2>/dev/null
    cd - >/dev/null
}

listening='if ! type netstat 1>/dev/null; then ss -tln; else netstat -tln; fi'

# wait_listening: docker-machine's check, ten times three seconds, but with
# shorter pauses.
wait_listening() {
    local try
    for try in $(seq 30); do
        ! guest "$listening" 2>/dev/null | grep -qE ":${1:-2376}[[:space:]]+.*:.*" || return 0
        sleep 1
    done
    return 1
}

write_file() { guest "printf '%s' '$(cat "$1")' | sudo tee $2" >/dev/null; }

# profile_of LINE...: as docker-machine writes it where the user wants nothing,
# with the given lines among dockerd's options.
profile_of() {
    printf '%s\n' '' "EXTRA_ARGS='" "$@" '--label provider=hyperkit' '' "'" \
        CACERT=/var/lib/boot2docker/ca.pem \
        "DOCKER_HOST='-H tcp://0.0.0.0:2376'" \
        DOCKER_STORAGE=overlay2 \
        DOCKER_TLS=auto \
        SERVERKEY=/var/lib/boot2docker/server-key.pem \
        SERVERCERT=/var/lib/boot2docker/server.pem ''
}

default_profile() { write_profile "$(profile_of "$@")"; }

# Words and an environment that are not the defaults.
full_profile() {
    profile_of '--label check=yes' '--insecure-registry 10.1.2.3:5000'
    printf '%s\n' 'export \"HTTP_PROXY=http://127.0.0.1:9\"' 'export \"NO_PROXY=localhost,127.0.0.1\"' ''
}

write_profile() { guest "sudo mkdir -p /var/lib/boot2docker && printf %s \"$1\" | sudo tee /var/lib/boot2docker/profile" >/dev/null; }

provision() {
    local name=check-machine start booted
    gives 'os-release has ID=boot2docker' '^ID=boot2docker$' guest 'cat /etc/os-release'
    ok 'sethostname' guest "sudo /usr/bin/sethostname $name && echo \"$name\" | sudo tee /var/lib/boot2docker/etc/hostname"
    ok '2376 listens before provisioning' wait_listening
    ok 'mkdir' guest 'sudo mkdir -p /var/lib/boot2docker'
    booted=$(dockerd_process)
    start=$(now)
    ok 'docker stop' guest 'sudo /etc/init.d/docker stop'
    note "docker stop took $(since "$start") s"
    gives '2376 is closed after stop' '^closed$' guest 'netstat -tln | grep -q :2376 || echo closed'
    refuses 'status after stop' guest 'sudo /etc/init.d/docker status'
    ok 'docker0 can be deleted' guest 'if [ ! -z "$(ip link show docker0)" ]; then sudo ip link delete docker0; fi'
    write_file "$work/certs/ca.pem" /var/lib/boot2docker/ca.pem
    write_file "$work/certs/server.pem" /var/lib/boot2docker/server.pem
    write_file "$work/certs/server-key.pem" /var/lib/boot2docker/server-key.pem
    default_profile
    start_docker
    gives 'the dockerd of the boot has lived on' "^$booted\$" dockerd_process
    gives 'API with the certificates' '^OK$' api /_ping
    gives 'storage driver and label' '"Driver":"overlay2".*"Labels":\["provider=hyperkit"\]' api /info
    ok 'docker stop again' guest 'sudo /etc/init.d/docker stop'
    write_profile "$(full_profile)"
    start_docker
    refuses 'other options have restarted dockerd' test "$booted" = "$(dockerd_process)"
}

start_docker() {
    local start
    start=$(now)
    ok 'docker start' guest 'sudo /etc/init.d/docker start'
    ok '2376 listens after provisioning' wait_listening
    note "docker start until 2376 listens took $(since "$start") s"
}

dockerd_process() { guest 'pgrep -x dockerd || echo gone'; }
