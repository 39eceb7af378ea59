"""Models that tests make out of the golden ones: GGUF files and folders with other metadata, JSON and tensors.

SPDX-License-Identifier: Apache-2.0
"""
import functools
import json
import os
import shutil
import struct

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
U32, I32, F32, BOOL, TEXT, LIST = 4, 5, 6, 7, 8, 9


class Reader:
    """Takes values out of a GGUF file's bytes, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 4

    def take(self, code):
        v = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return v[0] if len(v) == 1 else v

    def text(self):
        n = self.take("Q")
        self.at += n
        return self.data[self.at - n:self.at]

    def value(self, kind):
        if kind == TEXT:
            return self.text()
        if kind == LIST:
            inner, n = self.take("IQ")
            if inner not in SCALARS:
                return inner, [self.value(inner) for _ in range(n)]
            values = struct.unpack_from(f"<{n}{SCALARS[inner]}", self.data, self.at)
            self.at += struct.calcsize(f"<{n}{SCALARS[inner]}")
            return inner, list(values)
        return self.take(SCALARS[kind])


@functools.lru_cache(maxsize=8)
def parsed(data):
    """(version, keys, tensors) of a file with these bytes, which nobody may change."""
    r = Reader(data)
    version, n_tensors, n = r.take("IQQ")
    keys = {}
    for _ in range(n):
        key, kind = r.text().decode(), r.take("I")
        keys[key] = (kind, r.value(kind))
    directory = []
    for _ in range(n_tensors):
        name, sides = r.text().decode(), [r.take("Q") for _ in range(r.take("I"))]
        directory.append((name, sides, *r.take("IQ")))
    data = data[-(-r.at // 32) * 32:]
    places = sorted(place for *_, place in directory)
    ends = dict(zip(places, [*places[1:], len(data)]))
    return version, keys, {name: (sides, kind, data[place:ends[place]]) for name, sides, kind, place in directory}


class Gguf:
    """A GGUF file to be changed and saved. keys: {key: (type, value)}; a list's value is (type of its elements, elements);
    texts are bytes. tensors: {name: (sides, type, bytes)}."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.version, keys, tensors = parsed(f.read())
        self.keys = {k: (kind, (v[0], list(v[1])) if kind == LIST else v) for k, (kind, v) in keys.items()}
        self.tensors = dict(tensors)

    @staticmethod
    def packed(kind, v):
        if kind == TEXT:
            return struct.pack("<Q", len(v)) + v
        if kind == LIST and v[0] in SCALARS:
            return struct.pack(f"<IQ{len(v[1])}{SCALARS[v[0]]}", v[0], len(v[1]), *v[1])
        if kind == LIST:
            return struct.pack("<IQ", v[0], len(v[1])) + b"".join(Gguf.packed(v[0], x) for x in v[1])
        return struct.pack("<" + SCALARS[kind], v)

    def list(self, key):
        return self.keys[key][1][1]

    def save(self, path):
        head = [b"GGUF" + struct.pack("<IQQ", self.version, len(self.tensors), len(self.keys))]
        for key, (kind, v) in self.keys.items():
            head += self.packed(TEXT, key.encode()), struct.pack("<I", kind), self.packed(kind, v)
        data, at = [], 0
        for name, (sides, kind, raw) in self.tensors.items():
            head += self.packed(TEXT, name.encode()), struct.pack(f"<I{len(sides)}QIQ", len(sides), *sides, kind, at)
            data += raw, bytes(-len(raw) % 32)
            at += -(-len(raw) // 32) * 32
        head = b"".join(head)
        with open(path, "wb") as f:
            f.writelines([head, bytes(-len(head) % 32), *data])
        return path


def speaker(source, path, *texts):
    """A model that answers everything with one of these texts: the first at temperature 0, any of them else. Its layers add
    nothing; what comes next is read off the last token alone. source: a GGUF file with float32 weights and Gemma's turns."""
    g = Gguf(source)
    pieces, kinds = g.list("tokenizer.ggml.tokens"), g.list("tokenizer.ggml.token_type")
    newline, end = pieces.index(b"\n"), pieces.index(b"<end_of_turn>")
    spoken = [i for i, p in enumerate(pieces) if kinds[i] == 1 and p.isalpha() and len(p) == 3][:len(texts)]
    for i, text in zip(spoken, texts):
        pieces[i] = text.replace(" ", "\u2581").encode()
    (width, n), _, _ = g.tensors["token_embd.weight"]

    def rows(entries):
        out = bytearray(4 * width * n)
        for row, column, v in entries:
            struct.pack_into("<f", out, 4 * (row * width + column), v)
        return bytes(out)

    for name, (sides, kind, raw) in g.tensors.items():
        if name.endswith(("attn_output.weight", "ffn_down.weight")):
            g.tensors[name] = (sides, kind, bytes(len(raw)))
        elif name == "output_norm.weight":
            g.tensors[name] = (sides, kind, struct.pack("<f", 1) * width)
    begins, ends = 0, 1  # columns: the answer begins, or has been said
    g.tensors["token_embd.weight"] = ([width, n], 0, rows((i, begins if i == newline else ends, 1) for i in range(n)))
    g.tensors["output.weight"] = ([width, n], 0, rows([(end, ends, 5)] + [(i, begins, 5) for i in spoken]))
    return g.save(path)


class Copy:
    """A model's folder, copied; its JSON files can be changed."""

    def __init__(self, source, path):
        self.path = path
        os.mkdir(path)
        for name in os.listdir(source):
            if os.path.isfile(source + "/" + name) and not name.startswith("test"):
                shutil.copyfile(source + "/" + name, path + "/" + name)

    def file(self, name):
        return self.path + "/" + name

    def read(self, name):
        with open(self.file(name)) as f:
            return f.read()

    def write(self, name, text):
        with open(self.file(name), "w") as f:
            f.write(text)

    def update(self, name, **fields):
        """Sets fields of a JSON file, which need not exist; None takes one out."""
        o = json.loads(self.read(name)) if os.path.exists(self.file(name)) else {}
        o.update(fields)
        self.write(name, json.dumps({k: v for k, v in o.items() if v is not None}))

    def remove(self, name):
        os.unlink(self.file(name))

    def tensors(self):
        """{name: (dtype, sides, bytes)}"""
        with open(self.file("model.safetensors"), "rb") as f:
            data = f.read()
        n = struct.unpack_from("<Q", data)[0]
        head = json.loads(data[8:8 + n])
        head.pop("__metadata__", None)
        return {k: (v["dtype"], v["shape"], data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]])
                for k, v in head.items()}

    def put_tensors(self, tensors):
        """Sets tensors; None takes one out."""
        head, data, at = {"__metadata__": {"format": "pt"}}, [], 0
        for name, t in {**self.tensors(), **tensors}.items():
            if t:
                head[name] = {"dtype": t[0], "shape": t[1], "data_offsets": [at, at + len(t[2])]}
                data.append(t[2])
                at += len(t[2])
        text = json.dumps(head).encode()
        text += b" " * (-len(text) % 8)
        with open(self.file("model.safetensors"), "wb") as f:
            f.writelines([struct.pack("<Q", len(text)), text, *data])
