# The cache: what is in it, what its names are made of, who may write. Sourced
# by build.
#
#   DIR/lock                        held while a build runs
#   DIR/packages-KEY.tar.zst        unpacked packages; KEY: the list of names, suite, mirror
#   DIR/packages-KEY.list           their versions
#   DIR/boot2docker-KEY.iso         finished; KEY: all of image/ and the versions
#   DIR/boot2docker-KEY.iso.sha256, .packages
#   DIR/../boot2docker.iso          link to the newest: where the driver looks

work=''
temps=()

clean_up() {
    [ -z "$work" ] || rm -rf -- "$work"
    [ ${#temps[@]} -eq 0 ] || rm -f -- "${temps[@]}"
}

open_cache() {
    cache_dir=$1
    mkdir -p "$cache_dir"
    cache_dir=$(cd "$cache_dir" && pwd)
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    exec 8>"$cache_dir/lock"
    if ! flock -n 8; then
        say "another build is running; waiting for it"
        flock 8
    fi
}

begin_work() {
    # Leftovers of a build that was killed the hard way: the lock is ours.
    rm -rf -- "$cache_dir"/work.*
    work=$(mktemp -d "$cache_dir/work.XXXXXX")
    # Debian's files are readable by others; their folder need not be. A set-gid
    # bit of the cache's would be handed down to every folder in the image.
    chmod u=rwx,go=,g-s "$work"
    umask 022
    # The rest of what a builder brings along and the bytes must not tell.
    export LC_ALL=C TZ=UTC
    unset TAR_OPTIONS XZ_OPT XZ_DEFAULTS ZSTD_CLEVEL ZSTD_NBTHREADS
}

hash() { sha256sum | cut -c1-16; }

packages_path() {
    echo "$cache_dir/packages-$({ list "$here/packages"; cat "$here/lib/packages.sh"; echo "${HK_IMAGE_MIRROR:-}"; } | hash)"
}

# What a finished ISO depends on: the sources (names, contents, who may be
# executed; not the documentation and the checks) and the packages' versions.
iso_path() {
    local sources=(build packages prune modules lib initramfs isolinux rootfs)
    echo "$cache_dir/boot2docker-$({
        cd "$here" &&
            find "${sources[@]}" -type f -executable | LC_ALL=C sort &&
            find "${sources[@]}" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum &&
            cat "$1"
    } | hash).iso"
}

docker_version() {
    # "docker.io 26.1.5+dfsg1-9 amd64" -> 26.1.5
    local version
    version=$(awk '$1 == "docker.io" { print $2 }' "$1")
    version=${version#*:}
    version=${version%%[+~-]*}
    [ -n "$version" ] || die "docker.io is not among the packages"
    echo "$version"
}

store_iso() {
    local file=$1 packages=$2 to=$3
    place "$packages" "$to.packages"
    place "$file" "$to"
    (cd "$cache_dir" && sha256sum "$(basename "$to")") >"$work/sha256"
    # Last: it says that the ISO is complete.
    place "$work/sha256" "$to.sha256"
    # Older ISOs and package sets go; the last two ISOs stay for comparison.
    # shellcheck disable=SC2012 # names are ours, without odd characters
    (cd "$cache_dir" && ls -t boot2docker-*.iso | tail -n +3 | while read -r old; do rm -f -- "$old" "$old.sha256" "$old.packages"; done)
    find "$cache_dir" -maxdepth 1 -name 'packages-*' ! -name "$(basename "${packages%.list}").*" -delete
}

# Lets the name $2 beside the cache's folder stand for its file $1.
publish_as() {
    local link
    link=$(dirname "$cache_dir")/$2
    ln -sfn "$(basename "$cache_dir")/$(basename "$1")" "$link.$$"
    mv -fT "$link.$$" "$link"
}

# Hands the ISO $1 over: to --output when given. Prints its path.
deliver() {
    local iso=$1
    touch -c "$iso"
    publish_as "$iso" boot2docker.iso
    if [ -n "$output" ]; then
        if [ ! -f "$output" ] || ! cmp -s "$iso" "$output"; then
            place "$iso" "$output"
        fi
        place "$iso.packages" "$output.packages"
        place <(echo "$(cut -d' ' -f1 "$iso.sha256")  $(basename "$output")") "$output.sha256"
        iso=$output
    fi
    say "$(du -m "$iso" | cut -f1) MB, $(cut -d' ' -f1 "$1.sha256")"
    echo "$iso"
}
