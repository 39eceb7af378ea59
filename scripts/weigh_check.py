"""Prediction beside reality: what `carat weigh` predicts for a model and what `carat run` really holds at its peak.

Usage: weigh_check.py CARAT FOLDER [WORD ...]
FOLDER holds the models of POINTS below (docs/measured/weigh-2026-11.md has the commands that make them); only points whose
line contains one of the words are tried. Points whose file is missing are skipped with a note. Everything that is promised is
written: contexts are filled by a prompt and an answer, those of several sessions by as many requests of a batch, the image
cache by as many pictures as it holds. There is no prefix cache, which becomes resident only as it is used. Prints a Markdown table; exits 1 where the
prediction is below the peak, or above it by more than 1 % and 8 MiB.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib

MIB = 1 << 20
REAL, B1, B1Q8, B4, B4K, B12 = ("gemma-3-270m-q4_k_m.gguf", "1b-q4_0.gguf", "1b-q8_0.gguf", "vis4b/4b-q4_0.gguf",
                                "4b-q4_k_m.gguf", "12b-q4_0.gguf")
B27 = "27b-q4_0.gguf"
SEES = "4b-l12-vision-q8_0.gguf"

# model, context, cache, sessions, images (0: text only), threads
POINTS = [
    (REAL, 512, "f16", 1, 0, 2),
    (REAL, 512, "q8_0", 1, 0, 1),
    (REAL, 2048, "f16", 1, 0, 1),
    (REAL, 4096, "f16", 1, 0, 1),
    (REAL, 4096, "f16", 1, 0, 2),
    (REAL, 8192, "f16", 1, 0, 1),
    (REAL, 8192, "f16", 1, 0, 2),
    (REAL, 4096, "q8_0", 1, 0, 1),
    (REAL, 512, "f16", 4, 0, 1),
    (REAL, 512, "q8_0", 8, 0, 1),
    (REAL, 1024, "f16", 6, 0, 2),
    (REAL, 256, "f16", 16, 0, 1),
    ("thin.gguf", 16384, "f16", 1, 0, 2),
    ("thin.gguf", 32768, "q8_0", 1, 0, 1),
    (B1, 512, "f16", 1, 0, 2),
    (B1, 1024, "f16", 1, 0, 1),
    (B1, 2048, "q8_0", 1, 0, 1),
    (B1, 512, "f16", 3, 0, 1),
    (B1Q8, 256, "f16", 1, 0, 1),
    (B1Q8, 1024, "q8_0", 1, 0, 1),
    (B1Q8, 512, "q8_0", 2, 0, 1),
    (B4, 256, "f16", 1, 0, 2),
    (B4, 512, "f16", 1, 0, 1),
    (B4, 512, "q8_0", 1, 0, 1),
    (B4, 256, "f16", 2, 0, 1),
    (B4, 512, "f16", 1, 1, 1),
    (B4, 600, "q8_0", 1, 2, 1),
    (B4K, 256, "f16", 1, 0, 1),
    (B4K, 512, "q8_0", 1, 0, 1),
    (SEES, 256, "f16", 1, 0, 1),
    (SEES, 512, "f16", 1, 1, 1),
    (SEES, 600, "q8_0", 1, 2, 1),
    (B12, 256, "f16", 1, 0, 1),
    (B12, 128, "q8_0", 1, 0, 1),
    (B12, 128, "f16", 2, 0, 1),
    (B27, 128, "f16", 1, 0, 2),
]


def png(path, seed):
    """A small picture, another one for each seed: the tower sees it scaled to its own size."""
    rows = b"".join(b"\0" + bytes((x * seed + y) % 256 for x in range(3 * 16)) for y in range(16))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def predict(carat, path, ctx, kv, sessions, images, threads):
    args = [carat, "weigh", path, "--ctx", str(ctx), "-t", str(threads), "--kv", kv, "--parallel", str(sessions),
            "--prefix-cache", "none", "--json"]
    args += ["--images", str(images), "--image-cache", str(max(images, 1))] if images else ["--text-only"]
    return json.loads(subprocess.run(args, capture_output=True, check=True).stdout)["point"]


def command(carat, folder, path, ctx, kv, sessions, images, threads):
    """The run that fills everything. A digit is a token of its own in the real vocabulary, and in a made-up one."""
    args = [carat, "run", path, "-c", str(ctx), "-t", str(threads), "--kv", kv, "-q", "--prefix-cache", "none"]
    if sessions > 1:
        lines, out = folder + "/in.jsonl", folder + "/out.jsonl"
        answer = min(64, ctx // 4)  # long enough that all run at the same time
        with open(lines, "w") as f:  # no two begin alike: nothing is shared
            for i in range(2 * sessions):
                body = {"model": "x", "prompt": f"{i:04}" + "1" * (ctx - answer - 8), "max_tokens": answer}
                print(json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/completions", "body": body}), file=f)
        if os.path.exists(out):
            os.remove(out)
        return args + ["--no-vision", "--batch", lines, "-o", out, "--parallel", str(sessions)]
    for i in range(images):
        png(f"{folder}/{i}.png", i + 3)
        args += ["--image", f"{folder}/{i}.png"]
    with open(folder + "/prompt", "w") as f:
        f.write("1" * max(1, ctx - 24 - 270 * images))
    return args + ["--raw"] * (not images) + ["--ignore-eos", "--image-cache", str(max(images, 1)), "--pan-scan", "off", "-f",
                                              folder + "/prompt"]


def peak(args):
    p = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = p.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit(f"{' '.join(args)}: {said}")
    return usage.ru_maxrss * 1024


def main():
    carat, models, words = sys.argv[1], sys.argv[2], sys.argv[3:]
    failed = False
    print("| model | context | cache | sessions | images | threads | weighed, MiB | peak resident, MiB | above, MiB | above, % |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for model, *rest in POINTS:
        path = os.path.join(models, model)
        name = os.path.basename(model).removesuffix(".gguf")
        line = f"| {name} | " + " | ".join(str(x) for x in rest)
        if words and not any(w in line for w in words):
            continue
        if not os.path.exists(path):
            print(f"{path} is missing", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            said = predict(carat, path, *rest)["total"]
            held = peak(command(carat, folder, path, *rest))
        over = said - held
        good = 0 <= over <= max(8 * MIB, held / 100)
        failed = failed or not good
        print(f"{line} | {said / MIB:.1f} | {held / MIB:.1f} | {over / MIB:+.1f} | {100 * over / held:+.2f}"
              f"{'' if good else ' !'} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
