"""carat embed: texts to vectors, and what is no embedding model or is used as none. Usage: test_embed.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import array
import json
import math
import os
import shutil
import struct

from models import TEXT, U32, Gguf
from program import DATA, TINY, Case, Folder, main

MODEL = DATA + "/models/tiny-encoder"
GGUF = MODEL + "/gguf/tiny-encoder-f32.gguf"
TEXTS = ["red star", "", "two words and more of them", "a", "the quick brown fox " * 8, "grün"]


def rows(data):
    return [json.loads(line) for line in data.decode().splitlines()]


def floats(data):
    out = array.array("f")
    out.frombytes(data)
    return list(out)


def f32(numbers):
    return floats(array.array("f", numbers).tobytes())


class Embed(Folder):
    def vectors(self, *args, model=MODEL, **kw):
        return [r["embedding"] for r in rows(self.ok("embed", model, "-t", "1", *args, **kw).stdout)]

    def test_folder_and_gguf_say_the_same(self):
        self.assertEqual(self.vectors(*TEXTS), self.vectors(*TEXTS, model=GGUF))

    def test_rows_come_in_order_and_are_those_of_alone(self):
        alone = [self.vectors(t)[0] for t in TEXTS]
        lines = "".join(json.dumps({"text": TEXTS[i % 6], "id": i}) + "\n" for i in range(400))
        out = rows(self.ok("embed", MODEL, "--jsonl", "-", stdin=lines.encode()).stdout)
        self.assertEqual([r["index"] for r in out], list(range(400)))
        self.assertEqual([r["id"] for r in out], list(range(400)))
        for i, r in enumerate(out):
            self.assertEqual(r["embedding"], alone[i % 6], i)

    def test_lines_of_text(self):
        want = self.vectors("red star", "", "two  words")
        self.assertEqual(self.vectors(stdin=b"red star\n\ntwo  words"), want)
        self.assertEqual(self.vectors("-f", self.path("t.txt", b"\xef\xbb\xbfred star\r\n\r\ntwo  words\r\n")), want)

    def test_files(self):
        want = self.vectors(*TEXTS)
        for name in ("x.jsonl", "x.npy", "x.f32"):
            out = self.path(name)
            self.assertEqual(self.ok("embed", MODEL, *TEXTS, "-o", out, "-q").stdout, b"")
            with open(out, "rb") as f:
                data = f.read()
            if name.endswith("npy"):
                self.assertEqual(data[:10], b"\x93NUMPY\x01\x00" + struct.pack("<H", 118))
                self.assertEqual(eval(data[10:128]), {"descr": "<f4", "fortran_order": False, "shape": (6, 64)})
                self.assertEqual(data[127:128], b"\n")
                data = data[128:]
            have = [r["embedding"] for r in rows(data)] if name.endswith("l") else floats(data)
            self.assertEqual([x for v in have for x in f32(v)] if name.endswith("l") else have, [x for v in want for x in f32(v)])
        self.refused("embed", MODEL, "a", "-o", self.path("x.txt"), says=".jsonl, .npy or .f32")
        self.assertEqual(sorted(os.listdir(self.dir.name)), ["x.f32", "x.jsonl", "x.npy"])

    def test_no_text_is_no_row_of_so_many_numbers(self):
        out = self.path("x.npy")
        for options, dims in (((), 64), (("--dims", "32"), 32)):
            self.ok("embed", MODEL, "-f", self.path("t.txt", b""), "-o", out, "-q", *options)
            with open(out, "rb") as f:
                data = f.read()
            self.assertEqual((eval(data[10:])["shape"], len(data)), ((0, dims), 128))

    def test_what_fails_leaves_no_file(self):
        bad = b'{"text": "a"}\n{"text": 7}\n'
        self.refused("embed", MODEL, "--jsonl", "-", "-o", self.path("x.npy"), stdin=bad, says=["stdin:2", "'text' is an integer"])
        self.assertEqual(os.listdir(self.dir.name), [])
        for line, says in ((b"{", "stdin:1"), (b'{"id": 1}', "'text' is missing"), (b'{"text": "a", "title": 3}', "'title' is an integer")):
            self.refused("embed", MODEL, "--jsonl", "-", stdin=line, says=says)

    def test_a_task_is_its_prompt_in_front(self):
        for name, prompt in (("query", "task: search result | query: "), ("document", "title: none | text: "), ("Clustering", "sort: "),
                             ("clustering", "sort: "), ("STS", "task: sentence similarity | query: ")):
            self.assertEqual(self.vectors("red star", "--task", name), self.vectors(prompt + "red star"), name)
        titled = self.vectors("title: A tale | text: red star")
        self.assertEqual(self.vectors("red star", "--task", "document", "--title", "A tale"), titled)
        line = json.dumps({"text": "red star", "title": "A tale"}).encode()
        self.assertEqual(self.vectors("--jsonl", "-", "--task", "document", stdin=line), titled)
        self.refused("embed", MODEL, "a", "--task", "songs", says=["no task 'songs'", "query, document, Clustering"])
        self.refused("embed", MODEL, "a", "--task", "query", "--title", "A tale", says="the task 'document'")

    def test_other_fields_are_told(self):
        r = self.ok("embed", MODEL, "--jsonl", "-", "-q", stdin=b'{"text": "a", "mood": 1, "text2": 2}\n{"text": "b", "mood": 1}')
        self.assertIn(b"Fields that were not read: mood, text2", r.stderr)

    def test_dimensions(self):
        whole, cut = self.vectors("red star")[0], self.vectors("red star", "--dims", "16")[0]
        self.assertEqual(len(cut), 16)
        length = math.sqrt(sum(x * x for x in whole[:16]))
        for a, b in zip(whole, cut):
            self.assertAlmostEqual(a / length, b, delta=1e-6)
        self.refused("embed", MODEL, "a", "--dims", "65", says="65 dimensions, expected 1 to 64")

    def test_too_long(self):
        long = "x " * 300
        text = self.refused("embed", MODEL, "a", long, says="text 2: ")
        self.assertIn("do not fit the context of 256", text)
        r = self.ok("embed", MODEL, "a", long, "--truncate")
        self.assertIn(b"1 text was longer than 256 tokens: the end was left out.", r.stderr)
        ids = json.loads(self.ok("tokenize", MODEL, "--json", stdin=long.encode()).stdout)
        self.assertEqual(len(rows(r.stdout)), 2)
        self.assertGreater(len(str(ids)), 256)

    def test_a_chat_model_says_what_its_vectors_are(self):
        r = self.ok("embed", TINY, "red star", "-q")
        self.assertIn(b"This is no embedding model: vectors are the mean of its last hidden states", r.stderr)
        self.assertAlmostEqual(sum(x * x for x in rows(r.stdout)[0]["embedding"]), 1, delta=1e-5)
        self.refused("embed", TINY, "a", "--task", "query", says="no task 'query'")

    def test_usage(self):
        self.refused("embed", says="expected a model", code=2)
        self.refused("embed", MODEL, "a", "--jsonl", "x", says="in one way", code=2)


class Refused(Folder):
    """An embedding model writes no text; what is not quite an embedding model is not taken for one."""

    def test_where_text_is_wanted(self):
        for args in (["run", MODEL, "hello"], ["decide", MODEL, "hello", "--choice", "a,b"], ["logits", MODEL, "--ids", "2,10", "-o", self.path("l")], ["chat", MODEL]):
            with self.subTest(args[0]):
                r = self.refused(*args, stdin=b"hello\n", says="an embedding model, which writes no text: use 'carat embed', or POST /v1/embeddings")
                self.assertNotIn("template", r)

    def folder(self, name, change):
        to = self.path(name.replace("/", "-") + "-model")
        shutil.copytree(MODEL, to, ignore=shutil.ignore_patterns("gguf", "golden", "make.py"))
        path = os.path.join(to, name)
        with open(path) as f:
            o = json.load(f)
        o = change(o) or o
        with open(path, "w") as f:
            json.dump(o, f)
        return to

    def test_folders(self):
        cases = [
            ("modules.json", lambda o: o[:4], "no Normalize among the modules"),
            ("modules.json", lambda o: o[:3] + o[4:], "1 dense layers to a width of 128, expected two that lead to 64"),
            ("modules.json", lambda o: o[1:], "'Pooling' is in a place that Carat does not know"),
            ("modules.json", lambda o: o + [{"path": "5_X", "type": "sentence_transformers.models.LayerNorm"}], "LayerNorm"),
            ("modules.json", lambda o: o[2].update(path="../2_Dense"), "the path of a Dense is '../2_Dense'"),
            ("modules.json", lambda o: o[2].update(path="7_Dense"), "7_Dense/config.json: no such file"),
            ("1_Pooling/config.json", lambda o: o.update(pooling_mode_cls_token=True), "pools by 'pooling_mode_cls_token'"),
            ("1_Pooling/config.json", lambda o: o.update(pooling_mode_mean_tokens=False), "'pooling_mode_mean_tokens' is not true"),
            ("1_Pooling/config.json", lambda o: o.update(include_prompt=False), "'include_prompt' is false"),
            ("2_Dense/config.json", lambda o: o.update(bias=True), "'bias' is true"),
            ("2_Dense/config.json", lambda o: o.update(activation_function="torch.nn.modules.activation.Tanh"), "activation.Tanh"),
            ("3_Dense/config.json", lambda o: o.update(in_features=64), "64 to 64 features, expected 128"),
            ("2_Dense/config.json", lambda o: o.update(out_features=2**40), "out_features"),
            ("sentence_bert_config.json", lambda o: o.update(do_lower_case=True), "'do_lower_case' is true"),
            ("config_sentence_transformers.json", lambda o: o.update(prompts=[]), "'prompts' is an array"),
            ("config_sentence_transformers.json", lambda o: o.update(default_prompt_name="x"), "'default_prompt_name' is 'x'"),
            ("config.json", lambda o: o.update(use_bidirectional_attention=False), "neither an embedding model nor one with an output head"),
            ("config.json", lambda o: o.update(architectures=["EmbeddingGemma2Model"]), "(EmbeddingGemma 2); Carat runs Gemma 3 and EmbeddingGemma"),
            ("config.json", lambda o: o.update(architectures=["T5Gemma2Model"]), "(T5Gemma 2)"),
            ("config.json", lambda o: o.update(architectures=["VaultGemmaModel"]), "(VaultGemma)"),
        ]
        for i, (name, change, says) in enumerate(cases):
            with self.subTest(says):
                self.refused("info", self.folder(name, change), says=says)
                shutil.rmtree(self.path(name.replace("/", "-") + "-model"))

    def test_files_that_lack_something(self):
        for name, says in (("modules.json", "without modules.json"), ("2_Dense/model.safetensors", "without model.safetensors"),
                           ("1_Pooling/config.json", "1_Pooling/config.json: no such file")):
            to = self.path("m")
            shutil.copytree(MODEL, to, ignore=shutil.ignore_patterns("gguf", "golden", "make.py"))
            os.remove(os.path.join(to, name))
            self.refused("info", to, says=says)
            if name == "modules.json":
                self.assertIn(b"without dense layers", self.ok("embed", to, "a", "--trust-header").stderr)
            shutil.rmtree(to)

    def test_gguf(self):
        p = "gemma-embedding."
        cases = [
            (lambda g: g.keys.update({p + "pooling_type": (U32, 2)}), "pooling_type is 2, expected 1"),
            (lambda g: g.keys.update({p + "dense_2_feat_out": (U32, 64)}), "'dense_2.weight' has 128 rows, expected 64"),
            (lambda g: g.keys.update({p + "attention.causal": (7, True)}), "attention.causal is true, expected false"),
            (lambda g: g.tensors.pop("dense_3.weight"), "no tensor 'dense_3.weight'"),
            (lambda g: g.keys.update({"general.architecture": (TEXT, b"gemma-embedding2")}), "(EmbeddingGemma 2)"),
            (lambda g: g.keys.update({"general.architecture": (TEXT, b"t5gemma2")}), "(T5Gemma 2)"),
            (lambda g: g.keys.update({"general.architecture": (TEXT, b"vaultgemma")}), "(VaultGemma)"),
            (lambda g: g.keys.update({"general.architecture": (TEXT, b"embeddinggemma2")}), "(EmbeddingGemma 2)"),
        ]
        for change, says in cases:
            g = Gguf(GGUF)
            change(g)
            g.save(self.path("x.gguf"))
            self.refused("info", self.path("x.gguf"), says=says)
        g = Gguf(GGUF)
        for name in ("dense_2.weight", "dense_3.weight"):
            g.tensors.pop(name)
        for name in ("dense_2_feat_out", "dense_2_feat_in", "dense_3_feat_in", "dense_3_feat_out"):
            g.keys.pop(p + name)
        g.save(self.path("x.gguf"))
        self.refused("info", self.path("x.gguf"), says=["no 'dense_2.weight'", "--sentence-transformers-dense-modules"])
        mean = rows(self.ok("embed", self.path("x.gguf"), "a", "--trust-header").stdout)[0]["embedding"]
        self.assertNotEqual(mean, rows(self.ok("embed", GGUF, "a").stdout)[0]["embedding"])


class Known(Case):
    def test_info(self):
        o = json.loads(self.ok("info", MODEL, "--json").stdout)
        self.assertEqual(o["embedding"]["tasks"]["Clustering"], "sort: ")
        self.assertIn(b"an embedding model: it makes vectors and writes no text", self.ok("info", GGUF).stdout)
        self.assertIsNone(json.loads(self.ok("info", TINY, "--json").stdout)["embedding"])

    def test_weigh(self):
        r = self.ok("weigh", "embeddinggemma-300m", "--quant", "f32", "--ctx", "2048").stdout.decode()
        self.assertIn("EmbeddingGemma 300M", r)
        self.assertIn("texts of up to 2k tokens", r)
        self.assertNotIn("decode", r)
        total = json.loads(self.ok("weigh", MODEL, "-t", "1", "--json").stdout)["point"]["total"]
        self.ok("embed", MODEL, "a", "-t", "1", "--max-memory", str(total))
        self.refused("embed", MODEL, "a", "-t", "1", "--max-memory", str(total - 1), says=f"needs {total} bytes")


class Pairs(Folder):
    """carat eval mteb-sts: the cosines are those of carat embed, the figure is Spearman's, runs go on."""

    def test_cosines_are_those_of_embed(self):
        pairs = [("red star", "a red star"), ("a", "the quick brown fox"), ("two words", "two words and more"), ("gr\u00fcn", "a"), ("fox", "fox")]
        scores = [4.5, 0.5, 3, 0.5, 5]
        data = self.path("sts.jsonl", "".join(json.dumps({"sentence1": a, "sentence2": b, "score": s}) + "\n"
                                              for (a, b), s in zip(pairs, scores, strict=True)).encode())
        out = self.path("out.jsonl")
        args = "eval", "mteb-sts", MODEL, "-t", "1", "--data", data, "--json", "-o", out
        r = json.loads(self.ok(*args).stdout)
        with open(out) as f:
            text = f.read()
        got = sorted((json.loads(line) for line in text.splitlines()[1:]), key=lambda row: row["item"])
        task = [a for a in ("--task", "STS") if r["prompt"]]
        flat = [e["embedding"] for e in rows(self.ok("embed", MODEL, "-t", "1", *task, *(t for p in pairs for t in p)).stdout)]
        for k, row in enumerate(got):
            self.assertAlmostEqual(row["cosine"], sum(a * b for a, b in zip(flat[2 * k], flat[2 * k + 1], strict=True)), delta=1e-6)
        ranks = [[sum(y < x for y in v) + (sum(y == x for y in v) - 1) / 2 for x in v] for v in ([g["cosine"] for g in got], scores)]
        dev = [[x - 2 for x in v] for v in ranks]
        want = sum(a * b for a, b in zip(*dev)) / (sum(a * a for a in dev[0]) * sum(b * b for b in dev[1])) ** 0.5
        self.assertAlmostEqual(r["spearman"], want, delta=1e-8)
        self.assertLess(r["interval_95"][0], want)
        with open(out, "w") as f:
            f.write(text[:len(text) - 30])
        self.assertEqual(json.loads(self.ok(*args).stdout), r)
        self.refused(*args[:-3], "-o", out, "--exact", says="'numerics'")


if __name__ == "__main__":
    main()
