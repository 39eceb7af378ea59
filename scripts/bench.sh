#!/bin/sh
# Speed of the model beside the machine's read bandwidth and of a vision tower beside its dot products, or of one
# kernel: bench.sh BUILD MODEL [WORDS of the kernel's name].
set -eu
build=$1 model=$2 kernel=${3:-}
if [ -n "$kernel" ]; then
    exec "$build/carat" bench kernels $kernel
fi
[ -f "$model" ] || { echo "bench: $model is missing; make model fetches it" >&2; exit 1; }
load=$(cut -d' ' -f1 /proc/loadavg)
case $load in
0.[0-4]*) ;;
*) echo "bench: the machine is busy (load $load): figures will be low" >&2 ;;
esac
"$build/carat" bench "$model"
echo
"$build/carat" bench "$model" --parallel 8 -p 64

# Response formats, with Gemma's vocabulary.
echo
"$build/bench/bench_grammar" "$model"

# The vision tower in the shape of Gemma 3 4B, of random weights.
tower=$build/bench-mmproj-4b.gguf
trap 'rm -f "$tower"' EXIT
"$build/carat" synth 4b --mmproj --quiet -o "$tower"
echo
"$build/bench/bench_vision" "$tower"
