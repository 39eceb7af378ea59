"""Numbers over HTTP: log-probabilities of prompts as evaluation harnesses read them, and embeddings in both protocols.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import math
import struct

from served import TINY, Case, main

HARNESS = {"model": "m", "max_tokens": 1, "logprobs": 1, "echo": True, "temperature": 0, "seed": 1234}
TEXTS = ["a red star", "two words", "a red star and more of them"]


class Numbers(Case):
    options, model = ("m=" + TINY, "--log", "none", "--queue", "4", "--parallel", "2"), None

    def ok(self, path, body):
        r = self.server.post(path, body)
        self.assertEqual(r.status, 200, r.body)
        return r.json()

    def ids(self, text):
        return self.ok("/tokenize", {"content": text, "add_special": True})["tokens"]

    def test_what_a_harness_reads(self):
        """lm-eval's local-completions: the sum over the continuation, and whether a greedy model would have said it."""
        context, whole = self.ids("a red"), self.ids("a red star")
        prompts = [whole, context + [30, 40, 50], whole]
        choices = self.ok("/v1/completions", {**HARNESS, "prompt": prompts})["choices"]
        self.assertEqual([c["index"] for c in choices], [0, 1, 2])
        for c, p in zip(choices, prompts):
            logprobs = c["logprobs"]
            self.assertEqual({len(v) for v in logprobs.values()}, {len(p) + 1})
            self.assertIsNone(logprobs["token_logprobs"][0])
            self.assertIsNone(logprobs["top_logprobs"][0])
            for value, top in zip(logprobs["token_logprobs"][len(context):-1], logprobs["top_logprobs"][len(context):-1]):
                self.assertLessEqual(value, max(top.values()))
        self.assertEqual(choices[0]["logprobs"], choices[2]["logprobs"])
        # What is said greedily is what a greedy model would have said, and as likely as it said.
        said = self.ok("/v1/completions", {"prompt": context, "max_tokens": 5, "temperature": 0, "logprobs": 1, "ignore_eos": True})
        said = said["choices"][0]
        again = self.ok("/v1/completions", {**HARNESS, "prompt": context + self.ids(said["text"])[1:]})["choices"][0]["logprobs"]
        if again["tokens"][len(context):-1] == said["logprobs"]["tokens"]:
            self.assertEqual(again["token_logprobs"][len(context):-1], said["logprobs"]["token_logprobs"])

    def test_embeddings(self):
        floats = self.ok("/v1/embeddings", {"model": "m", "input": TEXTS, "encoding_format": "float"})
        vectors = [d["embedding"] for d in floats["data"]]
        packed = self.ok("/v1/embeddings", {"model": "m", "input": TEXTS, "encoding_format": "base64"})
        for d, v in zip(packed["data"], vectors):
            raw = base64.b64decode(d["embedding"], validate=True)
            self.assertEqual(list(struct.unpack(f"<{len(v)}f", raw)), [struct.unpack("<f", struct.pack("<f", x))[0] for x in v])
        self.assertEqual(floats["usage"], packed["usage"])
        for v in vectors:
            self.assertAlmostEqual(math.hypot(*v), 1, 6)
        ollama = self.ok("/api/embed", {"model": "m", "input": TEXTS})
        self.assertEqual(ollama["embeddings"], vectors)
        self.assertEqual(ollama["prompt_eval_count"], floats["usage"]["prompt_tokens"])
        self.assertGreater(ollama["total_duration"], 0)
        self.assertEqual(self.ok("/api/embed", {"model": "m", "input": TEXTS[1]})["embeddings"], [vectors[1]])
        raw = self.ok("/api/embeddings", {"model": "m", "prompt": TEXTS[0]})
        self.assertEqual(list(raw), ["embedding"])
        length = math.hypot(*raw["embedding"])
        self.assertTrue(all(abs(x / length - y) < 1e-6 for x, y in zip(raw["embedding"], vectors[0])))
        short = self.ok("/api/embed", {"model": "m", "input": TEXTS[0], "dimensions": 8})["embeddings"][0]
        self.assertEqual(short, self.ok("/v1/embeddings", {"input": TEXTS[0], "dimensions": 8})["data"][0]["embedding"])
        self.assertEqual(len(short), 8)

    def test_inputs_that_are_too_long(self):
        long = "a red star " * 4000
        r = self.server.post("/v1/embeddings", {"input": ["a", long]})
        self.error(r, 400, "do not fit the context", code="context_length_exceeded", param="input[1]")
        r = self.server.post("/api/embed", {"model": "m", "input": long})
        self.assertEqual((r.status, list(r.json())), (400, ["error"]))
        self.assertEqual(len(self.ok("/api/embed", {"model": "m", "input": [long, ""], "truncate": True})["embeddings"]), 2)

    def test_lists_longer_than_the_queue(self):
        """Four may wait; a request's own list does so outside of it."""
        texts = [f"number {i}" for i in range(40)]
        data = self.ok("/v1/embeddings", {"input": texts})["data"]
        self.assertEqual([d["index"] for d in data], list(range(40)))
        alone = self.ok("/v1/embeddings", {"input": texts[33]})["data"][0]["embedding"]
        self.assertEqual(data[33]["embedding"], alone)
        choices = self.ok("/v1/completions", {"prompt": texts, "max_tokens": 2, "temperature": 0, "echo": True})["choices"]
        self.assertEqual([c["index"] for c in choices], list(range(40)))
        self.assertTrue(all(c["text"].startswith(t) for c, t in zip(choices, texts)))


if __name__ == "__main__":
    main()
