"""What the tests of carat quantize share.

SPDX-License-Identifier: Apache-2.0
"""
import json

from models import Gguf
from program import TINY_GGUF, Folder

TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 20: "IQ4_NL", 30: "BF16"}


def types_of(path):
    return {name: TYPES.get(kind, kind) for name, (_, kind, _) in Gguf(path).tensors.items()}


def size(n):
    return "%.9fM" % (n / 2**20)


class Quantizing(Folder):
    def quantize(self, *args, model=TINY_GGUF, name="out.gguf"):
        out = self.path(name)
        self.ok("quantize", model, out, "-t", "1", *args)
        return out

    def compared(self, a, b):
        return json.loads(self.ok("info", a, "--compare", b, "--json").stdout)

    def lost(self, a, b):
        """What the search for a size makes least."""
        return sum(t["relative"] ** 2 for t in self.compared(a, b)["tensors"])
