#!/bin/sh
# What must hold before a change is shared; stops at the first thing that does not.
set -eu
scripts/setup.sh --quiet --dev
step() { printf '== %s\n' "$*"; }
fail() { printf 'precommit: %s\n' "$*" >&2; exit 1; }

step "clang-format"
git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror 2>&1 | head -20 | grep . && fail "run: make format"

step "heads of files, banned functions, links of the documentation"
scripts/check_text.py

step "rooms"
scripts/map.sh >/dev/null

for compiler in gcc clang; do
    step "$compiler, warnings as errors"
    build=build-werror-$compiler
    [ -f $build/build.ninja ] || CC=$compiler scripts/configure.sh $build -Dwerror=true
    ninja -C $build --quiet
done

step "each public header alone, as C and as C++"
for lang in c c++; do
    for header in carat carat_weigh; do
        echo "#include \"$header.h\"" | gcc -x $lang -Wall -Wextra -Werror -Iinclude -fsyntax-only -
    done
done

step "exported symbols"
if nm -D --defined-only build-werror-gcc/libcarat.so.0 | awk '$2 ~ /[TDBR]/ { print $3 }' | grep -v '^carat_'; then
    fail "every exported symbol starts with carat_"
fi

step "check under ASan and UBSan"
scripts/sanitize.sh address,undefined
