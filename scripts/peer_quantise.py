#!/usr/bin/env python3
"""One model quantised by `carat quantize` and by llama.cpp's llama-quantize, type by type: errors and time side by side.

    peer_quantise.py CARAT LLAMA_QUANTIZE MODEL.gguf [TYPE ...] [--imatrix FILE] [--texts FILE] [--ids FILE]
                     [--tensor NAME=TYPE]... [--folder DIR] [--threads N]

MODEL is unquantised. With --imatrix (of `carat imatrix`) each type is made a second time with it. Per tensor that both have in one
type: the error of all weights (carat info --compare) and, with importances, on up to ROWS rows of each tensor the error in
which a column counts as often as its importance says (the Python packages numpy and gguf unpack them). End to end: for an
embedding model 1 - cosine to the unquantised model's vectors of --texts (lines {"text": ...}), else the mean divergence of the
next token over the positions of --ids (one line, token ids with commas); the difference ours - llama.cpp's with twice its standard
error, text by text or position by position. Both files are computed by Carat. --tensor is given to both (llama.cpp makes no IQ1 and
IQ2 of a matrix without importances, as the dense layers of an embedding model are). Seconds are of processor time,
and as the clock says, with as many threads as the machine has cores (--threads).

Prints a line of JSON for each run and a Markdown table at the end; exits 1 if a tensor's error is more than 0.5 % above llama.cpp's.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time

import gguf
import numpy

TYPES = ("q8_0 q6_k q5_k_m q5_k_s q5_1 q5_0 q4_k_m q4_k_s q4_1 q4_0 iq4_nl iq4_xs q3_k_l q3_k_m q3_k_s q2_k q2_k_s "
         "iq3_m iq3_s iq3_xs iq3_xxs iq2_m iq2_s iq2_xs iq2_xxs iq1_m iq1_s tq2_0 tq1_0 q1_0").split()
ROWS = 64
NOISE = 1.005


def timed(args):
    """Seconds by the clock and of the processor; None if it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    r = subprocess.run(args, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if r.returncode:
        print(r.stdout.decode()[-300:], r.stderr.decode()[-300:], file=sys.stderr)
        return None
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def tensors_of(path):
    """Name -> type, columns, rows, and the bytes, mapped. gguf.GGUFReader takes seconds for a vocabulary."""
    data = numpy.memmap(path, dtype=numpy.uint8, mode="r")
    at, alignment, found = 24, 32, {}
    n_tensors, n_keys = struct.unpack_from("<QQ", data, 8)

    def take(form):
        nonlocal at
        x = struct.unpack_from("<" + form, data, at)[0]
        at += struct.calcsize("<" + form)
        return x

    def text():
        nonlocal at
        n = take("Q")
        at += n
        return bytes(data[at - n:at])

    def value(kind):
        nonlocal at
        if kind == 8:
            return text()
        if kind != 9:
            return take("BbHhIif?xxQqd"[kind])
        inner, n = take("I"), take("Q")
        if inner in (8, 9):
            for _ in range(n):
                value(inner)
        else:
            at += n * struct.calcsize("<" + "BbHhIif?xxQqd"[inner])

    for _ in range(n_keys):
        name, v = text(), value(take("I"))
        alignment = v if name == b"general.alignment" else alignment
    for _ in range(n_tensors):
        name = text().decode()
        sizes = [take("Q") for _ in range(take("I"))]
        kind, offset = gguf.GGMLQuantizationType(take("I")), take("Q")
        found[name] = kind, sizes[0], int(numpy.prod(sizes[1:], dtype=numpy.int64)), offset
    begin = -(-at // alignment) * alignment
    return {name: (kind, cols, rows, data[begin + offset:]) for name, (kind, cols, rows, offset) in found.items()}


def rows_of(tensor, which):
    kind, cols, rows, data = tensor
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = data[:rows * cols // block * size].reshape(rows, -1)[which]
    return gguf.quants.dequantize(numpy.ascontiguousarray(data), kind).astype(numpy.float64)


def importances(path):
    t = {name: rows_of(x, slice(None)).reshape(-1) for name, x in tensors_of(path).items()}
    return {n[:-8]: d / t[n[:-8] + ".counts"][0] for n, d in t.items() if n.endswith(".in_sum2")}


def weighed_errors(model, path, weights):
    """Relative, by tensor, of those that have importances."""
    a, b, found = tensors_of(model), tensors_of(path), {}
    for name, w in weights.items():
        if name not in a or a[name][0] == b[name][0]:
            continue
        n = a[name][2]
        which = numpy.arange(min(n, ROWS)) * n // min(n, ROWS)
        try:
            x, y = rows_of(a[name], which), rows_of(b[name], which)
        except NotImplementedError:
            continue
        found[name] = float(numpy.sqrt((w * (x - y) ** 2).sum() / (w * x * x).sum()))
    return found


class End:
    """What a file's answers differ by from the model's."""

    def __init__(self, o):
        self.o, self.base = o, None
        self.base = self.outputs(o.model) if o.texts or o.ids else None

    def outputs(self, path):
        with tempfile.NamedTemporaryFile(suffix=".f32", dir=self.o.folder) as out:
            if self.o.texts:
                args = ["embed", path, "--jsonl", self.o.texts, "-o", out.name, "-q", "-t", str(self.o.threads)]
            else:
                args = ["logits", path, "--ids-file", self.o.ids, "-o", out.name, "-t", str(self.o.threads)]
            subprocess.run([self.o.carat, *args], check=True, capture_output=True)
            x = numpy.fromfile(out.name, dtype=numpy.float32)
        if self.o.texts:
            with open(self.o.texts) as f:
                return x.reshape(sum(1 for line in f if line.strip()), -1).astype(numpy.float64)
        with open(self.o.ids) as f:
            x = x.reshape(f.read().count(",") + 1, -1).astype(numpy.float64)
        x -= x.max(axis=1, keepdims=True)
        return x - numpy.log(numpy.exp(x).sum(axis=1, keepdims=True))

    def error(self, path):
        """Of each text, or position."""
        if self.base is None:
            return None
        x = self.outputs(path)
        if self.o.texts:
            return 1 - (x * self.base).sum(axis=1)
        return (numpy.exp(self.base) * (self.base - x)).sum(axis=1)


def judge(o, end, weights, path):
    r = json.loads(subprocess.run([o.carat, "info", o.model, "--compare", path, "--json"], check=True,
                                  capture_output=True).stdout)
    changed = {t["name"]: t for t in r["tensors"] if t["type_a"] != t["type_b"]}
    ends = end.error(path)
    return {"relative": r["relative"], "types": {n: t["type_b"] for n, t in changed.items()},
            "errors": {n: t["relative"] for n, t in changed.items()}, "bytes": os.path.getsize(path),
            "weighed": weighed_errors(o.model, path, weights) if weights else {},
            "end": None if ends is None else float(ends.mean()), "ends": ends}


def one(o, end, type_, imatrix, weights):
    """Both files of a type; None where llama.cpp makes none."""
    threads = str(o.threads)
    paths = [os.path.join(o.folder, "%s-%s.gguf" % (who, type_)) for who in ("ours", "theirs")]
    with_ = ["--imatrix", imatrix] if imatrix else []
    rules = [[x for t in o.tensor for x in (name, t)] for name in ("--tensor", "--tensor-type")]
    both = ([o.carat, "quantize", o.model, paths[0], "--type", type_, "-t", threads, "-q", *with_, *rules[0]],
            [o.quantize, *with_, *rules[1], o.model, paths[1], type_, threads])
    out = {"type": type_, "imatrix": bool(imatrix)}
    for who, args, path in zip(("ours", "theirs"), both, paths):
        took = timed(args)
        if took:
            out[who] = dict(judge(o, end, weights, path), wall=took[0], cpu=took[1])
        if os.path.exists(path):
            os.unlink(path)
    if "ours" in out and "theirs" in out:
        a, b = out["ours"], out["theirs"]
        same = [n for n in a["types"] if a["types"][n] == b["types"].get(n)]
        out["n"], out["n_same"] = len(a["types"]), len(same)
        for kind in "errors", "weighed":
            ratios = [a[kind][n] / b[kind][n] for n in same if n in a[kind] and b[kind].get(n)]
            out["worst_" + kind] = max(ratios, default=None)
            out["mean_" + kind] = sum(ratios) / len(ratios) if ratios else None
        if a["ends"] is not None:
            d = a["ends"] - b["ends"]
            out["end_difference"], out["end_two_errors"] = float(d.mean()), float(2 * d.std(ddof=1) / len(d) ** 0.5)
    return out


def cell(x, form):
    return form % x if x is not None else "-"


def print_table(all_):
    print("| type | imatrix | same type | error | llama.cpp | worst | weighed worst | end | llama.cpp | "
          "difference | s | llama.cpp | s clock | llama.cpp |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for r in all_:
        a, b = r.get("ours"), r.get("theirs")
        if not a:
            continue
        get = lambda k: b[k] if b else None
        print("| %s | %s | %s | %.5f | %s | %s | %s | %s | %s | %s | %.1f | %s | %.1f | %s |" % (
            r["type"], "yes" if r["imatrix"] else "", "%d of %d" % (r["n_same"], r["n"]) if b else "-", a["relative"],
            cell(get("relative"), "%.5f"), cell(r.get("worst_errors"), "%.3f"), cell(r.get("worst_weighed"), "%.3f"),
            cell(a["end"], "%.2e"), cell(get("end"), "%.2e"),
            "%+.1e ± %.0e" % (r["end_difference"], r["end_two_errors"]) if "end_difference" in r else "-",
            a["cpu"], cell(get("cpu"), "%.1f"), a["wall"], cell(get("wall"), "%.1f")))


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    for name in "carat", "quantize", "model":
        p.add_argument(name)
    p.add_argument("types", nargs="*")
    for name in "imatrix", "texts", "ids":
        p.add_argument("--" + name)
    p.add_argument("--tensor", action="append", default=[])
    p.add_argument("--folder", default=".")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    o = p.parse_args()
    weights = importances(o.imatrix) if o.imatrix else {}
    end, all_ = End(o), []
    for type_ in o.types or TYPES:
        for imatrix in [None] + ([o.imatrix] if o.imatrix else []):
            r = one(o, end, type_, imatrix, weights)
            all_.append(r)
            brief = {k: v for k, v in r.items() if k not in ("ours", "theirs")}
            for who in "ours", "theirs":
                if who in r:
                    brief[who] = {k: v for k, v in r[who].items() if k not in ("types", "errors", "weighed", "ends")}
            print(json.dumps(brief), flush=True)
    print_table(all_)
    # Where importances count, an error that counts them alike is no measure.
    worse = [r for r in all_ if (r.get("worst_weighed" if r["imatrix"] else "worst_errors") or 0) > NOISE]
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
