"""The real model and its chat adapter, which is not merged: the reference's tokens. Usage: test_lora.py CARAT DATA, with
CARAT_TEST_MODEL in the environment. Prints figures.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import struct
import sys
import tempfile
import unittest

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", d) for d in ("server", "unit/cli")]
from models import Gguf
from served import DATA, Server, at_once

MODEL = os.environ.get("CARAT_TEST_MODEL")
ADAPTER = DATA + "/models/chat-270m/adapter.gguf"
EXHAUSTIVE = "CARAT_TEST_EXHAUSTIVE" in os.environ  # make test-all
# Two float32 runtimes differ by about 1e-4 in a logit: where the reference's best and second lie nearer than this, either may win.
NOISE = 0.01
NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def lines(*path):
    with open(os.path.join(DATA, *path), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def write_peft(folder):
    """The same numbers as PEFT writes them."""
    head, data, at = {}, [], 0
    for name, (sides, kind, raw) in Gguf(ADAPTER).tensors.items():
        _, layer, part, _, factor = name.split(".")
        raw = raw[:2 * sides[0] * sides[1]]
        assert kind == 1
        key = "base_model.model.model.layers.%s.%s.lora_%s.weight" % (layer, NAMES[part], factor[-1].upper())
        head[key] = {"dtype": "F16", "shape": sides[::-1], "data_offsets": [at, at + len(raw)]}
        data.append(raw)
        at += len(raw)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    os.mkdir(folder)
    with open(folder + "/adapter_model.safetensors", "wb") as f:
        f.writelines([struct.pack("<Q", len(text)), text, *data])
    with open(folder + "/adapter_config.json", "w") as f:
        json.dump({"peft_type": "LORA", "r": 12, "lora_alpha": 24, "bias": "none", "target_modules": list(NAMES.values())}, f)
    return folder


class Lora(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        given = ["--lora", "gguf=%s=0" % ADAPTER, "--lora", "peft=%s=0" % write_peft(cls.folder.name + "/peft")]
        cls.server = Server("--exact", "-t", "1", "-c", "1024", *given, model=MODEL)
        cls.cases = {c["id"]: c for c in lines("chat", "calls.jsonl")}
        cls.answers = {a["id"]: a for a in lines("models", "chat-270m", "answers.jsonl")}

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.folder.cleanup()

    def ask(self, key, lora, server=None, n=160, **more):
        r = (server or self.server).send("POST", "/completion", {"prompt": self.cases[key]["prompt_ids"], "n_predict": n, "temperature": 0,
                                                                 "return_tokens": True, **({} if lora is None else {"lora": lora}), **more}, timeout=900)
        assert r.status == 200, r.body
        return r.json()

    def check(self, name, keys):
        lora, n_near = [{"id": name, "scale": 1}], 0
        for key, o in zip(keys, at_once(len(keys), lambda i: self.ask(keys[i], lora))):
            a = self.answers[key]
            same = o["tokens"] == [t for t in a["ids"] if t != 106]
            n_near += not same
            self.assertTrue(same or a["margin"] < NOISE, (name, key, a, o["content"]))
        print("%s: %d of %d answers have the reference's tokens" % (name, len(keys) - n_near, len(keys)))

    def test_the_references_tokens(self):
        keys = list(self.cases)
        self.check("gguf", keys if EXHAUSTIVE else keys[::3])
        self.check("peft", keys[::4] if EXHAUSTIVE else keys[1::12])

    def test_both_files_give_the_same_bits(self):
        for key in list(self.cases)[::30]:
            both = [self.ask(key, [{"id": i, "scale": 1}], n=12, n_probs=3)["completion_probabilities"] for i in (0, 1)]
            self.assertEqual(*both)

    def test_scale_0_is_the_base(self):
        plain = Server("--exact", "-t", "1", "-c", "1024", model=MODEL)
        try:
            for key in list(self.cases)[::20]:
                expected = self.ask(key, None, plain, n=12, n_probs=3)["completion_probabilities"]
                for lora in ([], [{"id": 0, "scale": 0}], None):
                    self.assertEqual(self.ask(key, lora, n=12, n_probs=3)["completion_probabilities"], expected)
        finally:
            plain.stop()

    def test_sixteen_with_three_adapters_and_none(self):
        """In the fast arithmetic: each the bits of alone."""
        choices = [[{"id": 0, "scale": 1}], [{"id": 1, "scale": 0.5}], [{"id": 0, "scale": 1}, {"id": 1, "scale": -0.25}], []]
        keys = list(self.cases)[:16]
        s = Server("-t", "1", "-c", "1024", "--prefix-cache", "none", "--lora", "gguf=%s=0" % ADAPTER, "--lora", "peft=%s/peft=0" % self.folder.name,
                   model=MODEL)
        try:
            ask = lambda i: self.ask(keys[i], choices[i % 4], s, n=16, n_probs=2)["completion_probabilities"]
            alone = [ask(i) for i in range(16)]
            self.assertEqual(at_once(16, ask), alone)
        finally:
            s.stop()

    def test_nobody_gets_anothers_prefix(self):
        key = max(self.cases, key=lambda k: len(self.cases[k]["prompt_ids"]))
        ask = lambda lora: self.ask(key, lora, n=8, n_probs=2)
        first, half, none = ask([{"id": 0, "scale": 0.9}]), ask([{"id": 1, "scale": 0.8}]), ask([])
        again = ask([{"id": 0, "scale": 0.9}])
        self.assertEqual(first["completion_probabilities"], again["completion_probabilities"])
        self.assertNotEqual(first["completion_probabilities"], half["completion_probabilities"])
        self.assertNotEqual(first["completion_probabilities"], none["completion_probabilities"])
        self.assertGreater(again["tokens_cached"], first["tokens_cached"])


if __name__ == "__main__":
    if not MODEL:
        print("CARAT_TEST_MODEL names no model: skipped")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
