"""carat imatrix. Usage: test_imatrix.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import math
import os
import struct

from models import TEXT, U32, Gguf
from program import DATA, TINY, TINY_GGUF, Folder, main


def floats(tensor):
    sides, _, data = tensor
    n = math.prod(sides)
    return struct.unpack_from("<%df" % n, data)


class Imatrix(Folder):
    def sums(self, path):
        g = Gguf(path)
        return {n[:-8]: floats(t) for n, t in g.tensors.items() if n.endswith(".in_sum2")}, {
            n[:-7]: floats(t)[0] for n, t in g.tensors.items() if n.endswith(".counts")}, g.keys

    def text(self, words=400):
        return self.path("t.txt", " ".join("the %d is and you %d" % (i * 7 % 31, i) for i in range(words // 6)).encode())

    def chunks(self, path, size):
        """The text's ids, cut with <bos> in front of each."""
        with open(path, "rb") as f:
            ids = [int(x) for x in self.ok("tokenize", TINY_GGUF, "-f", path).stdout.split()]
        self.assertEqual(ids[0], 2)
        ids = ids[1:]
        return [[2] + ids[i:i + size - 1] for i in range(0, len(ids), size - 1)]

    def test_the_first_layers_inputs_by_hand(self):
        text, out = self.text(), self.path("i.gguf")
        self.ok("imatrix", TINY_GGUF, "--text", text, "-o", out, "--chunk-size", "64", "-t", "1", "--exact")
        sums, counts, keys = self.sums(out)
        chunks = self.chunks(text, 64)
        ids = [i for c in chunks for i in c]
        self.assertEqual(keys["general.type"], (TEXT, b"imatrix"))
        self.assertEqual(keys["imatrix.chunk_count"], (U32, len(chunks)))
        self.assertEqual(keys["imatrix.chunk_size"], (U32, 64))
        model = Gguf(TINY_GGUF)
        self.assertEqual(set(sums), {n for n in model.tensors if n.startswith("blk.") and "norm" not in n})
        self.assertEqual(set(counts.values()), {len(ids)})
        table, norm = floats(model.tensors["token_embd.weight"]), floats(model.tensors["blk.0.attn_norm.weight"])
        n, expected = len(norm), [0.0] * len(norm)
        for i in ids:  # RMSNorm takes the scale of embeddings away but for the epsilon
            x = [v * math.sqrt(n) for v in table[i * n:(i + 1) * n]]
            by = 1 / math.sqrt(sum(v * v for v in x) / n + 1e-6)
            for c in range(n):
                expected[c] += (x[c] * by * norm[c]) ** 2
        for part in "attn_q", "attn_k", "attn_v":
            for got, want in zip(sums["blk.0.%s.weight" % part], expected):
                self.assertAlmostEqual(got / want, 1, places=3)  # the scale is rounded to bf16
        self.assertNotEqual(sums["blk.0.attn_output.weight"][:8], sums["blk.0.attn_q.weight"][:8])
        self.assertGreater(min(sums["blk.3.ffn_down.weight"]), 0)
        self.ok("quantize", TINY_GGUF, self.path("q.gguf"), "--type", "q4_0", "--imatrix", out)

    def test_threads_and_steps_change_nothing(self):
        text, files = self.text(), []
        for args in (["-t", "1"], ["-t", "2"], ["-t", "1", "-b", "16"]):
            files.append(self.path("i%d.gguf" % len(files)))
            self.ok("imatrix", TINY_GGUF, "--text", text, "-o", files[-1], "--chunk-size", "64", *args)
        all_ = [self.sums(f) for f in files]
        self.assertEqual(all_[0], all_[1])
        for name, s in all_[0][0].items():  # steps of another length add in another order
            for a, b in zip(s, all_[2][0][name]):
                self.assertAlmostEqual(a / b, 1, places=5)

    def test_what_was_begun_goes_on(self):
        text, whole, part = self.text(), self.path("w.gguf"), self.path("p.gguf")
        args = ["--text", text, "--chunk-size", "32", "-t", "1"]
        self.ok("imatrix", TINY_GGUF, *args, "-o", whole)
        self.ok("imatrix", TINY_GGUF, *args, "-o", part, "--chunks", "2", "--resume")
        r = self.ok("imatrix", TINY_GGUF, *args, "-o", part, "--resume")
        self.assertIn(b"2 chunks are there, going on", r.stderr)
        (a, counts, keys), (b, other, again) = self.sums(whole), self.sums(part)
        self.assertEqual((counts, keys), (other, again))
        for name, s in a.items():
            for x, y in zip(s, b[name]):
                self.assertAlmostEqual(x / y, 1, places=5)  # files have float32

    def test_lines_go_on_and_are_not_read_twice(self):
        talks = [{"messages": [{"role": "user", "content": "the %d" % i}, {"role": "assistant", "content": "and you"}]} for i in range(3)]
        chat = self.path("c.jsonl", "\n".join(map(json.dumps, talks)).encode())
        lines = self.path("l.txt", b"red star\ntwo words and more of them\nand you\n")
        for model, option, path in (TINY, "--chat", chat), (DATA + "/models/tiny-encoder", "--text", lines):
            whole, part = self.path("w.gguf"), self.path("p.gguf")
            args = ["imatrix", model, option, path, "-t", "1", "--chunk-size", "64"]
            self.ok(*args, "-o", whole)
            self.ok(*args, "-o", part, "--chunks", "2")
            self.assertIn(b"2 chunks are there, going on", self.ok(*args, "-o", part, "--resume").stderr)
            (a, counts, keys), (b, other, again) = self.sums(whole), self.sums(part)
            self.assertEqual((counts, keys), (other, again))
            for name, s in a.items():
                for x, y in zip(s, b[name]):
                    self.assertAlmostEqual(x / y, 1, places=5)
            self.assertIn(b"no more are asked for", self.ok(*args, "-o", part, "--resume").stderr)
            self.assertEqual(self.sums(part), (b, other, again))
            os.rename(path, self.path("other"))
            self.refused(*args[:3], self.path("other"), *args[4:], "-o", part, "--resume", says="it was made of")
            os.remove(part)

    def test_what_goes_on_is_the_same_text_in_the_same_chunks(self):
        text, out = self.text(), self.path("o.gguf")
        args = ["--text", text, "--chunk-size", "32", "-o", out, "-t", "1"]
        self.ok("imatrix", TINY_GGUF, *args, "--chunks", "4")
        before = self.sums(out)
        other = self.path("u.txt", b"another text " * 99)
        self.refused("imatrix", TINY_GGUF, *args, "--resume", "--chunk-size", "64", says=["its chunks have 32 tokens, those to come 64"])
        self.refused("imatrix", TINY_GGUF, *args, "--resume", "--text", other, says=["it was made of", "t.txt", "u.txt"])
        for n in "4", "2":  # what is there is not fewer chunks because fewer are asked for
            r = self.ok("imatrix", TINY_GGUF, *args, "--resume", "--chunks", n)
            self.assertIn(b"4 chunks are there, and no more are asked for", r.stderr)
            self.assertEqual(self.sums(out), before)
        os.mkdir(self.path("elsewhere"))
        moved = os.rename(text, self.path("elsewhere/t.txt")) or self.path("elsewhere/t.txt")
        self.ok("imatrix", TINY_GGUF, *args, "--resume", "--chunks", "5", "--text", moved)
        g = Gguf(out)
        del g.keys["imatrix.chunk_size"]
        g.save(out)
        self.refused("imatrix", TINY_GGUF, *args, "--resume", "--text", moved, says="does not say what it was made of")

    def test_conversations(self):
        talks = [[{"role": "user", "content": "the %d" % i}, {"role": "assistant", "content": "and you"}] for i in range(3)]
        path = self.path("c.jsonl", "\n\n".join(json.dumps({"messages": t}) for t in talks).encode())
        out = self.path("i.gguf")
        self.ok("imatrix", TINY, "--chat", path, "-o", out, "-t", "1")
        _, counts, keys = self.sums(out)
        self.assertEqual(keys["imatrix.chunk_count"], (U32, 3))
        self.assertGreater(min(counts.values()), 3 * 8)
        for bad, says in (("{", "conversation 1"), ('{"messages": []}', "no messages"),
                          ('{"messages": [{"role": "user"}]}', "no content that is a text")):
            self.path("c.jsonl", bad.encode())
            self.refused("imatrix", TINY, "--chat", path, "-o", self.path("x"), "-t", "1", says=["c.jsonl", says])
            self.assertFalse(os.path.exists(self.path("x")))

    def test_an_embedding_model_reads_lines(self):
        model = DATA + "/models/tiny-encoder"
        lines, found = [b"red star", b"two words and more of them"], []
        for i, text in enumerate((lines[0], lines[1], b"\n\n".join(lines) + b"\n")):
            path, out = self.path("t%d.txt" % i, text), self.path("i%d.gguf" % i)
            self.ok("imatrix", model, "--text", path, "-o", out, "-t", "1", "--chunk-size", "64")
            found.append(self.sums(out))
        (a, n_a, _), (b, n_b, _), (both, n_both, keys) = found
        self.assertEqual(keys["imatrix.chunk_count"], (U32, 2))
        self.assertGreater(min(n_a.values()), 3)
        for name, sums in both.items():
            self.assertEqual(n_both[name], n_a[name] + n_b[name])
            for x, y, z in zip(a[name], b[name], sums):
                self.assertAlmostEqual((x + y) / z, 1, places=5)
        self.ok("quantize", model, self.path("q.gguf"), "--type", "q4_0", "--imatrix", self.path("i2.gguf"))
        talk = self.path("c.jsonl", b'{"messages": [{"role": "user", "content": "a"}]}')
        self.refused("imatrix", model, "--chat", talk, "-o", self.path("x"), "--chunk-size", "64", says="no conversations")

    def test_what_cannot_be_is_refused(self):
        out = self.path("o.gguf")
        self.refused("imatrix", TINY_GGUF, "-o", out, says="one of --text and --chat", code=2)
        self.refused("imatrix", TINY_GGUF, "--text", self.path("e", b""), "-o", out, says="nothing to read")
        self.refused("imatrix", TINY_GGUF, "--text", "/nonexistent", "-o", out, says="/nonexistent")
        self.path("o.gguf", b"GGUF")
        self.refused("imatrix", TINY_GGUF, "--text", self.text(), "-o", out, "--resume", says="o.gguf")


if __name__ == "__main__":
    main()
