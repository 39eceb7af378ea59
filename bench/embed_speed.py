#!/usr/bin/env python3
"""Embeddings a second, beside sentence-transformers and llama.cpp: embed_speed.py CARAT MODEL...

    --llama-embedding FILE --llama-model GGUF     llama.cpp's program, and what it embeds with
    --python FILE --folder DIR                    a Python that has sentence-transformers and torch, and the model's folder
    --rounds N     alternating rounds, 2          --texts N    240        --threads N    2        --json

Made-up texts of 8 to 120 words, the same every time, with the document prompt but in llama.cpp. What a program takes for one text
is taken off what it takes for all: loading does not count. What is not given is not measured.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

WORDS = ("the old baker opens his shop at six and sells warm bread to sailors who walk along the harbour while rain falls on boats maps and kites near a "
         "lighthouse keeper reading about rivers clouds winter gardens bicycles engines and songs of birds").split()

SENTENCE_TRANSFORMERS = """
import sys, time, torch
from sentence_transformers import SentenceTransformer
folder, file, threads, kind = sys.argv[1:5]
torch.set_num_threads(int(threads))
m = SentenceTransformer(folder, device="cpu", model_kwargs={"torch_dtype": getattr(torch, kind)})
texts = open(file).read().split("\\n")
m.encode(texts[:32], prompt_name="document")
begin = time.time()
m.encode(texts, prompt_name="document", batch_size=32)
print(len(texts) / (time.time() - begin))
"""


def texts(n):
    r = random.Random(5)
    return [" ".join(r.choice(WORDS) for _ in range(r.choice([8, 8, 12, 20, 20, 40, 60, 120]))) for _ in range(n)]


def seconds_of(args):
    begin = time.monotonic()
    r = subprocess.run(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if r.returncode:
        sys.exit(f"embed_speed: {args[0]} ended with {r.returncode}: {r.stderr.decode(errors='replace')[-300:]}")
    return time.monotonic() - begin


def rate_of(args_of, n, files):
    """Texts a second of a program: args_of(file) is its command."""
    return (n - 1) / (seconds_of(args_of(files["all"])) - seconds_of(args_of(files["one"])))


def programs(o, files):
    """{name: a function that measures texts a second}."""
    out, n, t = {}, o.texts, str(o.threads)
    for model in o.models:
        out["Carat, " + os.path.basename(model.rstrip("/"))] = lambda m=model: rate_of(
            lambda f: [o.carat, "embed", m, "-t", t, "--task", "document", "-f", f, "-o", files["out"], "--quiet"], n, files)
    if o.llama_embedding and o.llama_model:
        out["llama.cpp, " + os.path.basename(o.llama_model)] = lambda: rate_of(
            lambda f: [o.llama_embedding, "-m", o.llama_model, "-t", t, "-b", "512", "-ub", "512", "-f", f], n, files)
    for kind in ("float32", "bfloat16") if o.python and o.folder else ():
        out["sentence-transformers, " + kind] = lambda k=kind: float(subprocess.run(
            [o.python, "-c", SENTENCE_TRANSFORMERS, o.folder, files["all"], t, k], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
            env=dict(os.environ, HF_HUB_OFFLINE="1")).stdout.split()[-1])
    return out


def main():
    p = argparse.ArgumentParser(usage="embed_speed.py CARAT MODEL... [options]")
    p.add_argument("carat")
    p.add_argument("models", nargs="+")
    for name in "llama-embedding", "llama-model", "python", "folder":
        p.add_argument("--" + name, default="")
    for name, n in ("rounds", 2), ("texts", 240), ("threads", 2):
        p.add_argument("--" + name, type=int, default=n)
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    if o.texts < 2:
        p.error("--texts is at least 2: the time of one is taken off that of all")
    with tempfile.TemporaryDirectory() as folder:
        files = {k: os.path.join(folder, k + ext) for k, ext in (("all", ".txt"), ("one", ".txt"), ("out", ".f32"))}
        all_of = texts(o.texts)
        for k, lines in ("all", all_of), ("one", all_of[:1]):
            with open(files[k], "w") as f:
                f.write("\n".join(lines))
        measures = programs(o, files)
        found = {name: [] for name in measures}
        for _ in range(o.rounds):
            for name, measure in measures.items():
                found[name].append(measure())
    if o.json:
        print(json.dumps(found))
        return
    print(f"{o.texts} texts, {sum(len(t.split()) for t in all_of)} words, {o.threads} threads, {o.rounds} alternating rounds\n")
    print("| | texts a second | median |\n| --- | --- | ---: |")
    for name, rates in found.items():
        print(f"| {name} | {', '.join(f'{r:.1f}' for r in rates)} | {statistics.median(rates):.1f} |")


if __name__ == "__main__":
    sys.exit(main())
