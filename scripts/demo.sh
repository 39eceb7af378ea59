#!/bin/sh
# Shows the real model at work: demo.sh BUILD MODEL.
set -eu
build=$1 model=$2
prompt="The three primary colours are"
echo
echo "Gemma 3 270M (a pre-trained model: it continues text) goes on from \"$prompt\":"
echo
"$build/carat" run "$model" --temp 0 -n 48 -p "$prompt"
