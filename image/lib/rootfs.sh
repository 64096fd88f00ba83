# Step 2: unpacked packages -> the guest's root file system in a folder, and
# that folder -> squashfs. Sourced by build. Needs no privileges: owners are
# set while the squashfs is written.

# Throws away what the guest does not need. Globs are relative to the root.
prune_files() {
    local root=$1 glob
    list "$here/prune" | while read -r glob; do
        # shellcheck disable=SC2086 # a glob on purpose
        (cd "$root" && rm -rf -- $glob)
    done
    find "$root/usr/share" -type d -empty -delete
}

# guest_kmod ROOT NAME ARGUMENT...: depmod and modprobe as the guest has them, so
# that the index files fit its version and the build needs no kmod.
guest_kmod() {
    local root=$1 name=$2
    shift 2
    "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" \
        --argv0 "$name" "$root/usr/bin/kmod" "$@"
}

# Keeps the kernel modules named in `modules` with their dependencies, and
# unpacks them: reading plain files from the squashfs is quicker than xz.
select_modules() {
    local root=$1 release=$2 dir=$root/usr/lib/modules/$2 keep pattern
    guest_kmod "$root" depmod -b "$root" "$release"
    keep=$(mktemp -p "$work")
    list "$here/modules" | while read -r pattern; do
        awk -F: -v p="kernel/$pattern" 'index($1, p) == 1 { print $1, $2 }' "$dir/modules.dep"
    done | tr ' ' '\n' | sed '/^$/d' | LC_ALL=C sort -u >"$keep"
    (cd "$dir" && find kernel -name '*.ko*' | LC_ALL=C sort | LC_ALL=C comm -23 - "$keep" | xargs -r rm -f --)
    find "$dir" -name '*.ko.xz' -print0 | xargs -0 -r -n 32 -P "$(nproc)" xz -d
    # Without signature and BTF a module loads in a third of the time when the
    # processor is emulated: 0.2 s per MB went into the signature's hash. The
    # kernel notes an unsigned module (taint E); it asks for no signature as long
    # as nothing locks it down, and a BIOS boot never does.
    find "$dir" -name '*.ko' -print0 | xargs -0 -r -n 32 -P "$(nproc)" strip --strip-debug -R .BTF -R .BTF.base
    find "$dir/kernel" -type d -empty -delete
    sed -i 's/\.ko\.xz$/.ko/' "$dir/modules.order"
    guest_kmod "$root" depmod -b "$root" "$release"
    # Only the binary indexes are read at run time.
    (cd "$dir" && rm -f modules.dep modules.alias modules.symbols)
}

# What maintainer scripts would have done.
configure_packages() {
    local root=$1 name
    # iptables: the alternatives. See rootfs/usr/lib/boot2docker/docker for why.
    for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        ln -sf "xtables-$iptables_flavour-multi" "$root/usr/sbin/$name"
    done
    # dash or bash as /bin/sh: dash starts in half the time.
    ln -sf dash "$root/usr/bin/sh"
    # One bundle; OpenSSL and Go read nothing else.
    mkdir -p "$root/etc/ssl/certs" "$root/usr/lib/ssl"
    find "$root/usr/share/ca-certificates" -name '*.crt' | LC_ALL=C sort | xargs cat >"$root/etc/ssl/certs/ca-certificates.crt"
    ln -sf ../../../etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"
    # Each login reads it twice, and two thirds of it are remarks.
    sed -i '/^[[:space:]]*#/d; /^[[:space:]]*$/d' "$root/etc/ssl/openssl.cnf"
    # mtab, and the applets of busybox for every command no package brings.
    ln -sf ../proc/self/mounts "$root/etc/mtab"
    "$root/usr/bin/busybox" --list | while read -r name; do
        case $name in busybox | dpkg | dpkg-deb | rpm | rpm2cpio | ubirename | udhcpd | telnetd | run-init | linuxrc) continue ;; esac
        [ -e "$root/usr/bin/$name" ] || [ -L "$root/usr/bin/$name" ] || [ -e "$root/usr/sbin/$name" ] || [ -L "$root/usr/sbin/$name" ] ||
            case $name in
            init | halt | poweroff | reboot | getty | udhcpc | udhcpc6 | acpid | mdev | syslogd | klogd | crond | brctl | vconfig | ifconfig | route | arp | adjtimex | watchdog)
                ln -s ../bin/busybox "$root/usr/sbin/$name"
                ;;
            *) ln -s busybox "$root/usr/bin/$name" ;;
            esac
    done
}

# The applets that the guest's own scripts find first; see common. Left out are
# those whose full versions have options we use.
link_boot_applets() {
    local root=$1 name
    mkdir -p "$root/usr/lib/boot2docker/bin"
    for name in acpid awk basename cat chmod chown cmp cp cut dd dirname find getty grep head hostname ip kill \
        killall ln ls mkdir mktemp mount mv netstat pidof ps readlink rm rmdir sed seq setsid sleep sort stat stty \
        swapoff swapon sync sysctl tail tar touch tr udhcpc umount uniq xargs; do
        ln -s ../../../bin/busybox "$root/usr/lib/boot2docker/bin/$name"
    done
}

# Accounts: Debian's fixed ones, the daemons' and the user of boot2docker.
make_accounts() {
    local root=$1 password
    # Hash of boot2docker's well-known "tcuser", with a fixed salt so that the
    # image stays the same from build to build.
    password=$(openssl passwd -6 -salt boot2docker tcuser)
    {
        cat "$root/usr/share/base-passwd/passwd.master"
        echo 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin'
        echo '_chrony:x:101:101::/var/lib/chrony:/usr/sbin/nologin'
        echo 'haproxy:x:102:102::/run/docker-front:/usr/sbin/nologin'
        echo 'statd:x:103:65534::/var/lib/nfs:/usr/sbin/nologin'
        echo '_rpc:x:104:65534::/run/rpcbind:/usr/sbin/nologin'
        echo 'docker:x:1000:50:Docker:/home/docker:/bin/bash'
    } >"$root/etc/passwd"
    {
        sed -e 's/^staff:.*/staff:x:50:docker/' "$root/usr/share/base-passwd/group.master"
        echo '_chrony:x:101:'
        echo 'haproxy:x:102:'
        echo '_ssh:x:103:'
        echo 'docker:x:999:docker'
    } >"$root/etc/group"
    sed -i 's#^\(root:.*\):[^:]*$#\1:/bin/bash#' "$root/etc/passwd"
    awk -F: '{ print $1 ":*:19000:0:99999:7:::" }' "$root/etc/passwd" |
        awk -F: -v OFS=: -v hash="$password" '$1 == "docker" { $2 = hash } { print }' >"$root/etc/shadow"
    awk -F: '{ print $1 ":*::" }' "$root/etc/group" >"$root/etc/gshadow"
    chmod 0640 "$root/etc/shadow" "$root/etc/gshadow"
    rm -f "$root/etc/passwd-" "$root/etc/group-" "$root/etc/shadow-"
}

write_release() {
    local root=$1 version=$2
    cat >"$root/etc/os-release.new" <<END
NAME=Boot2Docker
VERSION=$version
ID=boot2docker
ID_LIKE=debian
VERSION_ID=$version
PRETTY_NAME="Boot2Docker $version (Debian $suite)"
ANSI_COLOR="1;34"
END
    rm -f "$root/etc/os-release" "$root/usr/lib/os-release"
    mv "$root/etc/os-release.new" "$root/etc/os-release"
    ln -s ../../etc/os-release "$root/usr/lib/os-release"
    echo "v$version" >"$root/etc/version"
}

strip_binaries() {
    local root=$1
    # Debian strips most; what remains is Go and a few tables. --strip-all keeps
    # Go's own pclntab, so stack traces stay readable.
    find "$root/usr/bin" "$root/usr/sbin" -type f -size +1M -print0 |
        xargs -0 -r -n 1 -P "$(nproc)" strip --strip-unneeded 2>/dev/null || true
}

# Our own files. Of their modes only "executable" counts, which is what git
# keeps; the rest depends on who checked them out.
copy_overlay() {
    local root=$1 file
    (cd "$here/rootfs" && find . -type f | LC_ALL=C sort) | while read -r file; do
        if [ -x "$here/rootfs/$file" ]; then
            install -D -m 0755 "$here/rootfs/$file" "$root/$file"
        else
            install -D -m 0644 "$here/rootfs/$file" "$root/$file"
        fi
    done
    # sudo reads nothing that others could have written.
    chmod 0440 "$root"/etc/sudoers "$root"/etc/sudoers.d/*
}

make_rootfs() {
    local root=$1 release=$2 version=$3
    prune_files "$root"
    select_modules "$root" "$release"
    strip_binaries "$root"
    configure_packages "$root"
    link_boot_applets "$root"
    make_accounts "$root"
    write_release "$root" "$version"
    copy_overlay "$root"
    mkdir -p "$root"/{dev,proc,sys,run,tmp,mnt,media,srv,root,home/docker,var/empty,var/log,var/cache,var/lib/boot2docker,var/lib/docker,var/lib/containerd,var/tmp,opt,usr/local/bin,usr/local/sbin,usr/local/etc/init.d}
    rm -rf "$root/var/run" "$root/var/lock"
    ln -s ../run "$root/var/run"
    ln -s ../run/lock "$root/var/lock"
}

# The big programs of the engine go into an image of their own: lz4 unpacks five
# times as fast as zstd, and a slow processor spends seconds of the boot on
# these 170 MB. For everything, lz4 would cost 30 MB more.
split_engine() {
    local root=$1 engine=$2 file
    for file in usr/bin/containerd usr/bin/containerd-shim-runc-v2 usr/sbin/dockerd usr/sbin/runc; do
        mkdir -p "$engine/$(dirname "$file")"
        mv "$root/$file" "$engine/$file"
    done
    find "$engine" -type d -exec chmod 0755 {} +
}

# make_squashfs FOLDER FILE OPTION...: small blocks, because programs are read
# in pieces and each piece costs a whole block.
make_squashfs() {
    local folder=$1 file=$2
    shift 2
    # mksquashfs refuses the variable beside the options.
    env -u SOURCE_DATE_EPOCH mksquashfs "$folder" "$file" -quiet -no-progress -noappend -all-root -no-xattrs -b 128K \
        -mkfs-time "$SOURCE_DATE_EPOCH" -all-time "$SOURCE_DATE_EPOCH" "$@" >&2
}
