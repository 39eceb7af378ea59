#!/bin/sh
# Runs the tests of a build folder and closes with one line that counts them: test.sh BUILD [meson test options].
set -u
build=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
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
echo "${ok:-0} passed, $failed failed, ${skipped:-0} skipped"
exit $status
