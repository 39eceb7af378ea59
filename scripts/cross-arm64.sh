#!/bin/sh
# A build folder for AArch64 on another machine: cross-arm64.sh BUILD. The libraries' Debian packages for arm64 are
# fetched and unpacked inside it: nothing on the system changes, no root and no foreign architecture in dpkg is needed.
set -eu
build=$1
[ -f "$build/build.ninja" ] && exit 0
mkdir -p "$build.root"
root=$(cd "$build.root" && pwd)

fetch_libraries()
{
    apt=$root/apt
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/deb"
    : >"$apt/status"
    set -- -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User= \
        -o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache"
    apt-get "$@" update || return 1
    (cd "$apt/deb" && apt-get "$@" download libjansson4 libjansson-dev libcmocka0 libcmocka-dev) || return 1
    for deb in "$apt"/deb/*.deb; do
        dpkg -x "$deb" "$root" || return 1
    done
    rm -rf "$apt"
}

if ! [ -f "$root/usr/include/jansson.h" ] && ! fetch_libraries >"$root/log" 2>&1; then
    tail -5 "$root/log" >&2
    echo "cross-arm64: cannot fetch jansson and cmocka for arm64 (log above); Debian serves them" >&2
    exit 1
fi
cat >"$root/cross.ini" <<INI
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-gcc-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
pkg-config = 'pkg-config'
exe_wrapper = ['env', 'QEMU_LD_PREFIX=/usr/aarch64-linux-gnu',
               'QEMU_SET_ENV=LD_LIBRARY_PATH=$root/usr/lib/aarch64-linux-gnu', 'qemu-aarch64']
[properties]
sys_root = '$root'
pkg_config_libdir = '$root/usr/lib/aarch64-linux-gnu/pkgconfig'
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'armv8-a'
endian = 'little'
INI
scripts/configure.sh "$build" --cross-file "$root/cross.ini" -Ddefault_library=static -Dimages=disabled
