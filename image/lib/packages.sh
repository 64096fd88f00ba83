# Step 1: Debian packages -> one tar of their unpacked files. Sourced by build.

suite=trixie

# Writes $1 (a zstd tar) from the names on standard input. mmdebstrap resolves
# dependencies, checks signatures and only unpacks: no maintainer script runs,
# so nothing needs root's view. Whoever is not root takes `chrootless`, which
# asks for neither user namespaces nor fakechroot. Owners differ by mode and are
# set later, in the squashfs; modes must not differ.
# HK_IMAGE_MIRROR (a URI or an apt line) replaces Debian's default mirror,
# HK_IMAGE_MMDEBSTRAP_MODE the mode (root, unshare, fakechroot, chrootless).
fetch_packages() {
    local tar=$1 names mode=${HK_IMAGE_MMDEBSTRAP_MODE:-} temp=${TMPDIR:-/tmp}
    names=$(tr '\n' ',')
    [ -n "$mode" ] || if [ "$(id -u)" = 0 ]; then mode=root; else mode=chrootless; fi
    # Nobody else shall meet programs that are set-uid to us; the other modes
    # have accounts at work that may not look into our folder.
    [ "$mode" != chrootless ] || temp=$work
    # TAR_OPTIONS: for all but root tar drops set-uid bits, and sudo would fail
    # in the guest. The archives are still there when the hook runs; their names
    # hold the versions. %3a is an epoch's colon.
    # shellcheck disable=SC2016
    TMPDIR=$temp TAR_OPTIONS=--same-permissions mmdebstrap --quiet --variant=extract --mode="$mode" \
        --architectures=amd64 --format=tar \
        --include="${names%,}" \
        --extract-hook='cd "$1" && mkdir -p etc && ls var/cache/apt/archives |
            sed -n -e "s/%3a/:/" -e "s/\.deb$//p" | tr _ " " | LC_ALL=C sort >etc/boot2docker-packages' \
        "$suite" - ${HK_IMAGE_MIRROR:+"$HK_IMAGE_MIRROR"} |
        zstd -q -T0 -3 -o "$tar"
}
