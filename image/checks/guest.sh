# The boots and what holds for the guest itself. Sourced by check.

iso_disk() { echo "-drive if=none,id=iso,file=$iso,format=raw,readonly=on -device virtio-blk-pci,drive=iso"; }
data_disk() { echo "-drive if=none,id=data,file=$work/disk.raw,format=raw,discard=unmap -device virtio-blk-pci,drive=data"; }

report_times() {
    if wait_ssh 180; then pass "SSH answers ($1)"; note "SSH after $(since "$started") s"; else fail "SSH answers ($1)" "$(tail -n 20 "$work/serial.log")"; summary; exit 1; fi
    if wait_tls 180; then pass "TLS answers on 2376 ($1)"; note "TLS on 2376 after $(since "$started") s"; else fail "TLS answers on 2376 ($1)" "$(guest 'cat /run/boot.log; sudo tail /var/lib/boot2docker/log/*.log' 2>&1)"; fi
}

# Kernel and initramfs as a driver starts them, the ISO as a disk, a fresh disk.
check_first_boot() {
    make_disk "$work/disk.raw"
    make_certificates
    # shellcheck disable=SC2046 # words of the command line
    start_vm -kernel "$work/boot/vmlinuz" -initrd "$work/boot/initrd.img" -append "$append" $(iso_disk) $(data_disk)
    report_times 'kernel started directly, ISO as virtio disk'
    guest 'cat /run/boot.log' | sed 's/^/          /'
    check_login
    provision
    check_guest
    check_docker
    check_parking
    check_profiles
    guest "printf '#!/bin/sh\n[ ! -S /run/docker.sock ] && date >/tmp/bootsync-ran\n' | sudo tee /var/lib/boot2docker/bootsync.sh
        printf '#!/bin/sh\ndocker version >/tmp/bootlocal-ran\n' | sudo tee /var/lib/boot2docker/bootlocal.sh
        sudo cp /var/lib/boot2docker/ca.pem /var/lib/boot2docker/certs/check.pem
        cat /var/lib/boot2docker/ssh/*.pub | sha256sum | sudo tee /var/lib/boot2docker/keys.sum
        docker run -d --name lasting --restart always busybox sleep 1000000" >/dev/null
    end_by_power_button
}

end_by_power_button() {
    local start
    start=$(now)
    press_power_button
    if wait_end 60; then pass 'power button ends the machine'; note "power off took $(since "$start") s"; else fail 'power button ends the machine' "$(tail -n 5 "$work/serial.log")"; kill_vm; fi
}

# From CD-ROM through BIOS and isolinux; the same disk, grown.
check_second_boot() {
    [ -f "$work/disk.raw" ] || { fail 'second needs first'; return 0; }
    truncate -s 22G "$work/disk.raw"
    # shellcheck disable=SC2046
    start_vm -boot d -cdrom "$iso" $(data_disk)
    report_times 'BIOS, isolinux, AHCI CD-ROM'
    guest 'cat /run/boot.log' | sed 's/^/          /'
    gives 'hostname lasts' '^check-machine$' guest hostname
    gives 'host keys last' ': OK$|^- OK$|^same$' guest 'cat /var/lib/boot2docker/ssh/*.pub | sha256sum | cmp - /var/lib/boot2docker/keys.sum && echo same'
    gives 'the disk was cleanly unmounted' '^0$' guest 'sudo dmesg | grep -cE "EXT4.*(recover|unclean|error)"'
    gives 'the file system grew with the disk' '^2[01]$' guest "df -k /mnt/?d?1 | awk 'NR == 2 { print int(\$2 / 1024 / 1024) }'"
    gives 'certificates of docker-machine are served' '"ApiVersion"' api /version
    ok 'bootsync.sh ran before Docker' guest 'test -s /tmp/bootsync-ran'
    ok 'bootlocal.sh ran after Docker' guest 'for i in 1 2 3 4 5 6 7 8 9 10; do test -s /tmp/bootlocal-ran && exit; sleep 1; done; exit 1'
    ok 'extra authorities are trusted' guest 'openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt /var/lib/boot2docker/server.pem'
    gives 'containers with a restart policy are back' '^true$' guest "docker inspect -f '{{.State.Running}}' lasting"
    gives 'images last' '^busybox$' guest "docker images --format '{{.Repository}}'"
    local start
    guest 'docker rm -f lasting && sudo /etc/init.d/docker stop' >/dev/null
    start=$(now)
    guest 'sudo poweroff' || true
    if wait_end 60; then pass 'sudo poweroff with Docker stopped'; note "took $(since "$start") s"; else fail 'sudo poweroff'; kill_vm; fi
    ok 'the disk is clean' disk_is_clean "$work/disk.raw"
}

# No data disk, but one that is not ours: it must stay as it is.
check_memory_boot() {
    local before
    truncate -s 3G "$work/foreign.raw"
    printf 'someone else was here' | dd of="$work/foreign.raw" bs=1 seek=700000 conv=notrunc 2>/dev/null
    before=$(sha256sum <"$work/foreign.raw")
    : >"$work/serial.log"
    # shellcheck disable=SC2046
    start_vm -kernel "$work/boot/vmlinuz" -initrd "$work/boot/initrd.img" -append "$append" $(iso_disk) \
        -drive "if=none,id=foreign,file=$work/foreign.raw,format=raw" -device virtio-blk-pci,drive=foreign
    ok 'the console logs in by itself without a data disk' wait_console 120 'docker@|\$ $'
    console 'id -un; for i in $(seq 60); do docker info >/tmp/info 2>/dev/null && break; sleep 1; done; grep -E "Storage|Root Dir" /tmp/info; echo "in ""memory"'
    ok 'Docker runs in memory' wait_console 90 'in memory'
    ok 'its storage driver is overlay2' grep -qa 'Storage Driver: overlay2' "$work/serial.log"
    # Asked twice: the reader of the first answer may have been the login.
    console 'sudo poweroff'
    if wait_end 60; then pass 'poweroff on the console'; else fail 'poweroff on the console'; kill_vm; fi
    if [ "$before" = "$(sha256sum <"$work/foreign.raw")" ]; then pass 'a foreign disk is left alone'; else fail 'a foreign disk is left alone'; fi
}

# Disks whose drivers the initramfs did not need: a fresh data disk on SATA, another
# disk on SCSI; and a network card that is plugged in while the guest runs.
check_disks_boot() {
    make_disk "$work/sata.raw"
    truncate -s 1G "$work/scsi.raw"
    printf 'someone else was here' | dd of="$work/scsi.raw" bs=1 seek=700000 conv=notrunc 2>/dev/null
    # shellcheck disable=SC2046
    start_vm -kernel "$work/boot/vmlinuz" -initrd "$work/boot/initrd.img" -append "$append" $(iso_disk) \
        -drive "if=none,id=sata,file=$work/sata.raw,format=raw,discard=unmap" -device ide-hd,drive=sata,bus=ide.0 \
        -drive "if=none,id=scsi,file=$work/scsi.raw,format=raw" -device virtio-scsi-pci,id=hba -device scsi-hd,drive=scsi,bus=hba.0 \
        -device pcie-root-port,id=hot -netdev user,id=late,net=10.0.77.0/24
    report_times 'data disk on SATA'
    gives 'the data is on the SATA disk' '^/dev/sd[a-z]1$' guest 'df --output=source /var/lib/docker/ | tail -n 1'
    gives 'the SCSI disk is there' '^2$' guest 'ls -d /sys/block/sd* | wc -l'
    plug_in_card
    gives 'a network card that comes late gets its address' '10\.0\.77\.' guest 'for i in $(seq 40); do ip -4 addr show dev eth1 2>/dev/null | grep inet && exit; sleep 0.5; done'
    kill_vm
}

check_login() {
    gives 'output is clean' '^foo$' guest 'echo foo'
    gives 'ls begins with total' '^total' guest 'ls -lah / | head -n 1'
    gives 'user docker is uid 1000, group staff and docker' '^uid=1000\(docker\) gid=50\(staff\).*\(docker\)' guest id
    gives 'sudo works without a terminal' '^0$' guest 'sudo id -u'
    gives 'PATH has the sbin folders' '/usr/local/sbin:.*/usr/sbin' guest 'echo $PATH'
    ok 'ip, netstat, ss, sftp-server, rsync, pgrep are there' guest 'type ip netstat ss rsync pgrep tar curl openssl && test -x /usr/lib/openssh/sftp-server'
    ok 'old Go clients: ssh-rsa with SHA-1' guest_sha1
    ok 'old Go clients: ecdsa host key, curve25519, aes128-ctr' timeout 60 ssh "${ssh_options[@]}" -o HostKeyAlgorithms=ecdsa-sha2-nistp256 \
        -o KexAlgorithms=curve25519-sha256@libssh.org -o Ciphers=aes128-ctr -o MACs=hmac-sha2-256 "docker@$address" -i "$work/id_rsa" -p $ssh_port true
    refuses 'no login without a key' timeout 60 ssh "${ssh_options[@]}" -o BatchMode=yes -o PubkeyAuthentication=no "docker@$address" -p $ssh_port true
    gives 'the network offers no password login' '^(publickey)$' auth_methods
}

guest_sha1() {
    timeout 60 ssh "${ssh_options[@]}" -o PubkeyAcceptedAlgorithms=ssh-rsa "docker@$address" -i "$work/id_rsa" -p $ssh_port true
}

auth_methods() {
    timeout 60 ssh "${ssh_options[@]}" -v -o LogLevel=debug1 -o BatchMode=yes -o PreferredAuthentications=none "docker@$address" -p $ssh_port true 2>&1 |
        sed -n 's/.*Authentications that can continue: \([a-z,-]*\).*/\1/p' | head -n 1
}

check_guest() {
    gives 'data partition, label and place' '^/mnt/[a-z0-9]+1$' guest 'p=$(sudo blkid -L boot2docker-data) && grep -o "^$p /mnt/[a-z0-9]*" /proc/mounts | cut -d" " -f2 | head -n 1'
    gives 'swap partition' 'partition' guest 'cat /proc/swaps'
    gives 'the magic is gone from the disk' '^0$' guest 'sudo head -c 4096 /dev/vdb | grep -c format-me'
    gives 'userdata.tar is kept' '^4096$' guest 'stat -c %s /var/lib/boot2docker/userdata.tar'
    ok 'keys have tight modes' guest 'test $(stat -c %a-%U ~/.ssh) = 700-docker && test $(stat -c %a-%U ~/.ssh/authorized_keys) = 600-docker'
    gives '/tmp is on the disk' '^/dev/[a-z0-9]+1$' guest 'df --output=source /tmp | tail -n 1'
    gives 'forwarding is on' '^1$' guest 'cat /proc/sys/net/ipv4/ip_forward'
    ok 'tun and fuse are there' guest 'test -c /dev/net/tun && test -c /dev/fuse'
    gives 'cgroup v2' '^cgroup2fs$' guest 'stat -fc %T /sys/fs/cgroup'
    gives 'hostname' '^check-machine$' guest hostname
    gives 'DNS servers from DHCP' '^nameserver ' guest 'cat /etc/resolv.conf'
    gives 'device nodes have their modes' '^666 666 666$' guest 'echo $(stat -c %a /dev/null /dev/tty /dev/zero)'
    ok 'the clock is right' guest "test \$(( \$(date +%s) - $(date +%s) )) -lt 60"
    gives 'versions of packages' '^docker.io 2' guest 'cat /etc/boot2docker-packages'
    head -c 1000000 /dev/urandom >"$work/file"
    ok 'scp' timeout 60 scp -q "${ssh_options[@]}" -P $ssh_port -i "$work/id_rsa" "$work/file" "docker@$address:file"
    ok 'scp with the old protocol' timeout 60 scp -O -q "${ssh_options[@]}" -P $ssh_port -i "$work/id_rsa" "docker@$address:file" "$work/file2"
    ok 'file is the same' cmp "$work/file" "$work/file2"
    ! command -v rsync >/dev/null ||
        ok 'rsync' timeout 60 rsync -e "ssh ${ssh_options[*]} -p $ssh_port -i $work/id_rsa" "$work/file" "docker@$address:file3"
}
