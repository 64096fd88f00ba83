# Step 3: the initramfs: busybox, a few modules, one script. Sourced by build.

# Appends the modules $3... with what they depend on to $2/modules/, and their
# order of loading to $2/load/NAME.
add_modules() {
    local root=$1 tree=$2 release=$3 name path
    shift 3
    mkdir -p "$tree/modules" "$tree/load"
    for name; do
        # Lines are "insmod PATH", dependencies first, or "builtin NAME".
        guest_kmod "$root" modprobe -d "$root" -S "$release" --show-depends "$name" |
            sed -n 's/^insmod \([^ ]*\).*/\1/p' | while read -r path; do
            cp -n "$path" "$tree/modules/"
            basename "$path"
        done >"$tree/load/$name"
    done
}

make_initramfs() {
    local root=$1 release=$2 file=$3 tree=$work/initramfs
    rm -rf "$tree"
    mkdir -p "$tree"/{bin,dev,proc,sys,run,iso,squash,engine,rw,root}
    cp "$root/usr/bin/busybox" "$tree/bin/busybox"
    ln -s busybox "$tree/bin/sh"
    install -m 0755 "$here/initramfs/init" "$tree/init"
    # shellcheck disable=SC2046 # one word per module
    add_modules "$root" "$tree" "$release" $(list "$here/initramfs/modules")
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    (cd "$tree" && find . | LC_ALL=C sort | "$root/usr/bin/busybox" cpio -o -H newc -R 0:0 --renumber-inodes --ignore-devno 2>/dev/null) |
        zstd -q -19 -T0 -o "$file"
}
