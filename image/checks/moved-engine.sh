# A clone that does not find dockerd's id where its template knew it: dockerd starts
# again. The guest is ours but for one line, which is changed between its
# initramfs and its first program. Sourced by check.

# newc NAME [FILE]: one entry of a cpio archive (Linux's buffer-format.rst).
newc() {
    local size=0
    [ $# -lt 2 ] || size=$(stat -c %s "$2")
    printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\0' \
        1 $((0100755)) 0 0 1 0 "$size" 0 0 0 0 $((${#1} + 1)) 0 "$1"
    head -c $(((4 - (110 + ${#1} + 1) % 4) % 4)) /dev/zero
    [ $# -lt 2 ] || { cat "$2" && head -c $(((4 - size % 4) % 4)) /dev/zero; }
}

# change_identity EXPRESSION: from now on guests run the script `identity` as sed
# makes it. The kernel unpacks archives that lie behind each other.
change_identity() {
    local initrd=$work/boot/initrd.img
    sed "s|^exec /bin/busybox switch_root|/bin/busybox sed -i '$1' /root/usr/lib/boot2docker/identity\\n&|" \
        "$here/initramfs/init" >"$work/init"
    truncate -s %4 "$initrd"
    { newc init "$work/init" && newc TRAILER!!!; } >>"$initrd"
}

check_moved_engine() {
    local said=$work/said-moved
    cp "$work/boot/initrd.img" "$work/initrd.kept"
    change_identity 's/places => .@places/places => [4096]/'
    rm -f "$work/memory"
    if save_template && restore_clone 4; then
        identity 4 >&7
        answer_guest "$said"
        if grep -qx 'done' "$said"; then pass 'a clone whose engine keeps its id elsewhere is a machine of its own'; note "after $(since "$resumed") s"; else fail 'a clone whose engine keeps its id elsewhere is a machine of its own' "$(cat "$said")"; fi
        gives 'for its engine starts again' 'dockerd starts again' guest 'cat /run/boot.log'
        gives 'and tells the id it was given' '^e0000000-0000-4000-8000-000000000004$' guest 'docker info --format "{{.ID}}"'
        gives 'which is on its disk' '^e0000000-0000-4000-8000-000000000004$' guest 'sudo cat /var/lib/docker/engine-id; echo'
        if wait_tls 60; then pass 'TLS answers'; else fail 'TLS answers'; fi
        ok 'it makes networks' guest 'docker network create x'
    fi
    kill_vm
    mv "$work/initrd.kept" "$work/boot/initrd.img"
}
