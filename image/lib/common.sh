# Words shared by the build's parts. Sourced, never run.

say() { printf '%s\n' "image: $*" >&2; }

die() {
    printf '%s\n' "image: $1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# A list file without its comments and blank lines.
list() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"; }

# Puts a finished file in its place in one step, also across file systems.
place() {
    local from=$1 to=$2 temp
    mkdir -p "$(dirname "$to")"
    temp=$(mktemp "$to.XXXXXX")
    temps+=("$temp")
    cp --reflink=auto -- "$from" "$temp"
    chmod 0644 "$temp"
    mv -f -- "$temp" "$to"
}
