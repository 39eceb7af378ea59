#!/usr/bin/env python3
"""Writes vocab.bin from a Gemma 3 GGUF: make_vocab.py model.gguf vocab.bin. The format is in README.md."""
import struct, sys

data = open(sys.argv[1], "rb").read()
pos = 24
sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def take(fmt):
    global pos
    v = struct.unpack_from("<" + fmt, data, pos)
    pos += struct.calcsize("<" + fmt)
    return v[0]


def text():
    global pos
    n = take("Q")
    pos += n
    return data[pos - n : pos]


def value(kind):
    global pos
    if kind == 8:
        return text()
    if kind == 9:
        elem, n = take("I"), take("Q")
        if elem == 8:
            return [text() for _ in range(n)]
        fmt = {4: "I", 5: "i", 6: "f"}[elem]
        return [take(fmt) for _ in range(n)]
    pos += sizes[kind]
    return None


table = {}
for _ in range(struct.unpack_from("<Q", data, 16)[0]):
    key = text().decode()
    table[key] = value(take("I"))
pieces, scores, kinds = (table["tokenizer.ggml." + k] for k in ("tokens", "scores", "token_type"))

runs = []  # [count, kind, first score, step]
for score, kind in zip(scores, kinds):
    r = runs[-1] if runs else None
    if r and r[1] == kind and r[0] == 1:
        r[3] = score - r[2]
        r[0] = 2
    elif r and r[1] == kind and score == r[2] + r[0] * r[3]:
        r[0] += 1
    else:
        runs.append([1, kind, score, 0.0])

with open(sys.argv[2], "wb") as out:
    out.write(b"CARATVOC" + struct.pack("<II", len(pieces), len(runs)))
    for r in runs:
        out.write(struct.pack("<IIff", *r))
    for p in pieces:
        out.write(bytes([len(p)]) + p)
print(len(pieces), "pieces,", len(runs), "runs")
