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
    # All that the libraries need of each other, but not what the cross compiler brings itself.
    wanted=$(apt-get "$@" install --print-uris -y --no-install-recommends libjansson-dev libcmocka-dev libjpeg-dev \
        libspng-dev libwebp-dev libgif-dev nettle-dev libmicrohttpd-dev libcurl4-gnutls-dev libedit-dev | sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" |
        grep -vE '^(libc6|libc6-dev|libc-dev-bin|libgcc-s1|gcc-.*-base|linux-libc-dev|libcrypt.*|libnsl.*|libtirpc.*|libk.*|libgssapi.*|libcom-err2|libssl.*|rpcsvc-proto|debconf|libcmocka-doc)$')
    [ -n "$wanted" ] || return 1
    (cd "$apt/deb" && apt-get "$@" download $wanted) || return 1
    for deb in "$apt"/deb/*.deb; do
        dpkg -x "$deb" "$root" || return 1
    done
    rm -rf "$apt"
}

if ! [ -f "$root/usr/include/jansson.h" ] && ! fetch_libraries >"$root/log" 2>&1; then
    tail -5 "$root/log" >&2
    echo "cross-arm64: cannot fetch the libraries for arm64 (log above); Debian serves them" >&2
    exit 1
fi
libs=$root/usr/lib/aarch64-linux-gnu
cat >"$root/cross.ini" <<INI
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-gcc-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
pkg-config = 'pkg-config'
exe_wrapper = ['env', 'QEMU_LD_PREFIX=/usr/aarch64-linux-gnu',
               'QEMU_SET_ENV=LD_LIBRARY_PATH=$libs:$root/lib/aarch64-linux-gnu', 'qemu-aarch64']
[built-in options]
c_args = ['-isystem', '$root/usr/include', '-isystem', '$root/usr/include/aarch64-linux-gnu']
c_link_args = ['-L$libs', '-Wl,-rpath-link,$libs:$root/lib/aarch64-linux-gnu']
[properties]
sys_root = '$root'
pkg_config_libdir = '$libs/pkgconfig:$root/usr/share/pkgconfig'
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'armv8-a'
endian = 'little'
INI
scripts/configure.sh "$build" --cross-file "$root/cross.ini" -Ddefault_library=static
