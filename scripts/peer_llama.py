#!/usr/bin/env python3
"""What `carat synth` writes, loaded by llama.cpp: every type of weights and of towers, logits and soft tokens side by side.

    peer_llama.py CARAT SOURCE BUILD      llama.cpp's source and a build of it with cmake (targets llama and mtmd, static:
                                          -DBUILD_SHARED_LIBS=OFF); builds scripts/peer_llama.cpp against it

Prints a table (docs/measured/llama-files-2026-11.md). Fails if a file is refused, or if the difference is beyond the
bound beside it: the root mean square of it over the deviation of the values.

SPDX-License-Identifier: Apache-2.0
"""
import array
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib

SHAPE = "--layers 8 --hidden 256 --ffn 512 --heads 4 --kv-heads 2 --head-dim 64 --window 8 --context 512".split()
IDS = [2, 105, 500, 501, 600, 502, 107, 777, 800, 900, 650, 505, 106, 510, 511, 512, 30, 31, 700, 701]
# llama.cpp's own arithmetic sets the bounds: its GELU is a table in float16 (2^-11 of a value), it multiplies bfloat16
# weights with activations rounded to bfloat16 (2^-9), and quantised ones with activations in 8 bits (some 2^-8 of a
# block's largest value, about three deviations), layer after layer.
TYPES = {"f32": 0.001, "f16": 0.002, "bf16": 0.015, **dict.fromkeys(
    "q8_0 q6_k q5_k_m q4_k_m q4_0 q4_1 q5_0 q5_1 q3_k_m q2_k iq4_xs iq4_nl iq3_m iq3_s iq3_xxs iq2_m iq2_s iq2_xs "
    "iq2_xxs iq1_m iq1_s".split(), 0.06)}
TOWERS = {"f32": 0.001, "f16": 0.002, "bf16": 0.006, "q8_0": 0.006}


def build(source, tree, out):
    libs = [os.path.join(tree, p) for p in ("tools/mtmd/libmtmd.a", "src/libllama.a", "ggml/src/libggml.a",
                                            "ggml/src/libggml-cpu.a", "ggml/src/libggml-base.a")]
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run(["c++", "-O1", *(f"-I{source}/{d}" for d in ("include", "ggml/include", "tools/mtmd")),
                    here + "/peer_llama.cpp", "-o", out, *libs, "-fopenmp", "-lpthread", "-lm", "-ldl"], check=True)


def floats(path):
    a = array.array("f")
    with open(path, "rb") as f:
        a.frombytes(f.read())
    return a


def compare(name, ours, theirs, bound):
    if len(ours) != len(theirs):
        sys.exit(f"{name}: {len(ours)} values and {len(theirs)}")
    mean = math.fsum(ours) / len(ours)
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in ours) / len(ours))
    rms = math.sqrt(math.fsum((x - y) ** 2 for x, y in zip(ours, theirs)) / len(ours)) / deviation
    print(f"| {name} | {rms:.1e} | {bound} |", flush=True)
    if not rms <= bound:
        sys.exit(f"{name}: beyond the bound")


def write_png(path, side, rgb):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + rgb[y * side * 3:(y + 1) * side * 3] for y in range(side))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main():
    carat, source, tree = sys.argv[1:]
    folder = tempfile.TemporaryDirectory()
    at = lambda name: os.path.join(folder.name, name)
    run = lambda *a: subprocess.run(a, check=True, stderr=subprocess.DEVNULL)
    build(source, tree, at("peer"))
    ids = [str(i) for i in IDS]
    print("| file | difference | bound |\n| --- | ---: | ---: |")
    for t, bound in TYPES.items():
        run(carat, "synth", "4b", *SHAPE, "--vocab", "1024", "--type", t, "-o", at("m.gguf"))
        run(at("peer"), "text", at("m.gguf"), at("theirs"), *ids)
        run(carat, "logits", at("m.gguf"), "--ids", ",".join(ids), "--exact", "-o", at("ours"))
        compare(f"text, {t}", floats(at("ours")), floats(at("theirs")), bound)
    rng, side = random.Random(1), 896
    cells = [bytes(rng.randrange(256) for _ in range(3)) for _ in range(196)] # 14 x 14 squares of one colour
    rgb = b"".join(cells[y // 64 * 14 + x // 64] for y in range(side) for x in range(side))
    write_png(at("im.png"), side, rgb)
    with open(at("im.rgb"), "wb") as f:
        f.write(rgb)
    run(carat, "synth", "4b", *SHAPE, "--type", "f32", "-o", at("text.gguf"))
    for t, bound in TOWERS.items():
        run(carat, "synth", "4b", *SHAPE, "--mmproj", "--tower-layers", "3", "--tower-type", t, "-o", at("mmproj.gguf"))
        run(at("peer"), "see", at("text.gguf"), at("mmproj.gguf"), str(side), str(side), at("im.rgb"), at("theirs"))
        run(carat, "logits", at("text.gguf"), "--mmproj", at("mmproj.gguf"), "--image", at("im.png"), "--pan-scan", "off",
            "--exact", "--soft-tokens", at("ours"))
        compare(f"mmproj, {t}", floats(at("ours")), floats(at("theirs")), bound)


main()
