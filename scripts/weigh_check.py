"""Prediction beside reality: what `carat weigh` says of a model and what `carat run` really holds at its peak.

Usage: weigh_check.py CARAT POINT [POINT ...]
A point is MODEL:CONTEXT[:THREADS[:KV]], for example models/gemma-3-270m-q4_k_m.gguf:4096:2:q8_0. The context is filled: every
page that was promised is written. The prefix cache becomes resident only as it is used, so the peak belongs between the
prediction without it and the whole. Prints a Markdown table; exits 1 where the prediction is below the peak, or without
the prefix cache above it by more than 1 % and 8 MiB.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys

MIB = 1 << 20


def predict(carat, model, ctx, threads, kv):
    args = [carat, "weigh", model, "--ctx", str(ctx), "-t", threads, "--kv", kv, "--text-only", "--json"]
    return json.loads(subprocess.run(args, capture_output=True, check=True).stdout)["point"]


def peak(carat, model, ctx, threads, kv):
    """Peak resident bytes of a run that fills the context. A digit is a token of its own."""
    prompt = "1" * max(1, ctx - 9)
    args = [carat, "run", model, "-c", str(ctx), "-t", threads, "--kv", kv, "-f", "/dev/stdin", "-n", "8"]
    args += ["--ignore-eos", "-q"]
    p = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    p.stdin.write(prompt.encode())
    p.stdin.close()
    said = p.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit(f"{' '.join(args)}: {said}")
    return usage.ru_maxrss * 1024


def main():
    carat, points = sys.argv[1], sys.argv[2:]
    failed = False
    print("| model | context | threads | cache | weighed, MiB | of it prefix cache | peak resident, MiB | difference, MiB |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |")
    for point in points:
        model, ctx, threads, kv = (point.split(":") + ["2", "f16"][max(0, point.count(":") - 1):])[:4]
        said_of = predict(carat, model, int(ctx), threads, kv)
        said, kept, held = said_of["total"], said_of["bytes"]["kv_kept"], peak(carat, model, int(ctx), threads, kv)
        over = said - held
        good = over >= 0 and (over - kept <= 8 * MIB or over - kept <= held / 100)
        failed = failed or not good
        print(f"| {os.path.basename(model)} | {ctx} | {threads} | {kv} | {said / MIB:.1f} | {kept / MIB:.1f} "
              f"| {held / MIB:.1f} | {over / MIB:+.1f}{'' if good else ' !'} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
