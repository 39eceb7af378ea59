"""Ollama's and Anthropic's protocols over HTTP: routes, streams, errors in their own words, and what a model's stay is.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import time
import unittest

from served import SIGHT, TINY, Case, Server, main

ASK = [{"role": "user", "content": "a red star"}]
OPTIONS = {"temperature": 0, "num_predict": 6}
PICTURE = base64.b64encode(open(os.path.join(SIGHT, "test", "000-0.png"), "rb").read()).decode()
ANTHROPIC = {"model": "sight", "max_tokens": 6, "top_k": 1}


def lines(reply):
    return [json.loads(line) for line in reply.body.decode().splitlines()]


def named_events(reply):
    """[(name, data)] of a stream of events with names."""
    out = []
    for block in reply.body.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        assert name.startswith("event: ") and data.startswith("data: "), block
        out.append((name[7:], json.loads(data[6:])))
    return out


class Dialects(Case):
    options, model = ("sight=" + SIGHT, "text=" + TINY, "--log", "none"), None

    def ollama_error(self, reply, status, says):
        self.assertEqual(reply.status, status, reply.body)
        self.assertEqual(list(reply.json()), ["error"])
        self.assertIn(says, reply.json()["error"])

    def test_ollama_streams_unless_told_otherwise(self):
        for path, ask, said in (("/api/chat", {"messages": ASK}, lambda o: o["message"]["content"]),
                                ("/api/generate", {"prompt": "a red star"}, lambda o: o["response"])):
            body = {"model": "sight", "options": OPTIONS, **ask}
            streamed = self.server.post(path, body)
            self.assertEqual(streamed.headers["Content-Type"], "application/x-ndjson")
            parts = lines(streamed)
            self.assertEqual([o["done"] for o in parts], [False] * (len(parts) - 1) + [True])
            whole = self.server.post(path, {**body, "stream": False})
            self.assertEqual(whole.headers["Content-Type"], "application/json")
            self.assertEqual("".join(map(said, parts)), said(whole.json()))
            self.assertEqual(parts[-1]["eval_count"], whole.json()["eval_count"])

    def test_pictures(self):
        asked = "what is it?"
        chat = {"model": "sight", "stream": False, "options": OPTIONS,
                "messages": [{"role": "user", "content": asked, "images": [PICTURE]}]}
        a = self.server.post("/api/chat", chat).json()
        source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
        blocks = [{"type": "image", "source": source}, {"type": "text", "text": asked}]
        body = {**ANTHROPIC, "messages": [{"role": "user", "content": blocks}]}
        b = self.server.post("/v1/messages", body).json()
        self.assertEqual(a["message"]["content"], b["content"][0]["text"])
        n = self.server.post("/v1/messages/count_tokens", {"model": "sight", "messages": body["messages"]}).json()
        self.assertEqual(n["input_tokens"], a["prompt_eval_count"])

    def test_anthropic_streams_when_told_so(self):
        whole = self.server.post("/v1/messages", {**ANTHROPIC, "messages": ASK}).json()
        streamed = self.server.post("/v1/messages", {**ANTHROPIC, "messages": ASK, "stream": True})
        self.assertEqual(streamed.headers["Content-Type"], "text/event-stream")
        events = named_events(streamed)
        self.assertTrue(all(name == data["type"] for name, data in events))
        self.assertEqual((events[0][0], events[-1][0]), ("message_start", "message_stop"))
        text = "".join(d["delta"]["text"] for n, d in events if n == "content_block_delta")
        self.assertEqual(text, whole["content"][0]["text"])
        end = [d for n, d in events if n == "message_delta"][0]
        self.assertEqual(end["delta"]["stop_reason"], whole["stop_reason"])
        self.assertEqual(end["usage"]["output_tokens"], whole["usage"]["output_tokens"])

    def test_errors_in_their_words(self):
        self.ollama_error(self.server.post("/api/chat", {"model": "none", "messages": ASK}), 404, "'none'")
        self.ollama_error(self.server.post("/api/generate", {"model": "text", "prompt": "a", "options": {"top_p": 2}}), 400,
                          "options.top_p")
        self.ollama_error(self.server.post("/api/chat", b"{"), 400, "not valid JSON")
        self.ollama_error(self.server.post("/api/show", {"model": "none"}), 404, "'none' not found")
        self.ollama_error(self.server.post("/api/show", {}), 400, "not found")
        for method, path in (("POST", "/api/copy"), ("POST", "/api/create"), ("GET", "/api/chat"), ("GET", "/api/blobs/a")):
            r = self.server.send(method, path)
            self.ollama_error(r, 405 if path == "/api/chat" else 404, path)
        nothing = self.server.get("/v1/messages/batches")
        self.assertEqual((nothing.status, nothing.json()["error"]["type"]), (404, "not_found_error"))
        self.assertEqual(nothing.json()["type"], "error")
        self.assertEqual(nothing.headers["request-id"], nothing.headers["x-request-id"])
        long = {"model": "text", "messages": [{"role": "user", "content": "a b " * 9000}]}
        self.ollama_error(self.server.post("/api/chat", long), 400, "do not fit the context")
        for body, status, kind in (({**ANTHROPIC, "model": "none", "messages": ASK}, 404, "not_found_error"),
                                   ({"model": "text", "messages": ASK}, 400, "invalid_request_error"),
                                   ({**long, "max_tokens": 5, "stream": True}, 400, "invalid_request_error")):
            reply = self.server.post("/v1/messages", body)
            self.assertEqual((reply.status, reply.json()["type"], reply.json()["error"]["type"]), (status, "error", kind))

    def test_too_long_is_told_with_both_numbers(self):
        """Streamed or not, in the protocol's words, and nothing is cut (B02)."""
        asked = "a b " * 9000
        messages = [{"role": "user", "content": asked}]
        n = self.server.post("/v1/messages/count_tokens", {"model": "text", "messages": messages}).json()["input_tokens"]
        for path, body in (("/api/chat", {"messages": messages}), ("/api/generate", {"prompt": asked}),
                           ("/v1/messages", {"messages": messages, "max_tokens": 5})):
            for stream in (False, True):
                reply = self.server.post(path, {"model": "text", "stream": stream, **body})
                self.assertEqual(reply.status, 400)
                self.assertRegex(reply.body.decode(), rf"\b{n} tokens do not fit the context of \d+")
                self.assertNotIn("done", reply.json())

    def test_what_is_ignored_is_said(self):
        reply = self.server.post("/api/chat", {"model": "text", "messages": ASK, "mood": 1, "think": True, "stream": False,
                                               "options": {**OPTIONS, "mirostat": 2, "num_gpu": 9}})
        self.assertEqual(sorted(reply.headers["x-carat-ignored"].split(", ")), ["mood", "options.mirostat", "think"])
        strict = self.server.post("/api/chat", {"model": "text", "messages": ASK, "think": True}, **{"X-Strict": "1"})
        self.ollama_error(strict, 400, "'think'")

    def test_models(self):
        models = self.server.get("/api/tags").json()["models"]
        self.assertEqual([m["name"] for m in models], ["sight:latest", "text:latest"])
        self.assertEqual(models[0]["details"]["family"], "gemma3")
        shown = self.server.post("/api/show", {"model": "sight:latest"}).json()
        self.assertIn("vision", shown["capabilities"])
        self.assertEqual(shown["model_info"]["general.architecture"], "gemma3")
        self.assertRegex(self.server.get("/api/version").json()["version"], r"^\d+\.\d+\.\d+$")


class Stay(unittest.TestCase):
    def loaded(self, server):
        return [m["name"].removesuffix(":latest") for m in server.get("/api/ps").json()["models"]]

    def test_keep_alive(self):
        """A model stays as long as its last request says; one that asks for nothing loads or unloads it."""
        server = Server("one=" + TINY, "--log", "none", model=None)
        body = {"model": "one", "messages": ASK, "stream": False, "options": OPTIONS}
        first = server.post("/api/chat", body).json()
        self.assertEqual(self.loaded(server), ["one"])
        reply = server.post("/api/generate", {"model": "one", "keep_alive": 0}).json()
        self.assertEqual((reply["done_reason"], reply["response"]), ("unload", ""))
        server.wait_for("one is unloaded")
        self.assertEqual(self.loaded(server), [])
        reply = server.post("/api/chat", {"model": "one", "messages": []}).json()
        self.assertEqual((reply["done_reason"], reply["message"]["content"]), ("load", ""))
        self.assertEqual(self.loaded(server), ["one"])
        again = server.post("/api/chat", {**body, "keep_alive": "0.1s"}).json()
        self.assertEqual(again["message"], first["message"])
        until = time.monotonic() + 20
        while self.loaded(server) and time.monotonic() < until:
            time.sleep(0.05)
        self.assertEqual(self.loaded(server), [])
        for path, reply in ("/api/embed", {"model": "one", "embeddings": []}), ("/api/embeddings", {"embedding": []}):
            server.post("/api/chat", body)
            self.assertEqual(self.loaded(server), ["one"])
            self.assertEqual(server.post(path, {"model": "one", "keep_alive": 0}).json(), reply)
            until = time.monotonic() + 20
            while self.loaded(server) and time.monotonic() < until:
                time.sleep(0.05)
            self.assertEqual(self.loaded(server), [])
        r = server.post("/api/chat", {**body, "keep_alive": "soon"})
        self.assertEqual(r.status, 400)
        self.assertIn("'soon'", r.json()["error"])
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    main()
