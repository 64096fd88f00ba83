# What image and guests share: words, the cache and Debian's packages. Sourced,
# never run; needs $here, the folder of the lab.

project=$(cd "$here/../.." && pwd)
for part in common tools cache packages; do
    # shellcheck source=/dev/null
    . "$project/image/lib/$part.sh"
done

say() { printf '%s\n' "lab: $*" >&2; }

die() {
    printf '%s\n' "lab: $1" >&2
    shift
    for line in "$@"; do printf '     %s\n' "$line" >&2; done
    exit 1
}

lab_cache=${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/docker-machine-driver-hyperkit/lab

# Debian packages by set: `base` makes both levels of guests, `bench` is what
# measurements compare with.
base_packages='linux-image-amd64 linux-image-cloud-amd64 busybox-static kmod'
bench_packages='qemu-system-x86 fio iperf3'

lab_tools='
mmdebstrap mmdebstrap
zstd zstd
xz xz-utils
strip binutils
flock util-linux
'

# Sets $packages to the path without suffix of a set's archive and list.
name_packages() { # SET
    local names=$1_packages
    packages=$lab_cache/$1-packages-$({ echo "${!names}"; cat "$project/image/lib/packages.sh"; echo "${HK_IMAGE_MIRROR:-}"; } | hash)
}

# Fetches a set unless it is there. Call with the cache open.
provide_packages() { # SET
    local names=$1_packages
    [ ! -f "$packages.list" ] || return 0
    say "fetching Debian's ${!names}"
    tr ' ' '\n' <<<"${!names}" | fetch_packages "$work/packages.tar.zst"
    tar -C "$work" -xf "$work/packages.tar.zst" ./etc/boot2docker-packages
    place "$work/packages.tar.zst" "$packages.tar.zst"
    # Last: it says that the archive is complete.
    place "$work/etc/boot2docker-packages" "$packages.list"
}

unpack_packages() { # FOLDER
    mkdir -p "$1"
    tar -C "$1" -xf "$packages.tar.zst" --no-same-owner --exclude='./dev/*' --exclude='./usr/lib/klibc/*'
    # kmod looks in /lib, which packages that were only unpacked do not make.
    [ -e "$1/lib" ] || ln -s usr/lib "$1/lib"
}

# Debian's own kmod, so that the host needs none.
kmod() { # ROOT NAME ARGUMENT...
    local root=$1 name=$2
    shift 2
    "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" \
        --argv0 "$name" "$root/usr/bin/kmod" "$@"
}

# Copies modules with what they depend on into a tree where modprobe finds them.
# Unpacked and without signature and debug sections they load in a third of the
# time on an emulated processor.
add_modules() { # ROOT RELEASE TREE MODULE...
    local root=$1 release=$2 tree=$3 name path file
    shift 3
    kmod "$root" depmod -b "$root" "$release"
    for name; do
        # Lines are "insmod PATH", dependencies first, or "builtin NAME". A
        # kernel that has no such module does without it.
        kmod "$root" modprobe -d "$root" -S "$release" --show-depends "$name" 2>/dev/null |
            sed -n 's/^insmod \([^ ]*\).*/\1/p' || true
    done | sort -u | while read -r path; do
        file=$tree/lib/modules/$release/$(basename "${path%.xz}")
        mkdir -p "$(dirname "$file")"
        xz -dc "$path" >"$file"
        strip --strip-debug -R .BTF -R .BTF.base "$file"
    done
    cp "$root/usr/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$tree/lib/modules/$release/"
    kmod "$root" depmod -b "$tree" "$release"
}

# Busybox with a link for each applet, and the folders every system has.
add_busybox() { # ROOT TREE
    local name
    mkdir -p "$2"/{bin,dev,etc,lib,mnt,proc,root,run,sys,tmp,usr/bin,var}
    cp "$1/usr/bin/busybox" "$2/bin/busybox"
    ln -s bin "$2/sbin"
    "$2/bin/busybox" --list | while read -r name; do
        [ "$name" = busybox ] || ln -s busybox "$2/bin/$name"
    done
    ln -s ../../bin/env "$2/usr/bin/env"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$2/etc/passwd"
    echo 'root:x:0:' >"$2/etc/group"
    printf '127.0.0.1\tlocalhost\n' >"$2/etc/hosts"
}

# Not compressed: what a boot loader copies in no time, an emulated processor
# unpacks in seconds.
pack_initramfs() { # TREE FILE
    (cd "$1" && find . | LC_ALL=C sort | "$1/bin/busybox" cpio -o -H newc -R 0:0 2>/dev/null) >"$2"
}

# Keeps the newest folders of a kind. Whoever uses one touches it.
prune_folders() { # PREFIX COUNT
    # shellcheck disable=SC2012 # names are ours, without odd characters
    (cd "$lab_cache" && ls -td "$1"-* 2>/dev/null | tail -n +$(($2 + 1)) | while read -r old; do rm -rf -- "$old"; done)
}
