#!/bin/sh
# Drives carat chat with servers of the Model Context Protocol that others have written: scripts/try_mcp.sh BUILD MODEL
# They are installed (pip, npm) into a folder that is deleted again. MODEL must be one that calls functions, like the one that
# `make model` makes. SPDX-License-Identifier: Apache-2.0
set -eu
[ $# -eq 2 ] || { echo "usage: scripts/try_mcp.sh BUILD MODEL" >&2; exit 2; }
carat=$1/carat model=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/py"
"$dir/py/bin/pip" install --quiet mcp-server-time
npm install --silent --prefix "$dir/js" @modelcontextprotocol/server-everything @modelcontextprotocol/server-filesystem
echo "a small file" > "$dir/a.txt"
bin=$dir/js/node_modules/.bin

# say COMMAND MESSAGE: what the chat shows, errors and all
say() {
    echo "== $1"
    printf '%s\n/tools\n' "$2" | "$carat" chat "$model" --mcp "$1" --yes --temp 0 -c 8192 2>&1
}

say "$dir/py/bin/mcp-server-time --local-timezone Europe/Oslo" "What is the current time in Asia/Tokyo?"
say "$bin/mcp-server-filesystem $dir" "List the directory $dir"
say "$bin/mcp-server-everything" "Echo the message hello"
