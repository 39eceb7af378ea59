#!/bin/sh
# Sets up a Meson build folder: configure.sh BUILD [meson options]. Shows the log's end if that fails.
set -u
build=$1
shift
if ! out=$(meson setup "$build" "$@" 2>&1); then
    printf '%s\n' "$out" | tail -20 >&2
    exit 1
fi
