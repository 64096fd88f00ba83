# The options build and busybox-image share. Sourced; needs a function usage.

parse_options() {
    output='' refresh=''
    cache=${XDG_CACHE_HOME:-${HOME:?HOME is not set; give --cache DIR}/.cache}/docker-machine-driver-hyperkit
    while [ $# -gt 0 ]; do
        case $1 in
        --output | --cache)
            [ $# -ge 2 ] && [ -n "$2" ] || die "$1 needs a path"
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        --output=?* | --cache=?*)
            set -- "${1%%=*}" "${1#*=}" "${@:2}"
            continue
            ;;
        --refresh) refresh=1 ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            usage >&2
            exit 2
            ;;
        esac
        shift
    done
}
