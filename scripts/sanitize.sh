#!/bin/sh
# The quick tests, and those that are too slow for make check alone (suite more), under a sanitizer:
# sanitize.sh address,undefined | thread. Uses a build folder of its own.
set -eu
kind=$1
build=build-$(printf %s "$kind" | tr ',' '-')
scripts/setup.sh --quiet
[ -f "$build/build.ninja" ] ||
    scripts/configure.sh "$build" -Db_sanitize="$kind" -Db_lundef=false --buildtype=debugoptimized -Ddefault_library=static
ninja -C "$build" --quiet
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
export TSAN_OPTIONS="halt_on_error=1 suppressions=$PWD/tests/tsan.supp"
if [ "$kind" = thread ]; then
    exec scripts/test.sh "$build" --except kernels --suite check --suite more --timeout-multiplier 20 # kernels have no threads
fi
exec scripts/test.sh "$build" --suite check --suite more --timeout-multiplier 20
