#!/bin/sh
# Runs the tests of a build folder and closes with the five slowest and one line that counts them all:
#     test.sh BUILD [--match TEXT | --except TEXT] [meson test options]
# --match keeps the tests whose name contains the text, --except those whose name does not.
set -u
build=$1
shift
match= invert=
case ${1:-} in
--match | --except)
    [ "$1" = --except ] && invert=-v
    match=$2
    shift 2 ;;
esac
# Temporary files lie in memory where there is room and programs may run: much of what tests save is synced, and a disk takes
# its time.
in_memory()
{
    [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 2000000 ] || return 1
    try=$(mktemp /dev/shm/carat-test.XXXXXX) && printf '#!/bin/sh\n' >"$try" && chmod +x "$try" && "$try" 2>/dev/null
    can_run=$?
    rm -f "$try"
    return $can_run
}
if [ -z "${TMPDIR:-}" ] && in_memory; then
    export TMPDIR=/dev/shm
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ -n "$match" ]; then
    meson test -C "$build" --no-rebuild --list "$@" 2>/dev/null | sed -n 's|^[^/]* / ||p' | grep -iF $invert -- "$match" >"$log"
    while IFS= read -r name; do
        set -- "$@" "$name"
    done <"$log"
    [ -s "$log" ] || { echo "test: no test has '$match' in its name" >&2; exit 1; }
fi
meson test -C "$build" --no-rebuild --print-errorlogs --timeout-multiplier 4 "$@" >"$log" 2>&1
status=$?
cat "$log"
count() { sed -n "s/^$1: *\([0-9]*\).*/\1/p" "$log" | tail -1; }
ok=$(count Ok) fail=$(count Fail) timeout=$(count Timeout) skipped=$(count Skipped) unexpected=$(count 'Unexpected Pass')
failed=$((${fail:-0} + ${timeout:-0} + ${unexpected:-0}))
if [ "${ok:-0}" = 0 ] && [ "$failed" = 0 ]; then
    echo "test: no test ran" >&2
    exit 1
fi
# "  7/76 carat:check / unit kv   OK   0.05s" becomes "0.05s unit kv".
slowest=$(sed -n 's|^ *[0-9]*/[0-9]* [^/]* / \(.*[^ ]\)  *[A-Z][A-Za-z ]*  *\([0-9.]*s\).*|\2 \1|p' "$log" | sort -rn | head -5)
echo "the slowest: $(printf '%s\n' "$slowest" | paste -sd, | sed 's/,/, /g')"
echo "${ok:-0} passed, $failed failed, ${skipped:-0} skipped"
exit $status
