#!/bin/sh
# Shows the real model at work: demo.sh BUILD MODEL.
set -eu
build=$1 model=$2
prompt="Photosynthesis is the process by which"
echo
echo "Gemma 3 270M, a pre-trained model, goes on from \"$prompt\":"
echo
"$build/carat" run "$model" --temp 0.7 --seed 7 -n 48 -p "$prompt"
echo
echo "Try it yourself:  $build/carat run $model \"Once upon a time\""
