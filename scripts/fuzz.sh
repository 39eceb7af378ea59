#!/bin/sh
# Fuzzes one target for a time: fuzz.sh NAME [SECONDS]. Needs clang. See fuzz/README.md.
set -eu
name=${1:?usage: fuzz.sh NAME [SECONDS]}
seconds=${2:-60}
build=build-fuzz
if [ ! -f "fuzz/fuzz_$name.c" ]; then
    echo "fuzz: no target '$name'; there are: $(ls fuzz/fuzz_*.c | sed 's|.*/fuzz_\(.*\)\.c|\1|' | tr '\n' ' ')" >&2
    exit 2
fi
[ -f $build/build.ninja ] ||
    CC=clang scripts/configure.sh $build -Dfuzz=true --buildtype=debugoptimized -Ddefault_library=static
ninja -C $build --quiet "fuzz/fuzz_$name"
mkdir -p "$build/corpus/$name" $build/crashes
# Inputs stay small; half a gigabyte of memory catches a count that was believed too early. Freed memory that the sanitizer
# keeps from being used again counts, too: by default it alone is a quarter.
status=0
UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=quarantine_size_mb=64 "$build/fuzz/fuzz_$name" "$build/corpus/$name" "fuzz/corpus/$name" \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -malloc_limit_mb=128 -max_len=65536 \
    -artifact_prefix="$build/crashes/$name-" -print_final_stats=1 2>"$build/fuzz-$name.log" || status=$?
tail -15 "$build/fuzz-$name.log"
if [ $status != 0 ]; then
    echo "fuzz: $name failed; the input is in $build/crashes, the log is $build/fuzz-$name.log" >&2
    exit 1
fi
echo "fuzz: $name ran $seconds seconds without a finding"
