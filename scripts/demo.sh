#!/bin/sh
# Shows the real model at work: demo.sh BUILD MODEL.
set -eu
build=$1 model=$2
prompt="Photosynthesis is the process by which"
echo
echo "Gemma 3 270M, a pre-trained model, continues \"$prompt\":"
echo
"$build/carat" run "$model" --temp 0.7 --seed 7 -n 48 -p "$prompt"
echo
sight=tests/golden/data/models/tiny-sight
picture=$sight/test/000-0.png
question="What is in this picture?"
echo
echo "A tiny trained model with vision (tests/golden/data/models/tiny-sight) is shown $picture:"
echo
echo "  $question"
printf '  '
"$build/carat" run "$sight" --temp 0 --image "$picture" -p "$question"
echo
echo
echo "Try it yourself:  $build/carat run $model \"Once upon a time\""
