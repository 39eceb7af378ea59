#!/bin/sh
# The real model with an adapter that chats and calls functions: chat_model.sh BUILD MODEL OUT. Returns at once if the file is there
# and newer than both.
set -eu
build=$1 model=$2 out=$3
from=tests/golden/data/models/chat-270m
if [ "$out" -nt "$model" ] && [ "$out" -nt "$from/adapter.gguf" ]; then
    exit 0
fi
"$build/carat" merge "$model" "$from/adapter.gguf" --chat-template "$from/chat_template.jinja" --quiet -o "$out"
