"""Models that tests make out of the golden ones: GGUF files and folders with other metadata, JSON and tensors.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import struct

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
U32, I32, F32, BOOL, TEXT, LIST = 4, 5, 6, 7, 8, 9


class Gguf:
    """A GGUF file to be changed and saved. keys: {key: (type, value)}; a list's value is (type of its elements, elements);
    texts are bytes. tensors: {name: (sides, type, bytes)}."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.at = 4
        self.version, n_tensors, n = self.take("I"), self.take("Q"), self.take("Q")
        self.keys = {}
        for _ in range(n):
            key, kind = self.text().decode(), self.take("I")
            self.keys[key] = (kind, self.value(kind))
        directory = []
        for _ in range(n_tensors):
            name, sides = self.text().decode(), [self.take("Q") for _ in range(self.take("I"))]
            directory.append((name, sides, self.take("I"), self.take("Q")))
        data = self.data[-(-self.at // 32) * 32:]
        ends = sorted(place for *_, place in directory)[1:] + [len(data)]
        ends = dict(zip(sorted(place for *_, place in directory), ends))
        self.tensors = {name: (sides, kind, data[place:ends[place]]) for name, sides, kind, place in directory}

    def take(self, code):
        v = struct.unpack_from("<" + code, self.data, self.at)[0]
        self.at += struct.calcsize("<" + code)
        return v

    def text(self):
        n = self.take("Q")
        self.at += n
        return self.data[self.at - n:self.at]

    def value(self, kind):
        if kind == TEXT:
            return self.text()
        if kind == LIST:
            inner, n = self.take("I"), self.take("Q")
            return inner, [self.value(inner) for _ in range(n)]
        return self.take(SCALARS[kind])

    @staticmethod
    def packed(kind, v):
        if kind == TEXT:
            return struct.pack("<Q", len(v)) + v
        if kind == LIST:
            return struct.pack("<IQ", v[0], len(v[1])) + b"".join(Gguf.packed(v[0], x) for x in v[1])
        return struct.pack("<" + SCALARS[kind], v)

    def list(self, key):
        return self.keys[key][1][1]

    def save(self, path):
        head = b"GGUF" + struct.pack("<IQQ", self.version, len(self.tensors), len(self.keys))
        for key, (kind, v) in self.keys.items():
            head += self.packed(TEXT, key.encode()) + struct.pack("<I", kind) + self.packed(kind, v)
        data = b""
        for name, (sides, kind, raw) in self.tensors.items():
            head += self.packed(TEXT, name.encode()) + struct.pack(f"<I{len(sides)}QIQ", len(sides), *sides, kind, len(data))
            data += raw + bytes(-len(raw) % 32)
        with open(path, "wb") as f:
            f.write(head + bytes(-len(head) % 32) + data)
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
        head, data = {"__metadata__": {"format": "pt"}}, b""
        for name, t in {**self.tensors(), **tensors}.items():
            if t:
                head[name] = {"dtype": t[0], "shape": t[1], "data_offsets": [len(data), len(data) + len(t[2])]}
                data += t[2]
        text = json.dumps(head).encode()
        text += b" " * (-len(text) % 8)
        with open(self.file("model.safetensors"), "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text + data)
