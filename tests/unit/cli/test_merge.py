"""carat merge: adapters in weights. Usage: test_merge.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import os
import random
import struct

from models import F32, TEXT, Gguf
from program import TINY_GGUF, Folder, main

Q8 = 8  # GGUF's number of Q8_0


def floats(data):
    return struct.unpack("<%df" % (len(data) // 4), data)


def of_q8(data):
    out = []
    for at in range(0, len(data), 34):
        d = struct.unpack_from("<e", data, at)[0]
        out += [d * q for q in struct.unpack_from("<32b", data, at + 2)]
    return out


class Merge(Folder):
    def adapter(self, name="a.gguf", rank=3, alpha=6.0, matrices=("blk.0.attn_q.weight", "blk.1.ffn_down.weight"), **keys):
        """A random adapter for the tiny model, and {matrix: its factors as lists}."""
        model, rng = Gguf(TINY_GGUF), random.Random(7)
        g, factors = Gguf(TINY_GGUF), {}
        g.keys = {"general.type": (TEXT, b"adapter"), "general.architecture": (TEXT, b"gemma3"),
                  "general.name": (TEXT, b"Tiny Adapter"), "adapter.type": (TEXT, b"lora"),
                  "adapter.lora.alpha": (F32, alpha)}
        g.keys.update(keys)
        g.tensors = {}
        for m in matrices:
            cols, rows = model.tensors[m][0]
            a = [rng.uniform(-0.1, 0.1) for _ in range(cols * rank)]
            b = [rng.uniform(-0.1, 0.1) for _ in range(rows * rank)]
            g.tensors[m + ".lora_a"] = ([cols, rank], 0, struct.pack("<%df" % len(a), *a))
            g.tensors[m + ".lora_b"] = ([rank, rows], 0, struct.pack("<%df" % len(b), *b))
            factors[m] = floats(g.tensors[m + ".lora_a"][2]), floats(g.tensors[m + ".lora_b"][2])
        path = self.path(name)
        g.save(path)
        return path, factors, g

    def expected(self, base, factors, rank, scale):
        (cols, rows), _, data = base
        w, (a, b) = list(floats(data)), factors
        for r in range(rows):
            for k in range(rank):
                by = scale * b[r * rank + k]
                for c in range(cols):
                    w[r * cols + c] += by * a[k * cols + c]
        return w

    def test_the_sum_is_written(self):
        path, factors, _ = self.adapter()
        out, base = self.path("out.gguf"), Gguf(TINY_GGUF)
        for args, scale in (([], 2.0), (["--scale", "-0.5"], -1.0)):
            r = self.ok("merge", TINY_GGUF, path, "-o", out, *args)
            self.assertIn(b"2 matrices merged, rank 3", r.stderr)
            g = Gguf(out)
            self.assertEqual(g.tensors.keys(), base.tensors.keys())
            self.assertEqual(g.keys["general.name"][1].split(b" + ")[1], b"Tiny Adapter")
            for name, (sides, kind, data) in g.tensors.items():
                if name not in factors:
                    self.assertEqual((sides, kind, data), base.tensors[name], name)
                    continue
                self.assertEqual((sides, kind), base.tensors[name][:2])
                for x, y in zip(floats(data), self.expected(base.tensors[name], factors[name], 3, scale)):
                    self.assertLess(abs(x - y), 1e-6)  # three float32 sums of numbers below 1
            self.assertEqual({k: v for k, v in g.keys.items() if k in base.keys and k not in ("general.name",)},
                             {k: v for k, v in base.keys.items() if k not in ("general.name", "general.file_type")})
        self.ok("run", out, "hi", "-n", "3")

    def test_matrices_of_another_type(self):
        path, factors, _ = self.adapter()
        out, base = self.path("out.gguf"), Gguf(TINY_GGUF)
        self.ok("merge", TINY_GGUF, path, "-o", out, "--type", "q8_0")
        for name in factors:
            (cols, rows), kind, data = Gguf(out).tensors[name]
            self.assertEqual(kind, Q8)
            w, x = self.expected(base.tensors[name], factors[name], 3, 2.0), of_q8(data[:cols * rows // 32 * 34])
            plain = ours = 0  # squared errors: not worse than with the largest of each block as 127
            for at in range(0, len(w), 32):
                block = w[at:at + 32]
                d = struct.unpack("<e", struct.pack("<e", max(map(abs, block)) / 127))[0]
                plain += sum((v - d * round(v / d)) ** 2 for v in block)
                ours += sum((p - q) ** 2 for p, q in zip(block, x[at:at + 32]))
            self.assertLess(ours, plain)

    def test_chat_template(self):
        path, _, g = self.adapter()
        out = self.path("out.gguf")
        self.ok("merge", TINY_GGUF, path, "-o", out, "--chat-template", self.path("t.jinja", b"{{ mine }}"))
        self.assertEqual(Gguf(out).keys["tokenizer.chat_template"], (TEXT, b"{{ mine }}"))
        g.keys["tokenizer.chat_template"] = (TEXT, b"{{ its own }}")
        g.save(path)
        self.ok("merge", TINY_GGUF, path, "-o", out)
        self.assertEqual(Gguf(out).keys["tokenizer.chat_template"], (TEXT, b"{{ its own }}"))

    def test_what_does_not_belong_together_is_refused(self):
        out = self.path("out.gguf")
        path, _, g = self.adapter()

        def refused(says):
            g.save(path)
            self.refused("merge", TINY_GGUF, path, "-o", out, says=says)
            self.assertFalse(os.path.exists(out))

        good = dict(g.tensors)
        one = "blk.0.attn_q.weight.lora_a"
        g.tensors = {k: v for k, v in good.items() if k != one}
        refused(["blk.0.attn_q.weight has .lora_b, but no .lora_a"])
        g.tensors = dict(good, **{"blk.99.attn_q.weight.lora_a": good[one],
                                  "blk.99.attn_q.weight.lora_b": good["blk.0.attn_q.weight.lora_b"]})
        refused(["blk.99.attn_q.weight.lora_a belongs to no matrix"])
        g.tensors = dict(good, **{"blk.0.attn_q.weight": good[one]})
        refused(["blk.0.attn_q.weight belongs to no matrix"])
        g.tensors = {one: ([4, 3], 0, b"\0" * 48), "blk.0.attn_q.weight.lora_b": good["blk.0.attn_q.weight.lora_b"]}
        refused(["blk.0.attn_q.weight is ", "an adapter for another model"])
        g.tensors = {}
        refused(["no tensors"])
        g.tensors = good
        for key, value, says in (("adapter.type", (TEXT, b"dora"), "adapter.type is 'dora', expected 'lora'"),
                                 ("general.architecture", (TEXT, b"llama"), "general.architecture is 'llama'"),
                                 ("general.type", (TEXT, b"model"), "general.type is 'model'"),
                                 ("adapter.lora.alpha", (TEXT, b"x"), "adapter.lora.alpha"),
                                 ("adapter.lora.alpha", (F32, float("inf")), "alpha is missing or no number")):
            keys, g.keys = g.keys, dict(g.keys, **{key: value})
            refused([says])
            g.keys = keys
        keys, g.keys = g.keys, dict(g.keys, **{"adapter.lora.alpha": (F32, 0.0)})
        refused(["alpha is 0"])
        g.keys = keys
        b = "blk.0.attn_q.weight.lora_b"
        for x in ("nan", "inf", "3e38"):  # the last one: its products
            g.tensors = {k: (d, t, struct.pack("<f", float(x)) * (len(v) // 4)) if k in (one, b) else (d, t, v)
                         for k, (d, t, v) in good.items()}
            refused(["not finite", "blk.0.attn_q.weight"])
        g.tensors = good
        del g.keys["adapter.lora.alpha"]
        refused(["alpha is missing"])

    def test_inputs_are_kept(self):
        path, _, _ = self.adapter()
        before = os.path.getsize(path)
        self.refused("merge", TINY_GGUF, path, "-o", path, says=["choose another file"])
        self.assertEqual(os.path.getsize(path), before)
        out = self.path("out.gguf")
        self.refused("merge", TINY_GGUF, path, "-o", out, "--type", "q9", says=["no type 'q9'"])
        self.refused("merge", TINY_GGUF, path, says=["needs a model"], code=2)
        self.refused("merge", TINY_GGUF, path, "-o", out, "--scale", "0", says=["leaves the model as it is"], code=2)
        self.refused("merge", path, TINY_GGUF, "-o", out, says=["expected"])
        self.refused("merge", TINY_GGUF, self.path("none"), "-o", out, says=["none"])
        self.assertFalse(os.path.exists(out))


if __name__ == "__main__":
    main()
