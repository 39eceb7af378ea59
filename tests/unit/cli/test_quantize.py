"""carat quantize, carat info --compare. Usage: test_quantize.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import math
import os
import random
import resource
import signal
import struct
import subprocess
import time

from models import F32, LIST, TEXT, U32, Gguf
from program import CARAT, SIGHT, TINY, TINY_GGUF, long, main
from quantizing import Quantizing, types_of

OF_QUANTISING = "general.file_type", "general.quantization_version"


class Quantize(Quantizing):
    def imatrix(self, name="i.gguf", matrices=None, of=lambda name, column: 1.0, count=10.0):
        """An importance matrix of the tiny model in llama.cpp's form."""
        model, g = Gguf(TINY_GGUF), Gguf(TINY_GGUF)
        g.keys = {"general.type": (TEXT, b"imatrix"), "imatrix.datasets": (LIST, (TEXT, [b"t.txt"])),
                  "imatrix.chunk_count": (U32, 3), "imatrix.chunk_size": (U32, 512)}
        g.tensors = {}
        for m in matrices or [n for n in model.tensors if n.startswith("blk.") and "norm" not in n]:
            cols = model.tensors[m][0][0]
            g.tensors[m + ".in_sum2"] = ([cols, 1], 0, struct.pack("<%df" % cols, *[count * of(m, c) for c in range(cols)]))
            g.tensors[m + ".counts"] = ([1, 1], 0, struct.pack("<f", count))
        path = self.path(name)
        g.save(path)
        return path

    def test_every_mix_is_written_and_runs(self):
        last = None
        for t in ("f32", "bf16", "q8_0", "q5_1", "q4_k_m", "q4_0", "iq4_nl", "q2_k", "iq1_s"):
            out = self.quantize("--type", t)
            d = self.compared(TINY_GGUF, out)
            self.assertEqual(d["in_one_only"], 0)
            if t == "f32":
                self.assertEqual(d["equal"], len(d["tensors"]))
            else:
                self.assertLess(0, d["relative"])
                self.assertLess(d["relative"], 0.12)
            last = out
        self.ok("run", last, "hi", "-n", "3")

    def test_everything_but_the_types_is_kept(self):
        out = Gguf(self.quantize("--type", "q4_0"))
        base = Gguf(TINY_GGUF)
        self.assertEqual({k: v for k, v in out.keys.items() if k not in OF_QUANTISING},
                         {k: v for k, v in base.keys.items() if k not in OF_QUANTISING})
        self.assertEqual(out.keys["general.file_type"], (U32, 2))
        self.assertEqual(out.keys["general.quantization_version"], (U32, 2))
        self.assertEqual({n: t[0] for n, t in out.tensors.items()}, {n: t[0] for n, t in base.tensors.items()})
        for name, (_, kind, data) in out.tensors.items():
            if "norm" in name:
                self.assertEqual((kind, data), (0, base.tensors[name][2]), name)

    def test_threads_change_no_byte(self):
        a, b = self.quantize("--type", "q4_k_m"), self.path("b.gguf")
        self.ok("quantize", TINY_GGUF, b, "-t", "2", "--type", "q4_k_m")
        with open(a, "rb") as f, open(b, "rb") as g:
            self.assertEqual(f.read(), g.read())

    def test_a_folder_says_the_same_as_its_gguf(self):
        out = self.quantize("--type", "f32", model=TINY)
        d = self.compared(TINY_GGUF, out)
        self.assertEqual(d["equal"], len(d["tensors"]))
        for text in ("Hello  world 12", "<start_of_turn>user\n", "\t\u00e4\u20ac \U0001f600   x"):
            for args in ([], ["--special"]):
                of = [self.ok("tokenize", m, text, *args).stdout for m in (TINY_GGUF, out, TINY)]
                self.assertEqual(of[0], of[1])
                self.assertEqual(of[0], of[2])
        infos = [json.loads(self.ok("info", m, "--json").stdout) for m in (TINY, out)]
        for key in infos[0]:
            if key not in ("path", "container", "file_bytes", "sampling_from"):
                self.assertEqual(infos[0][key], infos[1][key], key)
        ids = "2,10,20,30,40"
        rows = []
        for m in (TINY, out):
            self.ok("logits", m, "--ids", ids, "-o", self.path("l"), "--exact")
            with open(self.path("l"), "rb") as f:
                rows.append(f.read())
        self.assertEqual(*rows)

    def test_rules_and_parts(self):
        t = types_of(self.quantize("--type", "q4_0,attn_v=q8_0", "--tensor", "blk.1.*=q5_0", "--embedding-type", "q5_1"))
        self.assertEqual(t["token_embd.weight"], "Q5_1")
        self.assertEqual([t["blk.%d.attn_v.weight" % i] for i in range(3)], ["Q8_0", "Q5_0", "Q8_0"])
        self.assertEqual(t["blk.0.attn_q.weight"], "Q4_0")
        self.assertEqual(t["blk.1.attn_norm.weight"], "F32")  # a norm that "blk.1.*" names too
        t = types_of(self.quantize("--type", "q4_0", "--tensor", "blk.1.*=f16", "--embedding-type", "q8_0", "--output-type", "q8_0"))
        self.assertEqual((t["blk.1.attn_q.weight"], t["token_embd.weight"]), ("F16", "Q8_0"))
        self.assertEqual({kind for name, kind in t.items() if "norm" in name}, {"F32"})

    def test_the_last_rule_wins(self):
        t = types_of(self.quantize("--type", "q4_0,attn_v=q8_0", "--tensor", "blk.1.attn_v.weight=q5_0", "--tensor",
                                   "blk.1.ffn_*=q4_1", "--tensor", "blk.1.ffn_up.weight=bf16", "--output-type", "q8_0"))
        self.assertEqual(t["token_embd.weight"], "Q8_0")  # it is the head too
        self.assertEqual([t["blk.%d.attn_v.weight" % i] for i in range(3)], ["Q8_0", "Q5_0", "Q8_0"])
        self.assertEqual(t["blk.1.ffn_down.weight"], "Q4_1")
        self.assertEqual(t["blk.1.ffn_up.weight"], "BF16")

    def test_what_cannot_be_is_refused(self):
        out = self.path("out.gguf")

        def refused(*args, says, model=TINY_GGUF):
            self.refused("quantize", model, out, *args, says=says)
            self.assertEqual(os.listdir(self.dir.name), before)

        before = os.listdir(self.dir.name)
        refused("--type", "q9_x", says=["no type 'q9_x'", "q4_k_m"])
        refused("--type", "q8_1", says="cannot be written in Q8_1")
        refused("--type", "q4_0", "--tensor", "attn_w=q8_0", says="'attn_w' matches none of the 158 tensors")
        refused("--type", "q4_0", "--tensor", "attn_v", says="no rule, expected PATTERN=TYPE")
        refused("--type", "q4_0", "--tensor", "attn_v=q6_k", says="do not divide into Q6_K's blocks of 256")
        refused("--type", "q4_0", "--tensor", "output_norm=q8_0", says="output_norm.weight is no matrix")
        refused("--type", "q4_0", "--tensor", "output_norm=bf16", says="output_norm.weight is no matrix")
        refused("--type", "q4_0", "--embedding-type", "q5_0", "--output-type", "q8_0", says=["one table", "both Q5_0 and Q8_0"])
        refused("--type", "q4_0", "--imatrix", "/nonexistent", says="/nonexistent")
        refused("--vision-type", "q8_0", says="has no vision tower that could be Q8_0")
        refused("--type", "q4_0", "--vision-type", "q8_0", says="has no vision tower")
        refused("--type", "q4_0", "--target-size", "20M", says=["'q4_0'", "a size, which chooses the types itself"])
        refused("--type", "q4_0", "--tensor", "attn_v=q4_k_m", says="'q4_k_m' is a mix for a whole model, expected one type, like Q4_K")
        refused("--type", "q4_0", model="/nonexistent.gguf", says="/nonexistent.gguf")
        
        self.refused("quantize", TINY_GGUF, out, says="needs --type", code=2)
        self.refused("quantize", TINY_GGUF, "-", "--type", "q4_0", says="-", code=2)
        self.refused("quantize", TINY_GGUF, "--type", "q4_0", says="needs a model and the file", code=2)
        model = self.path("m.gguf")
        Gguf(TINY_GGUF).save(model)
        before = os.listdir(self.dir.name)
        self.refused("quantize", model, model, "--type", "q4_0", says="choose another file")
        g = Gguf(TINY_GGUF)
        sides, kind, data = g.tensors["blk.1.ffn_up.weight"]
        g.tensors["blk.1.ffn_up.weight"] = sides, kind, data[:400] + struct.pack("<f", math.nan) + data[404:]
        g.save(model)
        refused("--type", "q4_0", model=model, says=["blk.1.ffn_up.weight", "not finite"])
        g = Gguf(TINY_GGUF)
        g.keys["general.architecture"] = TEXT, b"llama"
        g.save(model)
        refused("--type", "q4_0", model=model, says="llama")
        with open(TINY_GGUF, "rb") as f:
            cut = f.read()[:-5000]
        self.path("m.gguf", cut)
        refused("--type", "q4_0", model=model, says="m.gguf")

    @long
    def test_an_interrupted_one_leaves_nothing(self):
        model = self.path("m.gguf")
        self.ok("synth", "1b", "--layers", "1", "--hidden", "512", "--vocab", "8000", "--type", "bf16", "-o", model)
        for sig in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            p = subprocess.Popen([CARAT, "quantize", model, self.path("o.gguf"), "--type", "iq2_xs"], stderr=subprocess.PIPE)
            while len(os.listdir(self.dir.name)) < 2 and p.poll() is None:
                time.sleep(0.01)
            p.send_signal(sig)
            self.assertEqual(p.wait(timeout=60), 130)
            p.stderr.close()
            self.assertEqual(os.listdir(self.dir.name), ["m.gguf"])

    def test_a_full_disk_leaves_nothing(self):
        def small():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

        self.refused("quantize", TINY_GGUF, self.path("out.gguf"), "--type", "q8_0", says="cannot be written", preexec_fn=small)
        self.assertEqual(os.listdir(self.dir.name), [])

    @long
    def test_importance_lessens_the_error_where_it_counts(self):
        rng = random.Random(5)
        of = {}

        def weight(name, column):
            return of.setdefault((name, column), math.exp(1.5 * rng.gauss(0, 1)))

        i, name = self.imatrix(of=weight), "blk.0.ffn_up.weight"
        errors = []
        for args in ([], ["--imatrix", i]):
            out = self.quantize("--type", "q4_0", *args)
            up = self.quantize("--type", "f32", model=out, name="up.gguf")
            cols, rows = Gguf(TINY_GGUF).tensors[name][0]
            x, y = (struct.unpack_from("<%df" % (cols * rows), Gguf(p).tensors[name][2]) for p in (TINY_GGUF, up))
            errors.append(sum(weight(name, k % cols) * (a - b) ** 2 for k, (a, b) in enumerate(zip(x, y))))
        self.assertLess(errors[1], 0.9 * errors[0])
        keys = Gguf(out).keys
        self.assertEqual(keys["quantize.imatrix.dataset"], (TEXT, b"t.txt"))
        self.assertEqual(keys["quantize.imatrix.chunks_count"], (U32, 3))
        # the old form says the same
        g = Gguf(i)
        names = sorted(n[:-8] for n in g.tensors if n.endswith(".in_sum2"))
        dat = struct.pack("<i", len(names))
        for n in names:
            (cols, _), _, data = g.tensors[n + ".in_sum2"]
            dat += struct.pack("<i", len(n)) + n.encode() + struct.pack("<ii", 10, cols) + data[:4 * cols]
        dat += struct.pack("<ii", 3, 5) + b"t.txt"
        again = self.quantize("--type", "q4_0", "--imatrix", self.path("i.dat", dat), name="again.gguf")
        self.assertEqual({k: v[2] for k, v in Gguf(out).tensors.items()}, {k: v[2] for k, v in Gguf(again).tensors.items()})
        for n in range(0, len(dat) - 13, 997):  # cut anywhere; the first files had no end
            self.path("i.dat", dat[:n])
            self.refused("quantize", TINY_GGUF, self.path("x"), "--type", "q4_0", "--imatrix", self.path("i.dat"), says="i.dat")

    @long
    def test_importances_that_do_not_belong_are_refused(self):
        out = self.path("x.gguf")

        def refused(says, change):
            path = self.imatrix()
            g = Gguf(path)
            change(g)
            g.save(path)
            self.refused("quantize", TINY_GGUF, out, "--type", "q4_0", "--imatrix", path, says=says)

        one = "blk.0.attn_q.weight.in_sum2"
        refused("another model", lambda g: g.tensors.update({one: ([8, 1], 0, bytes(32))}))
        refused("has no 'blk.0.attn_q.weight.counts'", lambda g: g.tensors.pop("blk.0.attn_q.weight.counts"))
        refused("expected 'imatrix'", lambda g: g.keys.update({"general.type": (TEXT, b"model")}))
        refused("one row of F32", lambda g: g.tensors.update({one: ([8, 4], 0, bytes(128))}))
        for x in (-1.0, math.nan, math.inf):
            refused("the sum of squares", lambda g: g.tensors.update({one: ([96, 1], 0, struct.pack("<96f", *[x] * 96))}))
        refused("no matrices", lambda g: g.tensors.clear())
        refused("none of its 1 matrices", lambda g: g.tensors.update({k: v for k, v in [("y.in_sum2", g.tensors[one]), (
            "y.counts", g.tensors["blk.0.attn_q.weight.counts"])]}) or [g.tensors.pop(k) for k in list(g.tensors) if k[0] != "y"])
        r = self.ok("quantize", TINY_GGUF, out, "--type", "q4_0", "--imatrix", self.imatrix(matrices=["blk.0.attn_q.weight"]))
        self.assertIn(b"does not know 83 of the matrices", r.stderr)

    @long
    def test_a_tower_keeps_its_types_unless_told(self):
        tower = self.path("mmproj-f32.gguf")
        self.ok("synth", "4b", "--mmproj", "--tower-type", "f32", "--tower-layers", "1", "--hidden", "64", "-o", tower)
        r = self.ok("quantize", tower, self.path("out.gguf"), "--type", "q4_0")
        self.assertIn(b"a vision tower keeps its types", r.stderr)
        before, out = types_of(tower), types_of(self.path("out.gguf"))
        for name in before:
            matrix = name.startswith("v.blk.") and name.endswith(".weight") and ".ln" not in name
            self.assertEqual(out[name], "BF16" if matrix else before[name], name)
        keys = Gguf(self.path("out.gguf")).keys
        self.assertEqual(keys["general.type"], (TEXT, b"mmproj"))
        q = types_of(self.quantize("--vision-type", "q8_0", model=tower))
        self.assertEqual(q["v.blk.0.attn_q.weight"], "Q8_0")
        self.assertEqual(q["v.blk.0.ffn_down.weight"], "F16")  # rows of 4304, which no block divides
        self.assertEqual(q["v.patch_embd.weight"], before["v.patch_embd.weight"])
        again = self.quantize("--type", "q4_0", model=self.quantize("--vision-type", "f16", model=tower), name="f.gguf")
        self.assertEqual(types_of(again)["v.blk.0.attn_q.weight"], "F16")

    def soft(self, *model):
        out = self.path("soft.f32")
        self.ok("logits", *model, "--image", SIGHT + "/test/004-0.jpg", "--soft-tokens", out, "-t", "1")
        with open(out, "rb") as f:
            return f.read()

    def test_a_folders_tower_becomes_a_file_of_its_own(self):
        tower = self.path("mmproj.gguf")
        text = self.quantize("--type", "bf16", "--mmproj", tower, model=SIGHT)
        self.assertEqual(self.soft(text, "--mmproj", tower), self.soft(SIGHT))
        types, g = types_of(tower), Gguf(tower)
        self.assertEqual((g.keys["general.architecture"], g.keys["general.type"]), ((TEXT, b"clip"), (TEXT, b"mmproj")))
        self.assertEqual(g.keys["clip.projector_type"], (TEXT, b"gemma3"))
        self.assertEqual(g.tensors["v.patch_embd.weight"][0], [14, 14, 3, 96])
        self.assertEqual({types[n] for n in types if n.endswith(".bias") or "ln" in n or "norm" in n or "position" in n}, {"F32"})
        self.assertEqual(types["v.blk.0.attn_q.weight"], "BF16")
        self.assertFalse([n for n in types_of(text) if n.startswith(("v.", "mm."))])
        self.quantize("--type", "q4_0", "--vision-type", "q8_0", "--mmproj", tower, model=SIGHT, name="q.gguf")
        self.assertEqual(types_of(tower)["v.blk.0.attn_q.weight"], "Q8_0")
        self.assertNotEqual(self.soft(text, "--mmproj", tower), self.soft(SIGHT))

    def test_a_tower_apart_that_cannot_be(self):
        out, tower = self.path("o.gguf"), self.path("t.gguf")
        for model in TINY_GGUF, TINY:
            self.refused("quantize", model, out, "--type", "q8_0", "--mmproj", tower, says="no folder with a vision tower")
        self.refused("quantize", SIGHT, out, "--type", "q8_0", "--mmproj", out, says="two names")
        self.refused("quantize", SIGHT, out, "--mmproj", tower, "--vision-type", "bf16", says="needs --type", code=2)
        self.refused("quantize", SIGHT, out, "--type", "q8_0", "--mmproj", SIGHT + "/model.safetensors", says="model.safetensors")
        self.refused("quantize", SIGHT, out, "--type", "q8_0", "--mmproj", self.path("no/t.gguf"), says="no/t.gguf")
        self.assertFalse(os.path.exists(out) or os.path.exists(tower))
        self.assertIn(b"its vision tower is not written", self.ok("quantize", SIGHT, out, "--type", "q8_0").stderr)

    def test_quantised_twice_is_said(self):
        q8 = self.quantize("--type", "q8_0", name="q8.gguf")
        r = self.ok("quantize", q8, self.path("q4.gguf"), "--type", "q4_0")
        self.assertIn(b"84 of its matrices are quantised already", r.stderr)
        r = self.ok("quantize", TINY_GGUF, self.path("q1.gguf"), "--type", "q1_0,token_embd=q8_0", "--tensor", "ffn_up=q8_0")
        self.assertEqual(self.ok("quantize", q8, self.path("same.gguf"), "--type", "q8_0").stderr.count(b"\n"), 1)
        with open(q8, "rb") as f, open(self.path("same.gguf"), "rb") as g:
            self.assertEqual(f.read(), g.read())

    @long
    def test_a_comparison_in_numbers(self):
        g = Gguf(TINY_GGUF)
        name = "blk.0.attn_q.weight"
        sides, kind, data = g.tensors[name]
        x = list(struct.unpack("<%df" % (len(data) // 4), data))
        y = [v + 0.5 if i == 7 else v for i, v in enumerate(x)]
        y = list(struct.unpack("<%df" % len(y), struct.pack("<%df" % len(y), *y)))
        g.tensors[name] = sides, kind, struct.pack("<%df" % len(y), *y)
        g.save(self.path("b.gguf"))
        d = self.compared(TINY_GGUF, self.path("b.gguf"))
        self.assertEqual(d["equal"], 157)
        t = next(t for t in d["tensors"] if t["name"] == name)
        off = abs(y[7] - x[7])
        self.assertAlmostEqual(t["max"], off, places=7)
        self.assertAlmostEqual(t["rmse"], off / math.sqrt(len(x)), places=8)
        self.assertAlmostEqual(t["relative"], off / math.sqrt(sum(v * v for v in x)), places=7)
        cosine = sum(a * b for a, b in zip(x, y)) / math.sqrt(sum(v * v for v in x) * sum(v * v for v in y))
        self.assertAlmostEqual(t["cosine"], cosine, places=8)
        text = self.ok("info", TINY_GGUF, "--compare", self.path("b.gguf")).stdout.decode()
        self.assertIn("158 tensors, 157 of them equal, 0 in one file only", text)
        self.refused("info", TINY_GGUF, "--compare", "/nonexistent", says="/nonexistent")
        g.tensors[name] = sides, kind, struct.pack("<f", math.nan) + data[4:]  # which no mean may leave out in silence
        g.save(self.path("b.gguf"))
        d = self.compared(TINY_GGUF, self.path("b.gguf"))
        self.assertEqual((d["equal"], d["not_finite"], d["relative"]), (157, 1, 0))
        text = self.ok("info", TINY_GGUF, "--compare", self.path("b.gguf")).stdout.decode()
        self.assertIn("no figure for 1: ", text)


if __name__ == "__main__":
    main()
