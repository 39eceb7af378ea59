#!/bin/sh
# The kernel cross-check on CPUs that this machine is not, in an emulator, one a level. For each the program must itself
# choose the right level, meet no illegal instruction and pass. A level that the emulator has no CPU for is named. Then
# the golden text and vision cases on AArch64, on its oldest and its newest level.
#     check-cpu.sh [--all] [BUILD]     --all: then also every other quick test, on the oldest x86 and the newest AArch64
set -u
all=no build=build
for arg in "$@"; do
    case $arg in
    --all) all=yes ;;
    -*) echo "usage: check-cpu.sh [--all] [BUILD]" >&2; exit 2 ;;
    *) build=$arg ;;
    esac
done
arm=build-arm64
scripts/setup.sh --quiet --cross || exit 1
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

[ "$(uname -m)" = x86_64 ] || { echo "check-cpu: written for an x86-64 machine; on this one run: make check" >&2; exit 1; }
[ -f "$build/build.ninja" ] || scripts/configure.sh "$build" || exit 1
scripts/cross-arm64.sh "$arm" || exit 1
ninja -C "$build" --quiet tests/kernels/test_kernels || exit 1
ninja -C "$arm" --quiet tests/kernels/test_kernels tests/golden/golden_text tests/golden/golden_vision || exit 1

# AVX2 came to qemu's user mode with 7.2.
version=$(qemu-x86_64 --version | sed -n 's/.*version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
has_avx2=$(set -- $version; [ "${1:-0}" -gt 7 ] || { [ "${1:-0}" = 7 ] && [ "${2:-0}" -ge 2 ]; } && echo yes)

emulate()
{
    cpu=$1
    shift
    case $1 in
    "$arm"/*) QEMU_CPU=$cpu QEMU_LD_PREFIX=/usr/aarch64-linux-gnu qemu-aarch64 \
        -E LD_LIBRARY_PATH="$(pwd)/$arm.root/usr/lib/aarch64-linux-gnu:$(pwd)/$arm.root/lib/aarch64-linux-gnu" "$@" ;;
    *) QEMU_CPU=$cpu qemu-x86_64 "$@" ;;
    esac
}

# check CPU LEVEL PROGRAM: writes one line to the log, and a file LOG.failed if it is a bad one.
check()
{
    cpu=$1 level=$2 began=$(date +%s)
    emulate "$cpu" "$3" >"$log/$cpu.out" 2>&1
    status=$?
    took=$(($(date +%s) - began))
    verdict=$(sed -n "s/^$level: \([0-9]* kernels checked\), 0 failures$/\1/p" "$log/$cpu.out")
    if [ $status = 0 ] && [ -n "$verdict" ]; then
        printf '%-12s %-8s passed: %s in %d s\n' "$cpu" "$level" "$verdict" $took
    else
        printf '%-12s %-8s FAILED: exit %d, expected level %s without failures\n' "$cpu" "$level" $status "$level"
        grep -v '^qemu.*warning' "$log/$cpu.out" | tail -5 | sed 's/^/    /'
        : >"$log/$cpu.failed"
    fi
}

# golden CPU LEVEL CASES: the reference's text (or vision) cases, computed whole on that level.
golden()
{
    cpu=$1 level=$2 cases=$3 began=$(date +%s)
    if emulate "$cpu" "$arm/tests/golden/golden_$cases" --level "$level" >"$log/$cpu.$cases" 2>&1; then
        printf '%-12s %-8s passed: golden %s in %d s\n' "$cpu" "$level" "$cases" $(($(date +%s) - began))
    else
        printf '%-12s %-8s FAILED: golden %s\n' "$cpu" "$level" "$cases"
        grep -v '^qemu.*warning' "$log/$cpu.$cases" | tail -5 | sed 's/^/    /'
        : >"$log/$cpu.$cases.failed"
    fi
}

# not_emulated PROGRAM LEVEL...: the program's other levels, which only a machine that has them can check.
not_emulated()
{
    program=$1
    shift
    emulate max "$program" --levels 2>/dev/null | while read -r level; do
        case " $* " in
        *" $level "*) ;;
        *) printf '%-12s %-8s not emulated; on a machine that has it: make check\n' - "$level" ;;
        esac
    done
}

x86()
{
    check Nehalem generic "$build/tests/kernels/test_kernels"
    if [ "$has_avx2" = yes ]; then
        check Haswell avx2 "$build/tests/kernels/test_kernels"
    else
        echo "Haswell      avx2     skipped: qemu $version has no AVX2 (7.2 has)"
    fi
    not_emulated "$build/tests/kernels/test_kernels" generic avx2
}

arm64()
{
    check cortex-a53 neon "$arm/tests/kernels/test_kernels"
    check neoverse-n1 dotprod "$arm/tests/kernels/test_kernels"
    check max i8mm "$arm/tests/kernels/test_kernels"
    not_emulated "$arm/tests/kernels/test_kernels" generic neon dotprod i8mm
}

# Two at a time: the emulator is one thread.
{ x86; golden cortex-a53 neon vision; golden max i8mm vision; golden cortex-a53 neon text; } &
{ arm64; golden max i8mm text; }
wait

if [ $all = yes ]; then
    ninja -C "$build" --quiet && ninja -C "$arm" --quiet || exit 1
    QEMU_CPU=Nehalem meson test -C "$build" --no-rebuild --wrapper qemu-x86_64 --no-suite long --no-suite exhaustive --timeout-multiplier 40 \
        --print-errorlogs || : >"$log/x86.failed"
    QEMU_CPU=max meson test -C "$arm" --no-rebuild --no-suite long --no-suite exhaustive --timeout-multiplier 40 --print-errorlogs ||
        : >"$log/arm.failed"
fi
failed=$(ls "$log" | grep -c '\.failed$')
[ "$failed" = 0 ] && echo "check-cpu: all passed" || echo "check-cpu: $failed failed"
[ "$failed" = 0 ]
