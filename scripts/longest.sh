#!/bin/sh
# The longest files and functions of the source, longest first: a reading list, not a gate.
set -eu
echo "files (lines)"
git ls-files 'src/*.[ch]' 'cli/*.[ch]' 'include/*.h' | xargs wc -l | grep -v ' total$' | sort -rn | head -12
command -v ctags >/dev/null || { echo "functions: install universal-ctags to list them"; exit 0; }
echo "functions (lines)"
git ls-files 'src/*.c' 'src/*.h' 'cli/*.c' |
    xargs ctags -f - --languages=C --kinds-C=f --fields=+ne --sort=no 2>/dev/null |
    awk -F'\t' '{ s = e = 0; for (i = 4; i <= NF; i++) { if ($i ~ /^line:/) s = substr($i, 6); if ($i ~ /^end:/) e = substr($i, 5) }
                  if (e) printf "%5d %s %s\n", e - s + 1, $1, $2 }' | sort -rn | head -20
