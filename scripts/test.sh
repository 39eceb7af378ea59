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
