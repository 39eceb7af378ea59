#!/usr/bin/env python3
"""What a LoRA adapter costs: adapter_speed.py CARAT MODEL ADAPTER

    --rounds N     alternating rounds, 3        --threads N    2
    --prompt N     512 tokens                   --predict N    64        --json

`carat bench` without an adapter, with it, and with it loaded at scale 0, in turn; shown is the median of the rounds' ratios to
the run without in the same round.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import statistics
import subprocess
import sys

WAYS = {"without": [], "with the adapter": ["--lora", "a={}"], "loaded with scale 0": ["--lora", "a={}=0"]}


def bench(o, lora):
    out = subprocess.run([o.carat, "bench", o.model, *(x.format(o.adapter) for x in lora), "-p", str(o.prompt), "-n", str(o.predict), "-r", "3",
                          "--thread-list", str(o.threads), "--quiet", "--json"], stdout=subprocess.PIPE, check=True).stdout
    r = json.loads(out)["results"][-1]
    return r["prefill_per_second"], r["decode_per_second"]


def main():
    p = argparse.ArgumentParser(usage="adapter_speed.py CARAT MODEL ADAPTER [--rounds N] [--threads N] [--prompt N] [--predict N] [--json]")
    for name in "carat", "model", "adapter":
        p.add_argument(name)
    for name, n in ("rounds", 3), ("threads", 2), ("prompt", 512), ("predict", 64):
        p.add_argument("--" + name, type=int, default=n)
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    rounds = [{way: bench(o, lora) for way, lora in WAYS.items()} for _ in range(o.rounds)]
    rows = []
    for way in WAYS:
        speed = [statistics.median(r[way][i] for r in rounds) for i in (0, 1)]
        ratio = [statistics.median(r[way][i] / r["without"][i] for r in rounds) for i in (0, 1)]
        rows.append({"way": way, "prefill_per_second": speed[0], "decode_per_second": speed[1], "prefill_ratio": ratio[0], "decode_ratio": ratio[1]})
    if o.json:
        print(json.dumps(rows))
        return
    print("| | prefill, tok/s | of that without | decode, tok/s | of that without |\n| --- | ---: | ---: | ---: | ---: |")
    for r in rows:
        print(f"| {r['way']} | {r['prefill_per_second']:.0f} | {r['prefill_ratio']:.2f} | {r['decode_per_second']:.1f} | {r['decode_ratio']:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
