# Counting and printing. Sourced by check.

passed=0 failed=0

pass() { passed=$((passed + 1)); echo "ok      $1"; }
fail() { failed=$((failed + 1)); echo "FAILED  $1"; shift; [ $# -eq 0 ] || printf '%s\n' "$@" | head -n 15 | sed 's/^/        /'; }
note() { echo "        $*"; }

# ok NAME COMMAND...: exit status 0.
ok() {
    local name=$1 text
    shift
    if text=$("$@" 2>&1); then pass "$name"; else fail "$name" "$text"; fi
}

# refuses NAME COMMAND...: any other status, but not a hang.
refuses() {
    local name=$1 text status=0
    shift
    text=$("$@" 2>&1) || status=$?
    if [ $status -ne 0 ] && [ $status -ne 124 ]; then pass "$name"; else fail "$name" "status $status" "$text"; fi
}

# gives NAME PATTERN COMMAND...: standard output matches the extended pattern.
gives() {
    local name=$1 pattern=$2 text
    shift 2
    text=$("$@" 2>"$work/stderr") || true
    if grep -qE -- "$pattern" <<<"$text"; then pass "$name"; else fail "$name" "wanted $pattern" "$text" "$(cat "$work/stderr")"; fi
}

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

summary() {
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
}
