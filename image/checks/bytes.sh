# Same sources, same bytes: whoever builds leaves no trace. Sourced by check.

# What differed between builders so far, read off the ISO; takes seconds.
check_bytes() {
    local image
    for image in root engine; do
        TZ=UTC unsquashfs -lln "$work/boot/$image.squashfs" | grep '^[-dlbcps][-rwxsStT]\{9\} ' >"$work/$image.list"
        gives "$image: one date" '^1$' count_different 's/.* \([0-9-]* [0-9:]*\) squashfs-root.*/\1/' "$work/$image.list"
    done
    gives 'owners are root, docker perhaps at home' '^0/0 (1000/50 )?$' owners "$work/root.list"
    gives 'nobody else may write, but to /tmp' '^ squashfs-root/tmp squashfs-root/var/tmp$' writable "$work/root.list"
    gives 'programs kept set-uid and set-gid' '^-rws[^ ]* -rws[^ ]* -rws[^ ]* -rwxr-s[^ ]* $' modes_of sudo su mount chage
}

count_different() { sed "$1" "$2" | sort -u | wc -l; }
owners() { awk '{ print $2 }' "$1" | sort -u | tr '\n' ' '; }
writable() { awk '$1 !~ /^l/ && $1 ~ /^.....w|^........w/ { printf " %s", $NF }' "$1"; }
modes_of() {
    local name
    for name; do awk -v name="squashfs-root/usr/bin/$name" '$NF == name { printf "%s ", $1 }' "$work/root.list"; done
}

# A second build, by another user (when we are root), with other surroundings and
# packages of its own; takes minutes and 700 MB.
check_again() {
    local dir=$work/again second other=(nice)
    mkdir -p "$dir/home" "$dir/tmp"
    cp -r "$here" "$dir/image"
    chmod 0755 "$work"
    if [ "$(id -u)" = 0 ]; then
        chown -R 65534:65534 "$dir"
        other+=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    fi
    chmod g+s "$dir/home"
    second=$(umask 077 && taskset -c 0 "${other[@]}" env HOME="$dir/home" XDG_CACHE_HOME="$dir/home" TMPDIR="$dir/tmp" TZ=Asia/Tokyo LC_ALL=C.UTF-8 \
        "$dir/image/build" | tail -n 1) || true
    if [ ! -f "$second" ]; then
        fail 'a second build'
    elif ! cmp -s "$iso.packages" "$second.packages"; then
        note 'there are newer packages since the ISO was built; image/build --refresh makes builds comparable'
        fail 'a second build has the same packages' "$(diff "$iso.packages" "$second.packages")"
    else
        ok 'a second build has the same bytes' cmp "$iso" "$second"
        note "$(sha256sum <"$second" | cut -d' ' -f1)"
    fi
    rm -rf "$dir"
}
