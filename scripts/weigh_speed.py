"""Expected speed beside measured: what `carat weigh --here` expects of decoding and what `carat bench` measures.

Usage: weigh_speed.py [--busy] CARAT MODEL [MODEL ...]
Expected is the middle of weigh's range at an empty context, the mean of one look at the machine before and one after
the measurement: its speed may drift. Measured is the median of bench's runs with all physical cores. Prints a Markdown
table; exits 1 where they differ by more than 20 % of what was measured. Other work takes bandwidth from either side
unevenly, so a machine whose load is 0.5 or more is refused (exit 2); --busy measures all the same.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys

PROMPT, ANSWER = 16, 64  # tokens: short beside any window, so the context counts as empty
TOLERANCE = 0.20


def ask(*args):
    p = subprocess.run(args, capture_output=True, text=True)
    if p.returncode:
        sys.exit(f"{' '.join(args)}: {p.stderr.strip()}")
    return json.loads(p.stdout)


def expect(carat, model, threads):
    """Least and most, in tokens a second."""
    said = ask(carat, "weigh", model, "--ctx", "256", "-t", str(threads), "--text-only", "--here", "--json")
    return said["point"]["expected"]["decode_per_second"]


def measure(carat, model, threads):
    said = ask(carat, "bench", model, "-p", str(PROMPT), "-n", str(ANSWER), "-q", "--json",
               "--thread-list", str(threads))
    return said["results"][0]["decode_per_second"]


def main():
    args, busy = sys.argv[1:], False
    if args[:1] == ["--busy"]:
        args, busy = args[1:], True
    if len(args) < 2:
        sys.exit(__doc__)
    load = os.getloadavg()[0]
    if load >= 0.5 and not busy:
        print(f"weigh_speed: the load is {load:.2f}, expected less than 0.5; --busy measures all the same",
              file=sys.stderr)
        sys.exit(2)
    carat, failed = args[0], False
    print("| model | expected decode, tok/s | middle | measured | off by |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for model in args[1:]:
        threads = ask(carat, "weigh", model, "--ctx", "256", "--text-only", "--json")["point"]["threads"]
        before = expect(carat, model, threads)
        measured = measure(carat, model, threads)
        after = expect(carat, model, threads)
        least, most = ((b + a) / 2 for b, a in zip(before, after))
        middle = (least + most) / 2
        off = middle / measured - 1
        failed = failed or abs(off) > TOLERANCE
        print(f"| {os.path.basename(model).removesuffix('.gguf')} | {least:.1f}–{most:.1f} | {middle:.1f} "
              f"| {measured:.1f} | {100 * off:+.0f} %{' !' if abs(off) > TOLERANCE else ''} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
