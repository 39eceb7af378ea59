#!/usr/bin/env python3
"""One model quantised by `carat quantize` and by llama.cpp's llama-quantize, type by type: errors and time side by side.

    peer_quantise.py CARAT LLAMA_QUANTIZE MODEL.gguf [TYPE ...] [--imatrix FILE] [--texts FILE] [--ids FILE] [--folder DIR]

MODEL is unquantised. With --imatrix (of `carat imatrix`) each type is made a second time with it. Per tensor that both have in one
type: the error of all weights (carat info --compare) and, with importances, on up to ROWS rows of each tensor the error in
which a column counts as often as its importance says (the Python packages numpy and gguf unpack them). End to end: for an
embedding model 1 - cosine to the unquantised model's vectors of --texts (lines {"text": ...}), else the mean divergence of the
next token over the positions of --ids (one line, token ids with commas). Both files are computed by Carat. Seconds are of processor time,
and as the clock says, with as many threads as the machine has cores.

Prints a line of JSON for each run and a Markdown table at the end; exits 1 if a tensor's error is more than 0.5 % above llama.cpp's.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import os
import resource
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


def importances(path):
    t = {x.name: x.data for x in gguf.GGUFReader(path).tensors}
    return {n[:-8]: d.reshape(-1) / t[n[:-8] + ".counts"].reshape(-1)[0] for n, d in t.items() if n.endswith(".in_sum2")}


def rows_of(tensor, rows):
    data = tensor.data.reshape(-1, tensor.data.shape[-1])[rows]
    return gguf.quants.dequantize(numpy.ascontiguousarray(data), tensor.tensor_type).astype(numpy.float64)


def weighed_errors(model, path, weights):
    """Relative, by tensor, of those that have importances."""
    a, b = ({t.name: t for t in gguf.GGUFReader(p).tensors} for p in (model, path))
    found = {}
    for name, w in weights.items():
        if name not in a or a[name].tensor_type == b[name].tensor_type:
            continue
        n = a[name].data.reshape(-1, a[name].data.shape[-1]).shape[0]
        rows = numpy.arange(min(n, ROWS)) * n // min(n, ROWS)
        try:
            x, y = rows_of(a[name], rows), rows_of(b[name], rows)
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
                args = ["embed", path, "--jsonl", self.o.texts, "-o", out.name, "-q"]
            else:
                args = ["logits", path, "--ids-file", self.o.ids, "-o", out.name]
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
        if self.base is None:
            return None
        x = self.outputs(path)
        if self.o.texts:
            return float(1 - (x * self.base).sum(axis=1).mean())
        return float((numpy.exp(self.base) * (self.base - x)).sum(axis=1).mean())


def judge(o, end, weights, path):
    r = json.loads(subprocess.run([o.carat, "info", o.model, "--compare", path, "--json"], check=True,
                                  capture_output=True).stdout)
    changed = {t["name"]: t for t in r["tensors"] if t["type_a"] != t["type_b"]}
    return {"relative": r["relative"], "types": {n: t["type_b"] for n, t in changed.items()},
            "errors": {n: t["relative"] for n, t in changed.items()}, "bytes": os.path.getsize(path),
            "weighed": weighed_errors(o.model, path, weights) if weights else {}, "end": end.error(path)}


def one(o, end, type_, imatrix, weights):
    """Both files of a type; None where llama.cpp makes none."""
    threads = str(os.cpu_count())
    paths = [os.path.join(o.folder, "%s-%s.gguf" % (who, type_)) for who in ("ours", "theirs")]
    with_ = ["--imatrix", imatrix] if imatrix else []
    both = ([o.carat, "quantize", o.model, paths[0], "--type", type_, "-t", threads, "-q", *with_],
            [o.quantize, *with_, o.model, paths[1], type_, threads])
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
    return out


def cell(x, form):
    return form % x if x is not None else "-"


def print_table(all_):
    print("| type | imatrix | same type | error | llama.cpp | worst | weighed worst | end | llama.cpp | s | llama.cpp | s clock | llama.cpp |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for r in all_:
        a, b = r.get("ours"), r.get("theirs")
        if not a:
            continue
        get = lambda k: b[k] if b else None
        print("| %s | %s | %s | %.5f | %s | %s | %s | %s | %s | %.1f | %s | %.1f | %s |" % (
            r["type"], "yes" if r["imatrix"] else "", "%d of %d" % (r["n_same"], r["n"]) if b else "-", a["relative"],
            cell(get("relative"), "%.5f"), cell(r.get("worst_errors"), "%.3f"), cell(r.get("worst_weighed"), "%.3f"),
            cell(a["end"], "%.2e"), cell(get("end"), "%.2e"), a["cpu"], cell(get("cpu"), "%.1f"), a["wall"],
            cell(get("wall"), "%.1f")))


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    for name in "carat", "quantize", "model":
        p.add_argument(name)
    p.add_argument("types", nargs="*")
    for name in "imatrix", "texts", "ids":
        p.add_argument("--" + name)
    p.add_argument("--folder", default=".")
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
                    brief[who] = {k: v for k, v in r[who].items() if k not in ("types", "errors", "weighed")}
            print(json.dumps(brief), flush=True)
    print_table(all_)
    # Where importances count, an error that counts them alike is no measure.
    worse = [r for r in all_ if (r.get("worst_weighed" if r["imatrix"] else "worst_errors") or 0) > NOISE]
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
