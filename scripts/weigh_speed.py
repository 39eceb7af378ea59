"""Expected speed beside measured: what `carat weigh --here` expects of decoding and what `carat bench` measures.

Usage: weigh_speed.py [--busy] CARAT MODEL [MODEL ...]
Expected is the middle of weigh's range at an empty context, measured is bench's decoding with all physical cores. A shared
machine's memory may change its speed from one second to the next, so a round looks at the machine before and after it
measures, and counts only if both looks agree within 10 %: then the ratio is of one and the same machine. Of the rounds that
count the median is taken. Prints a Markdown table; exits 1 where expected and measured differ by more than 20 %, 3 where
the machine did not keep still for long enough. Other work takes bandwidth from either side unevenly, so a machine whose
load is 0.5 or more is refused (exit 2); --busy measures all the same.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys

PROMPT, ANSWER = 16, 64  # tokens: short beside any window, so the context counts as empty
TOLERANCE = 0.20
STILL = 0.10  # two looks that differ by less are of the same machine
WANTED_ROUNDS, MOST_ROUNDS = 5, 15


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
    said = ask(carat, "bench", model, "-p", str(PROMPT), "-n", str(ANSWER), "-r", "1", "-q", "--json",
               "--thread-list", str(threads))
    return said["results"][0]["decode_per_second"]


def rounds(carat, model, threads):
    """(expected least, expected most, measured) of the rounds that count."""
    found = []
    for _ in range(MOST_ROUNDS):
        before, measured, after = expect(carat, model, threads), measure(carat, model, threads), expect(carat, model, threads)
        if abs(before[0] / after[0] - 1) <= STILL:
            found.append(((before[0] + after[0]) / 2, (before[1] + after[1]) / 2, measured))
        if len(found) == WANTED_ROUNDS:
            break
    return found


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
    carat, code = args[0], 0
    print("| model | expected decode, tok/s | middle | measured | off by | rounds: off by |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for model in args[1:]:
        name = os.path.basename(model).removesuffix(".gguf")
        threads = ask(carat, "weigh", model, "--ctx", "256", "--text-only", "--json")["point"]["threads"]
        found = sorted(rounds(carat, model, threads), key=lambda r: (r[0] + r[1]) / r[2])
        if len(found) < WANTED_ROUNDS:
            print(f"| {name} | the machine kept still in {len(found)} of {MOST_ROUNDS} rounds |", flush=True)
            code = code or 3
            continue
        least, most, measured = found[len(found) // 2]
        offs = [(r[0] + r[1]) / 2 / r[2] - 1 for r in found]
        off = offs[len(offs) // 2]
        if abs(off) > TOLERANCE:
            code = 1
        print(f"| {name} | {least:.1f}–{most:.1f} | {(least + most) / 2:.1f} | {measured:.1f} "
              f"| {100 * off:+.0f} %{' !' if abs(off) > TOLERANCE else ''} "
              f"| {', '.join(f'{100 * o:+.0f}' for o in offs)} |", flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
