# A template and its clones: saved when it is quiet, restored, each made a machine
# of its own. Sourced by check.

# The parts of a machine that can be saved: its memory in a file, `on` for the one
# whose memory it becomes, `off` for copies; the port for the identity.
identity_parts() {
    echo "-object memory-backend-file,id=ram,size=2048M,mem-path=$work/memory,share=$1 -machine memory-backend=ram" \
        "-device vmgenid,guid=auto -chardev pipe,id=identity,path=$work/identity" \
        "-device virtio-serial-pci -device virtserialport,chardev=identity,name=org.hyperkit.identity"
}

start_identity_vm() {
    local disk=$1 share=$2
    shift 2
    rm -f "$work"/identity.in "$work"/identity.out
    mkfifo "$work/identity.in" "$work/identity.out"
    exec 7<>"$work/identity.in" 8<>"$work/identity.out"
    # shellcheck disable=SC2046 # words of the command line
    start_vm -kernel "$work/boot/vmlinuz" -initrd "$work/boot/initrd.img" -append "$append" $(iso_disk) \
        -drive "if=none,id=data,file=$disk,format=raw,discard=unmap" -device virtio-blk-pci,drive=data \
        $(identity_parts "$share") "$@"
    qmp '"qmp_capabilities"'
    qmp '"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"x-ignore-shared","state":true},{"capability":"events","state":true}]}'
}

qmp() { printf '{"execute":%s}\n' "$1" >&5; }

# wait_qmp SECONDS PATTERN
wait_qmp() {
    local deadline=$((SECONDS + $1))
    until grep -qE -- "$2" "$work/qmp.log"; do
        alive && [ $SECONDS -lt $deadline ] || return 1
        sleep 0.01
    done
}

# from_guest SECONDS: the next line on the identity's port, in $line.
from_guest() { IFS= read -r -t "$1" line <&8; }

save_template() {
    local line=''
    make_disk "$work/template.raw" empty
    truncate -s 2048M "$work/memory"
    start_identity_vm "$work/template.raw" on
    from_guest 240 || true
    if [ "$line" = 'quiet 2' ]; then pass 'a template becomes quiet'; note "after $(since "$started") s"; else fail 'a template becomes quiet' "$line" "$(tail -n 20 "$work/serial.log")"; return 1; fi
    qmp "\"migrate\",\"arguments\":{\"uri\":\"exec:cat >$work/devices\"}"
    if wait_qmp 60 '"status": "completed"'; then pass 'it can be saved'; else fail 'it can be saved' "$(cat "$work/qmp.log")"; return 1; fi
    kill_vm
    note "memory $(du -m "$work/memory" | cut -f1) MB, devices $(du -k "$work/devices" | cut -f1) kB, disk $(du -m "$work/template.raw" | cut -f1) MB"
}

# make_credentials NUMBER: a clone's SSH host keys and its TLS pair, as the host makes them.
make_credentials() {
    local keys=$work/keys-$1 type
    mkdir "$keys"
    for type in ecdsa ed25519; do ssh-keygen -q -t $type -N '' -C boot2docker -f "$keys/$type"; done
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/O=Boot2Docker/CN=clone-$1" \
        -addext "subjectAltName=DNS:clone-$1,DNS:localhost,IP:127.0.0.1" -keyout "$keys/key" -out "$keys/certificate" 2>/dev/null
    cp "$keys/certificate" "$keys/ca"
    : >"$keys/profile"
}

# Clone NUMBER is a Docker host at once: docker-machine's credentials and profile.
make_docker_credentials() {
    local keys=$work/keys-$1
    make_credentials "$1"
    [ -d "$work/certs" ] || make_certificates
    cp "$work/certs/ca.pem" "$keys/ca"
    cp "$work/certs/server.pem" "$keys/certificate"
    cp "$work/certs/server-key.pem" "$keys/key"
    profile_of >"$keys/profile"
}

encoded() { base64 -w 0 "$1"; }

# identity NUMBER: what the host sends, with names and numbers that end in NUMBER.
identity() {
    local number=$1 keys=$work/keys-$1
    [ -d "$keys" ] || make_credentials "$number"
    printf '%s\n' 'identity 2' "hostname clone-$number" "machine-id $(printf '%032x' $((0xabc0 + number)))" \
        "boot-id b0070000-0000-4000-8000-00000000000$number" "engine-id e0000000-0000-4000-8000-00000000000$number" \
        "mac 02:00:00:00:00:0$number" "seed $(head -c 64 /dev/urandom | base64 -w 0)" \
        "ssh-ecdsa $(encoded "$keys/ecdsa")" "ssh-ecdsa-public $(encoded "$keys/ecdsa.pub")" \
        "ssh-ed25519 $(encoded "$keys/ed25519")" "ssh-ed25519-public $(encoded "$keys/ed25519.pub")" \
        "docker-ca $(encoded "$keys/ca")" "docker-certificate $(encoded "$keys/certificate")" \
        "docker-key $(encoded "$keys/key")" "docker-profile $(encoded "$keys/profile")" \
        "userdata $(head -c 4096 "$work/handshake.tar" | base64 -w 0)" end
}

restore_clone() {
    local number=$1
    cp --sparse=always "$work/template.raw" "$work/clone-$number.raw"
    start_identity_vm "$work/clone-$number.raw" off -incoming defer
    qmp "\"migrate-incoming\",\"arguments\":{\"uri\":\"exec:cat $work/devices\"}"
    wait_qmp 30 '"RESUME"' || return 1
    resumed=$(now)
}

# answer_guest FILE: the clock when it asks, until it says done or failed; all it
# says goes to the file.
answer_guest() {
    local line
    : >"$1"
    while from_guest 30; do
        [ "$line" != clock ] || echo "clock $EPOCHREALTIME" >&7
        echo "$line" >>"$1"
        case $line in done | failed*) return ;; esac
    done
}

# The best of ten questions over one connection: milliseconds between the clocks,
# and half of the way there and back, which is how far off that may be.
clock_error() {
    local time='' before to from
    coproc timeout 60 ssh "${ssh_options[@]}" "docker@$address" -i "$work/id_rsa" -p $ssh_port 'bash -c "while read -r _; do echo \$EPOCHREALTIME; done"'
    # A coprocess's own descriptors are closed in the loop below, which is a subshell.
    exec {to}>&"${COPROC[1]}" {from}<&"${COPROC[0]}"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        before=$EPOCHREALTIME
        echo >&"$to"
        read -r -t 30 time <&"$from"
        echo "$before $time $EPOCHREALTIME"
    done | awk '{ way = ($3 - $1) * 500; if (NR == 1 || way < best) { best = way; off = ($2 - ($1 + $3) / 2) * 1000 } } END { printf "%.1f %.1f\n", off, best }'
    exec {to}>&- {from}<&-
    kill "$COPROC_PID" 2>/dev/null || true
}

clock_is_right() {
    clock_error >"$work/clock"
    awk '{ off = $1 < 0 ? -$1 : $1; exit !(NF == 2 && off - $2 < 50) }' "$work/clock"
}

greets_with_its_keys() {
    ssh-keyscan -t ecdsa,ed25519 -p $ssh_port "$address" 2>/dev/null | cut -d' ' -f2,3 | sort >"$work/greeting"
    cut -d' ' -f1,2 "$work/keys-$1"/e*.pub | sort | cmp "$work/greeting" -
}

# What no two machines may have in common, one per line.
marks='hostname
cat /etc/machine-id /proc/sys/kernel/random/boot_id /sys/class/net/eth0/address
cat /var/lib/boot2docker/ssh/*.pub
sudo cat /var/lib/boot2docker/ssh/*_key | sha256sum
sudo sha256sum /run/docker-front/server.pem.key
docker info --format "{{.ID}}"
docker info --format "{{.Name}}"
sudo cat /var/lib/docker/engine-id; echo
sudo blkid -s UUID -o value $(sudo blkid -L boot2docker-data)
ip -6 -o addr show dev eth0 scope link | grep -o "fe80[^ ]*"
head -c 32 /dev/urandom | base64
docker network create --label mark x
sudo umount /proc/sys/kernel/random/boot_id && cat /proc/sys/kernel/random/boot_id'

check_clone() {
    local number=$1 said=$work/said-$1
    if restore_clone "$number"; then pass "clone $number resumes"; else fail "clone $number resumes" "$(cat "$work/qmp.log" "$work/qemu.log")"; return 1; fi
    identity "$number" >&7
    answer_guest "$said"
    if grep -qx 'done' "$said"; then pass 'it is a machine of its own'; note "from its first turn to that: $(since "$resumed") s"; else fail 'it is a machine of its own' "$(cat "$said")"; return 1; fi
    if wait_server_hello 60 >"$work/hello-$number"; then pass 'TLS answers'; note "after $(since "$resumed") s"; else fail 'TLS answers'; fi
    if wait_ssh 60; then pass 'SSH answers'; note "after $(since "$resumed") s"; else fail 'SSH answers'; return 1; fi
    guest 'cat /run/boot.log' | sed 's/^/          /'
    ok 'its clock is right within 50 ms' clock_is_right
    note "it is off by $(tr ' ' '/' <"$work/clock") ms / half of the way there and back"
    gives 'it has the name it was given' "^clone-$number\$" guest hostname
    gives "its engine tells the id it was given" "^e0000000-0000-4000-8000-00000000000$number\$" guest 'docker info --format "{{.ID}}"'
    gives 'it has the boot id it was given' "^b0070000.*$number\$" guest 'cat /proc/sys/kernel/random/boot_id'
    gives 'it has the MAC it was given' "^02:00:00:00:00:0$number\$" guest 'cat /sys/class/net/eth0/address'
    ok 'it greets with the host keys it was given' greets_with_its_keys "$number"
    ok 'its console logs in' wait_console 60 "clone-$number ttyS0"
    ok 'its clock is kept right' guest 'for i in $(seq 60); do pgrep -x chronyd && exit; sleep 0.5; done; exit 1'
    ok 'its lease is kept' guest 'sudo kill -0 $(cat /run/udhcpc.eth0.pid)'
    guest "$marks" >"$work/marks-$number"
    cat "$work/hello-$number" >>"$work/marks-$number"
    sed -n 's/^fact //p' "$said" >>"$work/marks-$number"
}

# wait_server_hello SECONDS: the random number and the key share (X25519's) of the first
# answer that the Docker port gives to anybody.
wait_server_hello() {
    local deadline=$((SECONDS + $1)) said hello
    while [ $SECONDS -lt $deadline ]; do
        said=$(timeout 10 openssl s_client -connect "$address:2376" -tls1_3 -groups X25519 -msg </dev/null 2>/dev/null) || true
        hello=$(sed -n '/^<<<.*ServerHello/,/^[<>]/{/^ /p}' <<<"$said" | tr -d ' \n')
        if [ ${#hello} -gt 140 ]; then
            echo "${hello:12:64}"
            echo "${hello: -64}"
            return
        fi
        sleep 0.05
    done
    return 1
}

# The processes of dockerd and of the TLS front.
servers='echo $(cat /run/docker.process; sudo cat /run/docker-front/pid)'

# With the credentials of a Docker host nothing is left to be done.
check_docker_host() {
    local before
    gives 'its Docker lets its client in at once' '^[0-9]' dock version --format '{{.Server.Version}}'
    gives 'without a watchdog in front of it' '^0$' guest "$front_timers"
    before=$(guest "$servers")
    gives 'its Docker is what its profile says' '^unchanged$' guest 'sudo /etc/init.d/docker adapt'
    gives 'files are where docker-machine puts them' '^644 644 600 644$' guest "cd /var/lib/boot2docker; stat -c %a ca.pem server.pem server-key.pem profile | xargs"
    gives 'and its processes are the same' "^$before\$" guest "$servers"
}

# A word that is not well formed: nothing is applied.
check_refusal() {
    local said=$work/said-refusal
    restore_clone 3 || { fail 'clone 3 resumes' "$(cat "$work/qmp.log" "$work/qemu.log")"; return 0; }
    identity 3 | sed 's/^mac .*/mac 01:00:00:00:00:03/' >&7
    answer_guest "$said"
    gives 'a MAC for groups is refused' "^failed the host's mac is not well formed\$" cat "$said"
    refuses 'and nobody can log in' timeout 10 ssh "${ssh_options[@]}" -o ConnectionAttempts=1 "docker@$address" -i "$work/id_rsa" -p $ssh_port true
    kill_vm
}

# Another profile than the one that dockerd runs with.
check_other_profile() {
    local said=$work/said-profile
    make_docker_credentials 4
    profile_of '--label other=yes' >"$work/keys-4/profile"
    restore_clone 4 || { fail 'clone 4 resumes' "$(cat "$work/qmp.log" "$work/qemu.log")"; return 0; }
    identity 4 >&7
    answer_guest "$said"
    gives 'a profile that needs another start of Docker is refused' '^failed Docker runs with another profile' cat "$said"
    kill_vm
}

lasting_marks='hostname; cat /etc/machine-id; cat /var/lib/boot2docker/ssh/*.pub; docker info --format "{{.ID}}"; sudo blkid -s UUID -o value $(sudo blkid -L boot2docker-data)'

# The second clone, as its next start finds it: without the port.
check_cold_clone() {
    # shellcheck disable=SC2046
    start_vm -kernel "$work/boot/vmlinuz" -initrd "$work/boot/initrd.img" -append "$append" $(iso_disk) \
        -drive "if=none,id=data,file=$work/clone-2.raw,format=raw,discard=unmap" -device virtio-blk-pci,drive=data
    report_times 'a clone, started cold'
    ok 'it is the same machine' cmp "$work/lasting" <(guest "$lasting_marks")
    kill_vm
}

check_identity() {
    local number
    tar -cf "$work/handshake.tar" -T /dev/null
    make_disk "$work/any.raw"
    head -c 4096 "$work/any.raw" >"$work/handshake.tar"
    save_template || return 0
    make_docker_credentials 2
    for number in 1 2; do
        check_clone "$number" || { kill_vm; return 0; }
        [ "$number" = 2 ] || kill_vm
    done
    gives 'two clones have nothing in common' '^$' comm -12 <(sort "$work/marks-1") <(sort "$work/marks-2")
    check_docker_host
    guest "$lasting_marks" >"$work/lasting"
    end_by_power_button
    check_cold_clone
    check_refusal
    check_other_profile
    check_moved_engine
}
