"""Several models in one server: by name, on demand, unloaded after a time or to make room.

SPDX-License-Identifier: Apache-2.0
"""
import os
import tempfile
import time
import unittest

from served import DATA, SIGHT, TINY, Server, at_once, main

CHAT = "/v1/chat/completions"


def hello(model):
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "seed": 1}


class Models(unittest.TestCase):
    def test_by_name(self):
        server = Server("one=" + TINY, "two=" + SIGHT, "--log", "none", model=None)
        self.assertEqual([m["id"] for m in server.get("/v1/models").json()["data"]], ["one", "two"])
        self.assertEqual(server.get("/v1/models/two").json()["id"], "two")
        self.assertNotIn("two is loaded", server.said())
        answers = [server.post(CHAT, hello(m)).json() for m in ("one", "two", "")]
        self.assertEqual([a["model"] for a in answers], ["one", "two", "one"])
        self.assertEqual(answers[0]["choices"], answers[2]["choices"])
        self.assertIn("two is loaded", server.said())
        self.assertEqual(server.stop(), 0)

    def test_a_chat_template_is_the_first_models(self):
        def prompts(*options):
            server = Server("one=" + TINY, "two=" + TINY, "--log", "none", *options, model=None)
            asked = [{"model": m, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1} for m in ("one", "two")]
            self.assertEqual([server.post(CHAT, a).status for a in asked], [200] * 2)
            texts = [server.post("/apply-template", a).json()["prompt"] for a in asked]
            self.assertEqual(server.stop(), 0)
            return texts
        own = prompts()
        self.assertEqual(own[0], own[1])
        self.assertEqual(prompts("--chat-template", "chatml"), ["<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", own[1]])

    def test_a_chat_template_that_is_none(self):
        with tempfile.NamedTemporaryFile(suffix=".jinja") as empty:
            for value, says in (empty.name, "an empty chat template"), ("/no/such.jinja", "No such file"), ("", "chat template"):
                server = Server("--chat-template", value, wait=False, ready=False)
                self.assertNotEqual(server.process.wait(20), 0)
                self.assertIn(says, server.said())
                server.log.close()

    def test_the_same_name_twice(self):
        server = Server(TINY, TINY, model=None, wait=False, ready=False)
        self.assertEqual(server.process.wait(20), 1)
        self.assertIn("two models are called 'tiny-text'", server.said())
        server.log.close()

    def test_unloaded_when_idle_and_loaded_again(self):
        server = Server("--idle-unload", "0.3", "--log", "none")
        first = server.post(CHAT, hello("tiny-text")).json()["choices"]
        server.wait_for("tiny-text is unloaded")
        self.assertEqual(server.get("/ready").status, 200)
        self.assertEqual(server.post(CHAT, hello("tiny-text")).json()["choices"], first)
        self.assertEqual(server.stop(), 0)

    def test_one_at_a_time(self):
        """Requests for two models while only one may be loaded: each waits its turn, none is lost."""
        server = Server("one=" + TINY, "two=" + SIGHT, "--max-loaded", "1", "--log", "none", model=None)
        replies = at_once(12, lambda i: server.post(CHAT, hello(("one", "two")[i % 2])))
        self.assertEqual([r.status for r in replies], [200] * 12)
        self.assertEqual([r.json()["model"] for r in replies], ["one", "two"] * 6)
        self.assertIn("one is unloaded", server.said())
        self.assertEqual(server.stop(), 0)

    def test_what_was_said_last_of_a_model_counts(self):
        """Unloaded while it is being loaded it goes, loaded while it is being unloaded it comes back."""
        server = Server("one=" + TINY, "two=" + SIGHT, "--log", "none", model=None)

        def say(*words):
            body = b'{"model": "two"}'
            s = server.raw(b"".join(b"POST /models/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" %
                                    (w, len(body), body) for w in words))
            got = b""
            while got.count(b'"success":true') < len(words):
                got += s.recv(4096) or self.fail(got)
            s.close()

        def state():
            return server.get("/v1/models").json()["data"][1]["status"]["value"]

        for words, end in ((b"load", b"unload"), "unloaded"), ((b"load", b"unload", b"load"), "loaded"), \
                ((b"unload", b"load"), "loaded"), ((b"unload", b"load", b"unload"), "unloaded"):
            for _ in range(2):
                say(*words)
                until = time.monotonic() + 20
                last, since = None, 0
                while time.monotonic() < until and not (last == end and time.monotonic() - since > 0.2):
                    now = state()
                    last, since = now, since if now == last else time.monotonic()
                    time.sleep(0.01)
                self.assertEqual(state(), end, words)
        self.assertEqual(server.post(CHAT, hello("two")).status, 200)
        self.assertEqual(server.stop(), 0)

    def test_a_folder_of_models(self):
        with tempfile.TemporaryDirectory() as d:
            os.mkdir(d + "/models")
            os.symlink(TINY, d + "/models/one")
            os.symlink(TINY + "/gguf/tiny-text-f32.gguf", d + "/models/two.gguf")
            for name in "mmproj-two.gguf", "three-00002-of-00002.gguf", "notes.txt", ".hidden.gguf":
                open(d + "/models/" + name, "w").close()
            for model, cwd in (d + "/models", None), (None, d):
                server = Server("--log", "none", model=model, wait=model is not None, cwd=cwd)
                self.assertEqual([m["id"] for m in server.get("/v1/models").json()["data"]], ["one", "two"])
                self.assertEqual(server.get("/ready").status, 200)
                self.assertEqual("is loaded" in server.said(), model is not None)
                self.assertEqual(server.post(CHAT, hello("two")).status, 200)
                self.assertEqual(server.stop(), 0)
            server = Server(model=d, wait=False, ready=False)
            self.assertEqual(server.process.wait(20), 1)
            self.assertIn("no model in this folder", server.said())
            server.log.close()

    def test_any_name(self):
        server = Server("--any-name")
        self.assertEqual(server.post(CHAT, hello("gpt-4o")).json()["model"], "gpt-4o")
        self.assertEqual(server.stop(), 0)

    def test_one_that_cannot_be_loaded_does_not_end_the_server(self):
        server = Server("one=" + TINY, "two=" + DATA + "/images", model=None)
        r = server.post(CHAT, hello("two"))
        self.assertEqual(r.status, 500)
        self.assertIn("'two' could not be loaded", r.json()["error"]["message"])
        self.assertEqual(server.post(CHAT, hello("one")).status, 200)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    main()
