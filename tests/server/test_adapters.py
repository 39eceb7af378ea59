"""Adapters of a served model: by name, by number, switched while it runs.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import struct
import tempfile
import threading
import unittest

from served import Case, Server, TINY, at_once, main

TEXT, F32 = 8, 6


def write_adapter(path, seed, rank=4):
    """For the query and down matrices of both layers of the tiny model, in GGUF."""
    with open(TINY + "/config.json") as f:
        c = json.load(f)
    c = c.get("text_config", c)
    rng = random.Random(seed)
    q = c["num_attention_heads"] * c["head_dim"]
    sides = {"attn_q": (c["hidden_size"], q), "ffn_down": (c["intermediate_size"], c["hidden_size"])}
    text = lambda s: struct.pack("<Q", len(s)) + s
    keys = [(b"general.type", TEXT, text(b"adapter")), (b"general.architecture", TEXT, text(b"gemma3")), (b"adapter.type", TEXT, text(b"lora")),
            (b"adapter.lora.alpha", F32, struct.pack("<f", rank))]
    head, data = [], b""
    for layer in range(2):
        for name, (cols, rows) in sides.items():
            for end, shape in (("a", (cols, rank)), ("b", (rank, rows))):
                raw = struct.pack("<%df" % (shape[0] * shape[1]), *(rng.uniform(-0.3, 0.3) for _ in range(shape[0] * shape[1])))
                head.append(text(("blk.%d.%s.weight.lora_%s" % (layer, name, end)).encode()) + struct.pack("<IQQIQ", 2, *shape, 0, len(data)))
                data += raw + bytes(-len(raw) % 32)
    out = b"GGUF" + struct.pack("<IQQ", 3, len(head), len(keys)) + b"".join(text(k) + struct.pack("<I", t) + v for k, t, v in keys) + b"".join(head)
    with open(path, "wb") as f:
        f.write(out + bytes(-len(out) % 32) + data)
    return path


class Adapters(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.paths = [write_adapter(os.path.join(cls.folder.name, n + ".gguf"), i) for i, n in enumerate(("one", "two", "three"))]
        cls.server = Server(*[x for p in cls.paths for x in ("--lora", p + "=0")], "--metric-names", "vllm")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.cleanup()

    def complete(self, prompt="a red star", **more):
        return self.server.post("/v1/completions", {"prompt": prompt, "max_tokens": 6, "temperature": 0, "ignore_eos": True, "logprobs": 1, **more})

    def answer(self, **more):
        r = self.complete(**more)
        self.assertEqual(r.status, 200, r.body)
        return json.dumps(r.json()["choices"])

    def test_by_name_and_by_number(self):
        none, one = self.answer(), self.answer(model="one")
        self.assertEqual(len({none, one, self.answer(model="two"), self.answer(model="three")}), 4)
        self.assertEqual(self.answer(lora=[{"id": 0, "scale": 1}]), one)
        self.assertEqual(self.answer(lora=[{"id": "one", "scale": 1}], model="two"), one)
        self.assertEqual(self.answer(lora=[{"id": 0, "scale": 0}]), none)
        self.assertNotEqual(self.answer(lora=[{"id": 0, "scale": 0.5}]), one)
        self.assertNotEqual(self.answer(lora=[{"id": 0, "scale": 1}, {"id": 1, "scale": 1}]), one)
        self.assertEqual(self.answer(model="tiny-text"), none)
        self.error(self.complete(lora=[{"id": 3, "scale": 1}]), 400, "there are 3 adapters")
        self.error(self.complete(lora=[{"id": 0, "scale": 1e-60}]), 400, "nothing in float32")
        self.error(self.complete(lora=[{"id": 0, "scale": 1e39}]), 400, "beyond float32")
        self.error(self.complete(model="four"), 404, "no model 'four'")

    def test_models_lists_them(self):
        data = self.server.get("/v1/models").json()["data"]
        self.assertEqual([m["id"] for m in data], ["tiny-text", "one", "two", "three"])
        self.assertEqual((data[1]["parent"], data[1]["root"]), ("tiny-text", self.paths[0]))
        self.assertEqual(self.server.get("/v1/models/two").json()["id"], "two")
        self.assertEqual(self.complete(model="one").json()["model"], "one")

    def test_sixteen_at_once_get_the_bits_of_alone(self):
        body = lambda i: {"prompt": "a red star %d" % (i // 4), **({"model": ("one", "two", "three")[i % 4]} if i % 4 < 3 else {})}
        alone = [self.answer(**body(i)) for i in range(16)]
        self.assertEqual(at_once(16, lambda i: self.answer(**body(i))), alone)

    def test_the_scales_of_all_requests(self):
        none, one, get = self.answer(), self.answer(model="one"), lambda: self.server.get("/lora-adapters").json()
        self.assertEqual([(a["id"], a["name"], a["path"], a["scale"]) for a in get()],
                         [(i, n, p, 0) for i, (n, p) in enumerate(zip(("one", "two", "three"), self.paths))])
        self.assertEqual(self.server.post("/lora-adapters", [{"id": 0, "scale": 1}]).json(), {"success": True})
        try:
            self.assertEqual([a["scale"] for a in get()], [1, 0, 0])
            self.assertEqual(self.answer(), one)
            self.assertEqual(self.answer(lora=[]), none)
            self.assertNotIn(self.answer(model="two"), (none, one))
            for bad, says in (([{"id": 9, "scale": 1}], "no adapter 9"), ({}, "expected a list"), ([{"id": 0}], "entry without both"), ([{"id": 0, "scale": 1}, {"id": 0, "scale": 2}], "the adapter 0 twice"), ([3], "an integer")):
                self.error(self.server.post("/lora-adapters", bad), 400, says)
            self.assertEqual([a["scale"] for a in get()], [1, 0, 0])
        finally:
            self.server.post("/lora-adapters", [])
        self.assertEqual(self.answer(), none)

    def test_other_protocols(self):
        """Ollama's, llama-server's, Anthropic's, Responses, embeddings, decisions: an adapter's name as the model."""
        def ask(path, body, what):
            out = []
            for model in ("tiny-text", "one"):
                r = self.server.post(path, {**body, "model": model})
                self.assertEqual(r.status, 200, r.body)
                out.append(json.dumps(what(r.json())))
            self.assertNotEqual(*out, path)
        user = [{"role": "user", "content": "hello"}]
        ask("/api/generate", {"prompt": "a red star", "stream": False, "raw": True, "options": {"temperature": 0, "num_predict": 8}}, lambda o: o["response"])
        ask("/api/embed", {"input": "a red star"}, lambda o: o["embeddings"])
        ask("/v1/embeddings", {"input": "a red star"}, lambda o: o["data"])
        ask("/v1/messages", {"messages": user, "max_tokens": 8, "temperature": 0}, lambda o: o["content"])
        ask("/v1/responses", {"input": "hello", "max_output_tokens": 8, "temperature": 0}, lambda o: o["output"][0]["content"])
        ask("/v1/systemone", {"state": "a red star", "questions": {"is": {"type": "noul", "instructions": "Is it red?"}}}, lambda o: o["answers"])
        ask("/completion", {"prompt": "a red star", "n_predict": 8, "temperature": 0, "ignore_eos": True}, lambda o: o["content"])
        both = [self.server.post("/completion", {"prompt": "a red star", "n_predict": 8, "temperature": 0, "ignore_eos": True, **more}).json()["content"]
                for more in ({"lora": [{"id": 0, "scale": 1}]}, {"model": "one"})]
        self.assertEqual(*both)
        said = lambda **more: self.server.post("/completion", {"prompt": "a", "n_predict": 1, **more}).json()["generation_settings"]["lora"]
        self.assertEqual(said(), [])
        self.assertEqual(said(model="two"), [{"id": 1, "scale": 1}])
        self.assertEqual(said(lora=[{"id": 2, "scale": 0.5}, {"id": 0, "scale": 0}]), [{"id": 2, "scale": 0.5}, {"id": 0, "scale": 0}])

    def test_what_a_reply_depends_on_is_said(self):
        prints = [self.complete(**more).json()["system_fingerprint"] for more in ({}, {"model": "one"}, {"lora": [{"id": 0, "scale": 1}]},
                                                                                 {"lora": [{"id": 0, "scale": 0.5}]}, {"model": "two"})]
        self.assertEqual(prints[1], prints[2])
        self.assertEqual(len(set(prints)), 4)
        heads = [self.complete(**more).headers for more in ({}, {"model": "one"})]
        self.assertEqual([h["x-carat-numerics"] for h in heads], prints[:2])
        self.assertNotEqual(*[h["x-carat-prefix"] for h in heads])

    def test_an_adapter_is_no_model_to_unload(self):
        self.error(self.server.post("/models/unload", {"model": "one"}), 404)
        self.assertIn('vllm:lora_requests_info{max_lora="3",running_lora_adapters="",waiting_lora_adapters=""} 1', self.server.get("/metrics").body.decode())


class Later(unittest.TestCase):
    """Adapters that clients load while the server runs: vLLM's routes."""
    error = Case.error

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        os.mkdir(self.folder.name + "/own")
        self.file = lambda name, seed, **more: write_adapter(os.path.join(self.folder.name, name), seed, **more)
        self.first = self.file("first.gguf", 0)
        self.file("own/one.gguf", 1), self.file("own/two.gguf", 2), self.file("outside.gguf", 3)
        os.symlink("../outside.gguf", self.folder.name + "/own/link.gguf")
        with open(self.folder.name + "/own/bad.gguf", "wb") as f:
            f.write(b"GGUF no more")
        self.server = Server("--lora", self.first + "=0", "--lora-dir", self.folder.name + "/own", "--metric-names", "vllm")

    def tearDown(self):
        self.server.stop()
        self.folder.cleanup()

    def load(self, name, path, **more):
        return self.server.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": path, **more})

    def unload(self, name):
        return self.server.post("/v1/unload_lora_adapter", {"lora_name": name})

    def answer(self, model, **more):
        r = self.server.post("/v1/completions", {"model": model, "prompt": "a red star", "max_tokens": 6, "temperature": 0,
                                                 "ignore_eos": True, "logprobs": 1, **more})
        return (r.status, json.dumps(r.json()["choices"])) if r.status == 200 else (r.status, "")

    def names(self):
        return [m["id"] for m in self.server.get("/v1/models").json()["data"]]

    def test_loaded_used_unloaded(self):
        none, first = self.answer("tiny-text"), self.answer("first")
        self.assertEqual(self.answer("poet")[0], 404)
        r = self.load("poet", "one.gguf")
        self.assertEqual((r.status, r.body), (200, b"Success: LoRA adapter 'poet' added successfully."))
        self.assertEqual(self.load("clerk", self.folder.name + "/own/two.gguf").status, 200)
        poet, clerk = self.answer("poet"), self.answer("clerk")
        self.assertEqual(len({none, first, poet, clerk}), 4)
        self.assertEqual(self.names(), ["tiny-text", "first", "poet", "clerk"])
        self.assertEqual(self.answer("tiny-text", lora=[{"id": 1, "scale": 1}]), poet)
        self.assertEqual([(a["name"], a["scale"]) for a in self.server.get("/lora-adapters").json()], [("first", 0), ("poet", 0), ("clerk", 0)])
        self.assertEqual(self.unload("poet").status, 200)
        self.assertEqual(self.names(), ["tiny-text", "first", "clerk"])
        self.assertEqual((self.answer("poet")[0], self.answer("clerk"), self.answer("first"), self.answer("tiny-text")), (404, clerk, first, none))
        self.error(self.unload("poet"), 404, "no adapter 'poet'")
        self.assertEqual(self.load("poet", "two.gguf").status, 200)
        self.assertEqual(self.answer("poet"), clerk)

    def test_what_is_refused(self):
        self.error(self.load("first", "one.gguf"), 400, "loaded already")
        self.error(self.load("tiny-text", "one.gguf"), 400, "a model's name")
        for path in "three.gguf", "../outside.gguf", self.folder.name + "/outside.gguf", "link.gguf", "/etc/passwd":
            self.error(self.load("poet", path), 404, "in the server's folder")
        self.error(self.load("poet", "bad.gguf"), 400)
        self.error(self.load("poet", "one.gguf", model="another"), 404)
        self.error(self.load("", "one.gguf"), 400, "'lora_name' is missing")
        self.error(self.load("p" * 300, "one.gguf"), 400, "name of 300 bytes")
        self.error(self.server.post("/v1/load_lora_adapter", {"lora_name": "a"}), 400, "'lora_path' is missing")
        self.error(self.server.post("/v1/load_lora_adapter", [1]), 400)
        self.error(self.unload("first"), 400, "given with --lora")
        self.assertEqual(self.load("poet", "one.gguf", load_inplace=True).headers["x-carat-ignored"], "load_inplace")
        self.assertEqual(self.names(), ["tiny-text", "first", "poet"])

    def test_they_come_back_with_their_model(self):
        self.assertEqual(self.load("poet", "one.gguf").status, 200)
        self.assertEqual(self.load("clerk", "two.gguf").status, 200)
        poet = self.answer("poet")
        for lost in False, True:
            if lost:
                os.remove(self.folder.name + "/own/two.gguf")
            self.server.post("/models/unload", {"model": "tiny-text"})
            self.server.wait_for("tiny-text is unloaded")
            self.assertEqual(self.answer("poet"), poet)
            self.assertEqual(self.answer("clerk")[0], 404 if lost else 200)
        self.assertIn("adapter clerk could not be loaded again", self.server.said())

    def test_unloaded_while_answers_use_it(self):
        """Eight at a time load, use and unload their own; whoever has begun gets the answer of alone."""
        self.assertEqual(self.load("poet", "one.gguf").status, 200)
        poet = self.answer("poet", max_tokens=40)
        def one(i):
            name = "own%d" % i
            for _ in range(6):
                self.assertEqual(self.load(name, "one.gguf").status, 200)
                got = []
                t = threading.Thread(target=lambda: got.append(self.answer(name, max_tokens=40)))
                t.start()
                self.assertEqual(self.unload(name).status, 200)
                t.join()
                self.assertIn(got[0], (poet, (404, "")))
            return True
        self.assertEqual(at_once(8, one), [True] * 8)
        self.assertEqual(self.names(), ["tiny-text", "first", "poet"])

    def test_without_a_folder_nothing_is_loaded(self):
        s = Server()
        self.error(s.post("/v1/load_lora_adapter", {"lora_name": "a", "lora_path": self.first}), 403, "--lora-dir")
        s.stop()


class Names(unittest.TestCase):
    def test_a_long_name_is_the_adapters_or_refused(self):
        with tempfile.TemporaryDirectory() as d:
            n = "x" * 121
            s = Server("--lora", write_adapter("%s/%s.gguf" % (d, n), 1) + "=0", "--lora", "y" * 127 + "=" + write_adapter(d + "/y.gguf", 2) + "=0")
            ask = lambda model: s.post("/v1/completions", {"model": model, "prompt": "a", "max_tokens": 2}).json()["system_fingerprint"]
            self.assertEqual(len({ask("tiny-text"), ask(n), ask("y" * 127)}), 3)
            s.stop()
            for path in "%s/%s.gguf" % (d, "x" * 128), (d.encode() + b"/\xff.gguf").decode("utf-8", "surrogateescape"):
                s = Server("--lora", write_adapter(path, 1), wait=False, ready=False)
                s.process.wait(60)
                self.assertIn("an adapter's name is 1 to 127 bytes of UTF-8", s.said())
                s.stop()

    def test_an_adapter_is_not_called_as_a_model_is(self):
        with tempfile.TemporaryDirectory() as d:
            s = Server("--lora", "tiny-text=" + write_adapter(d + "/x.gguf", 1), wait=False, ready=False)
            s.process.wait(60)
            self.assertIn("an adapter is called 'tiny-text' as a model is", s.said())
            s.stop()


if __name__ == "__main__":
    main()
