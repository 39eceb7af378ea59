"""Models that tests make out of the golden ones: GGUF files with other metadata, folders with other JSON.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import struct

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
U32, I32, F32, TEXT, LIST = 4, 5, 6, 8, 9


class Gguf:
    """A GGUF file's metadata, {key: (type, value)}, to be changed and saved in front of the same tensors. A list's value is
    (type of its elements, elements); texts are bytes."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.at = 4
        self.version, self.n_tensors, n = self.take("I"), self.take("Q"), self.take("Q")
        self.keys = {}
        for _ in range(n):
            key, kind = self.text().decode(), self.take("I")
            self.keys[key] = (kind, self.value(kind))
        start = self.at
        for _ in range(self.n_tensors):
            self.text()
            n_dims = self.take("I")
            self.at += 8 * n_dims + 4 + 8  # its sides, type and place
        self.directory, self.tensors = self.data[start:self.at], self.data[-(-self.at // 32) * 32:]

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
        head = b"GGUF" + struct.pack("<IQQ", self.version, self.n_tensors, len(self.keys))
        for key, (kind, v) in self.keys.items():
            head += self.packed(TEXT, key.encode()) + struct.pack("<I", kind) + self.packed(kind, v)
        head += self.directory
        with open(path, "wb") as f:
            f.write(head + b"\0" * (-len(head) % 32) + self.tensors)
        return path


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
