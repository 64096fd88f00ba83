# One virtual machine at a time: its disk, start, SSH, end. Sourced by check.

qemu_pid=''

# An address of our own in 127.64.0.0/10, so that the guest's ports are free.
address=127.64.$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1))
ssh_port=2222

prepare_vm() {
    ssh-keygen -q -t rsa -b 2048 -N '' -C check -f "$work/id_rsa"
    xorriso -osirrox on -indev "$iso" -extract /boot "$work/boot" -extract /isolinux/isolinux.cfg "$work/isolinux.cfg" \
        >/dev/null 2>&1
    chmod -R u+w "$work/boot"
    # docker-machine's old drivers find the arguments with this expression.
    append=$(grep -oP '(?:\t|\s{2})append\s+\K[[:print:]]+' "$work/isolinux.cfg")
}

# make_disk FILE [empty]: the disk as a driver makes it: an archive with the magic
# first, then holes. `empty`: without keys.
make_disk() {
    local disk=$1 dir=$work/handshake magic='boot2docker, please format-me' keys='.ssh/authorized_keys .ssh/authorized_keys2'
    [ "${2:-}" != empty ] || keys=''
    mkdir -p "$dir/.ssh"
    printf %s "$magic" >"$dir/$magic"
    chmod 0 "$dir/$magic"
    chmod 0700 "$dir/.ssh"
    install -m 0644 "$work/id_rsa.pub" "$dir/.ssh/authorized_keys"
    install -m 0644 "$work/id_rsa.pub" "$dir/.ssh/authorized_keys2"
    # shellcheck disable=SC2086 # two names
    (cd "$dir" && tar --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@0 -b 1 -cf "$disk" "$magic" $keys)
    truncate -s 20G "$disk"
}

# start_vm QEMU-ARGUMENT...: the parts every machine has, then the given ones.
start_vm() {
    rm -f "$work"/qmp.in "$work"/qmp.out "$work"/tty.in "$work"/tty.out
    mkfifo "$work/qmp.in" "$work/qmp.out" "$work/tty.in" "$work/tty.out"
    started=$(now)
    qemu-system-x86_64 -M q35 -accel "${HK_CHECK_ACCEL:-tcg,thread=multi,tb-size=512}" -cpu "${HK_CHECK_CPU:-max}" \
        -smp 2 -m 2048 -nodefaults -no-user-config -display none -vga none \
        -chardev pipe,id=qmp,path="$work/qmp" -mon chardev=qmp,mode=control \
        -chardev pipe,id=tty,path="$work/tty" -serial chardev:tty \
        -netdev "user,id=net,hostfwd=tcp:$address:$ssh_port-:22,hostfwd=tcp:$address:2376-:2376,hostfwd=tcp:$address:2375-:2375,hostfwd=tcp:$address:8080-:8080" \
        -device virtio-net-pci,netdev=net,romfile= -device virtio-rng-pci \
        "$@" >"$work/qemu.log" 2>&1 &
    qemu_pid=$!
    # Opened for both directions, so that neither open nor write ever waits.
    exec 5<>"$work/qmp.in" 6<>"$work/tty.in"
    cat "$work/qmp.out" >"$work/qmp.log" &
    readers=$!
    cat "$work/tty.out" >>"$work/serial.log" &
    readers="$readers $!"
}

alive() { [ -n "$qemu_pid" ] && kill -0 "$qemu_pid" 2>/dev/null; }

kill_vm() {
    ! alive || kill -9 "$qemu_pid" 2>/dev/null || true
    [ -z "$qemu_pid" ] || wait "$qemu_pid" 2>/dev/null || true
    # shellcheck disable=SC2086 # process numbers
    [ -z "${readers:-}" ] || kill $readers 2>/dev/null || true
    qemu_pid='' readers=''
}

press_power_button() { printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"system_powerdown"}' >&5; }

plug_in_card() { printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"device_add","arguments":{"driver":"virtio-net-pci","netdev":"late","bus":"hot","id":"card"}}' >&5; }

# wait_end SECONDS: until QEMU has ended by itself.
wait_end() {
    local deadline=$((SECONDS + $1))
    while alive; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
    wait "$qemu_pid" 2>/dev/null || true
    kill_vm
}

# The options docker-machine gives to ssh.
ssh_options=(-F /dev/null -o ConnectionAttempts=3 -o ConnectTimeout=10 -o ControlMaster=no -o ControlPath=none
    -o LogLevel=quiet -o PasswordAuthentication=no -o ServerAliveInterval=60 -o StrictHostKeyChecking=no
    -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes)

# guest COMMAND: as docker-machine runs it, with a deadline.
guest() { timeout "${guest_timeout:-90}" ssh "${ssh_options[@]}" "docker@$address" -i "$work/id_rsa" -p $ssh_port "$@" </dev/null; }

wait_ssh() {
    local deadline=$((SECONDS + $1))
    until timeout 10 ssh "${ssh_options[@]}" -o ConnectionAttempts=1 "docker@$address" -i "$work/id_rsa" -p $ssh_port 'exit 0' </dev/null 2>/dev/null; do
        alive && [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# wait_tls SECONDS: until the Docker port finishes a TLS handshake (TLS 1.2, in
# which the server asks for our certificate before it says anything more).
wait_tls() {
    local deadline=$((SECONDS + $1))
    until timeout 10 openssl s_client -connect "$address:2376" </dev/null 2>/dev/null | grep -q 'BEGIN CERTIFICATE'; do
        alive && [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# console COMMAND: runs it on the serial console's shell; the answer is in
# serial.log.
console() { printf '%s\n' "$1" >&6; }

# wait_console SECONDS PATTERN: until serial.log has it.
wait_console() {
    local deadline=$((SECONDS + $1))
    until grep -qaE -- "$2" "$work/serial.log" 2>/dev/null; do
        alive && [ $SECONDS -lt $deadline ] || return 1
        sleep 0.2
    done
}
