"""The program with any one allocation refused, or all from some point on: the answer, whole, or an error that names
memory; never a signal, never half an answer that counts as one.

    test_program.py CARAT DATA FAIL_SO [--all]        --all: many more of them

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import subprocess
import sys
import tempfile

CARAT, DATA, FAIL = map(os.path.abspath, sys.argv[1:4])
CLI = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../unit/cli")
sys.path.insert(0, CLI)
from models import speaker  # noqa: E402

TINY, SIGHT, ENCODER = (DATA + "/models/tiny-" + name for name in ("text", "sight", "encoder"))
GGUF = TINY + "/gguf/tiny-text-f32.gguf"
LAST = 1000  # of a command's allocations: what the program does itself, after the model is open
FEW = 100    # then each of them
STEPS = (20, 1) if "--all" in sys.argv else (500, 80)  # before these, and among them; test_memory.c has the opening
LINE = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions",
        "body": {"messages": [{"role": "user", "content": "a red star"}], "max_tokens": 6, "temperature": 0, "seed": 1,
                 "logprobs": True, "top_logprobs": 2, "stop": ["never"], "logit_bias": {"7": -1}}}


def run(args, stdin, at, onwards=False):
    """at 0: nothing is refused. Returns the result and how many allocations there were."""
    with tempfile.NamedTemporaryFile("r") as log:
        env = {**os.environ, "LD_PRELOAD": FAIL, "FAIL_AT": str(at), "FAIL_LOG": log.name}
        if onwards:
            env["FAIL_FROM"] = "1"
        r = subprocess.run([CARAT, *args], input=stdin, capture_output=True, timeout=120, env=env)
        calls = re.match(r"(\d+) calls", log.read())
        return r, int(calls[1]) if calls else 0


def complain(args, at, onwards, r, why):
    sys.exit(f"carat {' '.join(args)}: allocation {at}{' and all later ones' if onwards else ''} refused: {why}; "
             f"exit {r.returncode}, stdout {r.stdout[-300:]}, stderr {r.stderr[-300:]}")


def sweep(args, stdin, whole, check=lambda r: None):
    """whole(): is this stdout the answer? check(): what else must hold, after every run; it may stop the sweep."""
    r, calls = run(args, stdin, 0)
    if r.returncode != 0 or not whole(r.stdout) or calls == 0:
        complain(args, 0, False, r, "it fails untouched")
    late = max(1, calls - LAST)
    tried = [*range(1, late, STEPS[0]), *range(late, calls + 1, STEPS[1] if calls > FEW else 1)]
    for onwards in False, True:
        for at in tried:
            r, _ = run(args, stdin, at, onwards)
            wrong = check(r)
            if wrong:
                complain(args, at, onwards, r, wrong)
            is_told = args[0] == "chat" and b"memory" in r.stderr  # it goes on after an error
            if r.returncode == 0 and not whole(r.stdout) and not is_told:
                complain(args, at, onwards, r, "success, and not the answer")
            if r.returncode not in (0, 1):
                complain(args, at, onwards, r, "neither success nor an error")
            if r.returncode == 1 and not re.search(b"memory|thread", r.stderr + r.stdout):
                complain(args, at, onwards, r, "the error names neither memory nor a thread")
    print(f"{' '.join(args)[:60]:60} {calls:5} allocations, {len(tried)} of them refused", flush=True)


def tools(folder):
    """Tools of a file and of a server, called. They run without what refuses our memory."""
    with open(folder + "/tools.json", "w") as f:
        json.dump([{"name": "echo", "command": ["/usr/bin/env", "-u", "LD_PRELOAD", "cat"],
                    "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}], f)
    model = speaker(TINY + "/gguf/tiny-text-f32.gguf", folder + "/speaker.gguf", '{"name": "echo", "parameters": {"x": 1}}')
    for args in ["--tools", folder + "/tools.json"], ["--mcp", f"/usr/bin/env -u LD_PRELOAD {sys.executable} -S -E '{CLI}/fake_mcp.py'"]:
        args = ["chat", model, *args, "--yes", "--temp", "0", "--max-rounds", "1", "-t", "1", "-c", "1024"]
        stdin = b"hello\n/tools\n"
        want = subprocess.run([CARAT, *args], input=stdin, capture_output=True, check=True).stdout
        sweep(args, stdin, lambda s: s == want)


def batch(folder):
    out = folder + "/out.jsonl"

    want = []

    def lines_are_whole(r):
        """Every line that was written is a response to one of ours; success is all of them, answered as ever."""
        try:
            with open(out) as f:
                rows = {row["custom_id"]: row["response"] for row in map(json.loads, f)}
            os.remove(out)
        except FileNotFoundError:
            rows = {}
        if not set(rows) <= {"1", "2"}:
            return f"strange lines {rows}"
        if r.returncode == 0:
            got = [rows[i]["body"]["choices"] for i in sorted(rows)]
            want.append(got)
            if len(rows) < 2 or got != want[0]:
                return f"success, and not the answers: {got}"
        return None

    with open(folder + "/in.jsonl", "w") as f:
        f.write(json.dumps(LINE) + "\n" + json.dumps({**LINE, "custom_id": "2"}) + "\n")
    sweep(["run", TINY, "--batch", folder + "/in.jsonl", "-o", out, "-t", "1", "-c", "128", "-q"], b"", lambda s: s == b"",
          lines_are_whole)


def writes(args, folder, least):
    """A command that writes files: with success they are all there, as ever; without, none is half written."""
    want = []

    def files_are_whole(r):
        got = {}
        for name in sorted(os.listdir(folder)):
            with open(f"{folder}/{name}", "rb") as f:
                got[name] = f.read()
            os.remove(f"{folder}/{name}")
        want.append(got)
        if r.returncode == 0 and (got != want[0] or len(got) < least):
            return f"success, and not the files: {sorted(got)} of {sorted(want[0])}"
        if any(want[0].get(k) != v for k, v in got.items()):
            return f"half a file: {sorted(got)}"
        return None

    whole = subprocess.run([CARAT, *args], capture_output=True, check=True).stdout
    files_are_whole(subprocess.CompletedProcess(args, 0))
    sweep(args, b"", lambda s: s == whole, files_are_whole)


def commands():
    greedy = ["--temp", "0", "--seed", "1", "-n", "6", "-t", "1", "-c", "256"]
    for args, stdin in [
        (["run", TINY, "-p", "a red star", *greedy, "--json", "--logprobs", "2"], b""),
        (["run", SIGHT, "--image", SIGHT + "/test/000-0.png", "-p", "What is it?", *greedy], b""),
        (["chat", SIGHT, *greedy], b"hello\n/retry\n/undo\n/show\n/bye\n"),
        (["decide", TINY, "a red star", "--choice", "yes,no,a star", "-t", "1", "-c", "256"], b""),
        (["decide", SIGHT, "--image", SIGHT + "/test/000-0.png", "-p", "What is it?", "--levels", "1..3", "-t", "1", "-c", "256", "--json"], b""),
        (["decide", TINY, "--jsonl", "-", "-t", "1", "-c", "256"], b'{"prompt": "a", "choices": ["b", "c"], "id": 1}\n{"messages": [{"role": "user", "content": "x"}], "levels": ["d", "e"]}\n'),
        (["tokenize", TINY, "--json", "a red star"], b""),
        (["tokenize", TINY, "--pieces", "a red star"], b""),
        (["tokenize", TINY, "--jsonl"], b'{"text": "a red star"}\n{"text": "b", "add_special": false}\n'),
        (["detokenize", TINY, "--jsonl"], b'{"ids": [2, 30, 31]}\n{"ids": [300]}\n'),
        (["info", SIGHT], b""),
        (["info", SIGHT, "--json"], b""),
        (["info", GGUF, "--compare", TINY, "--json"], b""),
        (["embed", ENCODER, "--task", "query", "a red star", "-t", "1"], b""),
        (["embed", ENCODER, "--task", "document", "--jsonl", "-", "-t", "1"], b'{"text": "a", "id": 7}\n{"text": "b", "title": "c", "more": 1}\n'),
        (["eval", "perplexity", GGUF, "--text", "-", "--window", "16", "--json", "-t", "1"], b"a red star is on the sky " * 3),
        (["weigh", "4b"], b""),
        (["weigh", "4b", "--json"], b""),
    ]:
        want = subprocess.run([CARAT, *args], input=stdin, capture_output=True, check=True).stdout
        still = lambda s: re.sub(rb'("[a-z_]*(?:_ms|_per_second|seconds)": )[0-9.e+-]*', rb"\1", s)
        sweep(args, stdin, lambda s: still(s) == still(want))


def files():
    images = DATA + "/images/in/"
    for name in sorted(next(n for n in sorted(os.listdir(images)) if n.endswith("." + kind)) for kind in ("png", "jpg", "gif", "bmp")):
        for extra in [], ["--json", "--pan-scan", "on"]:
            with tempfile.TemporaryDirectory() as folder:
                writes(["see", images + name, "-o", folder + "/view", "--size", "28", *extra], folder, 1)
    with tempfile.TemporaryDirectory() as folder:
        writes(["quantize", GGUF, folder + "/o.gguf", "--type", "q4_0,attn_v=q8_0", "--list", "-t", "1"], folder, 1)
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile("w") as text:
        text.write("a red star is on the sky " * 3)
        text.flush()
        writes(["imatrix", GGUF, "--text", text.name, "-o", folder + "/o.gguf", "--chunk-size", "16", "-t", "1"], folder, 1)
        writes(["embed", ENCODER, "--file", text.name, "-o", folder + "/o.npy", "-t", "1"], folder, 1)
    with tempfile.TemporaryDirectory() as folder:
        writes(["logits", TINY, "--ids", "2,30,31,32", "-o", folder + "/o.f32", "-t", "1"], folder, 1)
    with tempfile.TemporaryDirectory() as folder:
        writes(["logits", SIGHT, "--image", SIGHT + "/test/000-0.png", "--soft-tokens", folder + "/soft.f32", "-t", "1"],
               folder, 1)


def main():
    commands()
    with tempfile.TemporaryDirectory() as folder:
        batch(folder)
    with tempfile.TemporaryDirectory() as folder:
        tools(folder)
    files()


main()
