"""An embedding model over HTTP: its tasks and dimensions in every protocol that has embeddings, and no text in any.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import math
import struct

from served import DATA, TINY, Case, at_once, main

TEXTS = ["a red star", "two words", "grün " * 20]


class Embeddings(Case):
    options, model = ("vectors=" + DATA + "/models/tiny-encoder", "text=" + TINY, "--log", "none"), None

    def ok(self, path, body):
        r = self.server.post(path, body)
        self.assertEqual(r.status, 200, r.body)
        return r.json()

    def vectors(self, text, **more):
        return [d["embedding"] for d in self.ok("/v1/embeddings", {"model": "vectors", "input": text, **more})["data"]]

    def test_tasks(self):
        self.assertEqual(self.vectors("a", task="query"), self.vectors("task: search result | query: a"))
        self.assertEqual(self.vectors("a", prompt_name="Clustering"), self.vectors("sort: a"))
        self.assertEqual(self.vectors("a", task="document", title="B"), self.vectors("title: B | text: a"))
        for more, param in (({"task": "songs"}, "task"), ({"task": "query", "prompt_name": "document"}, "prompt_name"), ({"task": 3}, "task"),
                            ({"title": "B"}, "input"), ({"input_type": "query"}, "input_type")):
            self.error(self.server.post("/v1/embeddings", {"model": "vectors", "input": "a", **more}), 400, param=param)
        self.error(self.server.post("/v1/embeddings", {"model": "text", "input": "a", "task": "query"}), 400, "no embedding model")
        for given in [2, 5], [[2, 5]], ["a", [2, 5]]:  # ids stand as they are: a prompt would be left out
            for more, param in ({"task": "query"}, "task"), ({"prompt_name": "query"}, "task"), ({"task": "document", "title": "B"}, "task"):
                self.error(self.server.post("/v1/embeddings", {"model": "vectors", "input": given, **more}), 400, "token ids", param=param)
        self.error(self.server.post("/v1/embeddings", {"model": "vectors", "input": [2, 5], "title": "B"}), 400, "token ids", param="title")

    def test_numbers(self):
        whole = self.vectors(TEXTS)
        for v in whole:
            self.assertAlmostEqual(math.hypot(*v), 1, delta=1e-6)
        packed = self.vectors(TEXTS, encoding_format="base64")
        self.assertEqual([list(struct.unpack("<64f", base64.b64decode(p))) for p in packed],
                         [list(struct.unpack("<64f", struct.pack("<64f", *v))) for v in whole])
        cut = self.vectors(TEXTS[0], dimensions=16)[0]
        length = math.hypot(*whole[0][:16])
        self.assertTrue(all(abs(x / length - y) < 1e-6 for x, y in zip(whole[0], cut)) and len(cut) == 16)
        for d in (0, 65):
            self.error(self.server.post("/v1/embeddings", {"model": "vectors", "input": "a", "dimensions": d}), 400, param="dimensions")

    def test_ollama_says_the_same(self):
        whole = self.vectors(TEXTS)
        self.assertEqual(self.ok("/api/embed", {"model": "vectors", "input": TEXTS})["embeddings"], whole)
        self.assertEqual(self.ok("/api/embeddings", {"model": "vectors", "prompt": TEXTS[0]})["embedding"], whole[0])
        long = "x " * 400
        self.assertEqual(len(self.ok("/api/embed", {"model": "vectors", "input": long, "truncate": True})["embeddings"]), 1)
        self.assertEqual(self.server.post("/api/embed", {"model": "vectors", "input": long}).status, 400)
        self.assertEqual(self.ok("/api/show", {"model": "vectors"})["capabilities"], ["embedding"])

    def test_company_changes_nothing(self):
        texts = ["text %d " % i * (1 + i % 17) for i in range(200)]
        whole = self.vectors(texts)
        some = at_once(20, lambda i: self.vectors(texts[i * 10])[0])
        self.assertEqual(some, whole[::10])

    def test_no_text_is_written(self):
        says = "an embedding model, which writes no text: use 'carat embed', or POST /v1/embeddings"
        chat = [{"role": "user", "content": "hello"}]
        for path, body in (("/v1/chat/completions", {"messages": chat}), ("/v1/completions", {"prompt": "hello"}),
                           ("/v1/completions", {"prompt": [2, 10]}), ("/v1/responses", {"input": "hello"}),
                           ("/v1/messages", {"messages": chat, "max_tokens": 5}), ("/api/chat", {"messages": chat}),
                           ("/api/generate", {"prompt": "hello"}), ("/completion", {"prompt": "hello"})):
            with self.subTest(path):
                r = self.server.post(path, {"model": "vectors", **body})
                self.assertEqual(r.status, 400, r.body)
                self.assertIn(says, r.body.decode())


if __name__ == "__main__":
    main()
