# Step 1: Debian packages -> one tar of their unpacked files. Sourced by build.

suite=trixie

# Writes $1 (a zstd tar) from the names on standard input. mmdebstrap resolves
# dependencies, checks signatures and only unpacks: no maintainer script runs.
# HK_IMAGE_MIRROR (a URI or an apt line) replaces Debian's default mirror,
# HK_IMAGE_MMDEBSTRAP_MODE the way to get root's view (root, unshare, fakechroot).
fetch_packages() {
    local tar=$1 names
    names=$(tr '\n' ',')
    # The archives are still there when the first hook runs; their names hold
    # the versions. %3a is an epoch's colon.
    # shellcheck disable=SC2016
    mmdebstrap --quiet --variant=extract --mode="${HK_IMAGE_MMDEBSTRAP_MODE:-auto}" \
        --architectures=amd64 --format=tar \
        --include="${names%,}" \
        --extract-hook='cd "$1" && mkdir -p etc && ls var/cache/apt/archives |
            sed -n -e "s/%3a/:/" -e "s/\.deb$//p" | tr _ " " | LC_ALL=C sort >etc/boot2docker-packages' \
        --customize-hook='chroot "$1" /sbin/ldconfig -X' \
        "$suite" - ${HK_IMAGE_MIRROR:+"$HK_IMAGE_MIRROR"} |
        zstd -q -T0 -3 -o "$tar"
}
