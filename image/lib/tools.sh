# Are the programs of the build there? Sourced by build and busybox-image.

# Each line: what must be found (a program in PATH or an absolute file), the
# Debian package it is in.
build_tools='
mmdebstrap mmdebstrap
mksquashfs squashfs-tools
xorriso xorriso
/usr/lib/ISOLINUX/isolinux.bin isolinux
/usr/lib/ISOLINUX/isohdpfx.bin isolinux
/usr/lib/syslinux/modules/bios/ldlinux.c32 syslinux-common
zstd zstd
xz xz-utils
strip binutils
flock util-linux
'

require_tools() {
    local what package missing=()
    while read -r what package; do
        [ -n "$what" ] || continue
        case $what in
        /*) [ -e "$what" ] || missing+=("$package") ;;
        *) command -v "$what" >/dev/null || missing+=("$package") ;;
        esac
    done <<<"$1"
    [ ${#missing[@]} -eq 0 ] || die "some tools are missing; install them with:" \
        "apt-get install --no-install-recommends $(printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ')"
    [ "$(uname -m)" = x86_64 ] || die "the guest is x86-64 only and so is its build; this machine is $(uname -m)"
}
