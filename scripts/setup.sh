#!/bin/sh
# Installs the Debian/Ubuntu packages that are missing and lists them. Does nothing if none is.
#   --quiet  print nothing when nothing is missing     --cross  also what check-cpu needs     --fuzz  also what fuzz needs
set -eu

packages="gcc libc6-dev make meson ninja-build pkg-config libjansson-dev libjpeg-dev libspng-dev libwebp-dev libgif-dev libedit-dev libcmocka-dev nettle-dev libmicrohttpd-dev libcurl4-gnutls-dev python3 python3-pip bubblewrap"
quiet=no
for arg in "$@"; do
    case $arg in
    --quiet) quiet=yes ;;
    --cross) packages="$packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user" ;;
    --fuzz) packages="$packages clang llvm libclang-rt-dev" ;;
    --dev) packages="$packages clang clang-format" ;;
    *) echo "setup: unknown option $arg" >&2; exit 2 ;;
    esac
done

# A tool that was installed in another way (a meson from pip, another compiler) counts as installed.
have()
{
    case $1 in
    gcc) command -v cc >/dev/null && return 0 ;;
    bubblewrap) command -v bwrap >/dev/null && return 0 ;;
    make | meson | python3 | clang | clang-format) command -v "$1" >/dev/null && return 0 ;;
    ninja-build) command -v ninja >/dev/null && return 0 ;;
    pkg-config) command -v pkg-config >/dev/null && return 0 ;;
    libclang-rt-dev) # the fuzzer's and the sanitizers' libraries; older releases have them in clang itself
        command -v clang >/dev/null && ls "$(clang -print-runtime-dir)"/libclang_rt.fuzzer* >/dev/null 2>&1 && return 0 ;;
    python3-pip) python3 -m pip --version >/dev/null 2>&1 && return 0 ;;
    lib*-dev | nettle-dev)
        command -v pkg-config >/dev/null || return 1
        case $1 in
        libjansson-dev) pkg-config --exists jansson && return 0 ;;
        libjpeg-dev) pkg-config --exists libjpeg && return 0 ;;
        libspng-dev) pkg-config --exists spng && return 0 ;;
        libwebp-dev) pkg-config --exists libwebp libwebpdemux && return 0 ;;
        libgif-dev) pkg-config --exists libgif && return 0 ;;
        libedit-dev) pkg-config --exists libedit && return 0 ;;
        nettle-dev) pkg-config --exists nettle && return 0 ;;
        libmicrohttpd-dev) pkg-config --exists libmicrohttpd && return 0 ;;
        libcurl4-gnutls-dev) pkg-config --exists libcurl && return 0 ;;
        libcmocka-dev) pkg-config --exists cmocka && return 0 ;;
        esac ;;
    esac
    dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

missing=
for p in $packages; do
    have "$p" || missing="$missing $p"
done
if [ -z "$missing" ]; then
    [ $quiet = yes ] || echo "setup: everything needed is installed"
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "setup: please install the equivalents of these Debian packages:$missing" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "setup: as root, run: apt-get install$missing" >&2; exit 1; }
    sudo=sudo
fi
echo "setup: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    echo "setup: apt-get failed; the lines above say why" >&2
    exit 1
fi
echo "setup: done"
