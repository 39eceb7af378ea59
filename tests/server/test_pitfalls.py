"""What broke for users of other servers (docs/PITFALLS.md), asked from outside: the same on every protocol.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import random
import struct
import time
import unittest
import zlib

from served import SIGHT, TINY, Case, Server, at_once, main

ASK = [{"role": "user", "content": "a red star"}]
CHAT, ANTHROPIC, OLLAMA = "/v1/chat/completions", "/v1/messages", "/api/chat"
TOOLS = [{"type": "function", "function": {"name": "f%d" % i, "parameters": {
    "type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["n"], "additionalProperties": False}}}
    for i in range(10)]


def png(width, height, color=b"\xff\0\0", claims=None):
    """Of one color; what it claims to be may be more than it is."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", *(claims or (width, height)), 8, 2, 0, 0, 0)
    rows = (b"\0" + color * width) * height
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")).decode()


def picture(n):
    with open(os.path.join(SIGHT, "test", "%03d-0.png" % n), "rb") as f:
        return base64.b64encode(f.read()).decode()


def shown(*pictures, text="what is it?", **more):
    """A message of OpenAI's with pictures."""
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + p, **more}} for p in pictures]
             + [{"type": "text", "text": text}]}]


class Pitfalls(Case):
    options, model = ("sight=" + SIGHT, "text=" + TINY, "--parallel", "2", "--log", "none"), None

    def chat(self, messages=ASK, model="text", status=200, **more):
        r = self.server.post(CHAT, {"model": model, "messages": messages, "max_tokens": 6, "temperature": 0} | more)
        self.assertEqual(r.status, status, r.body)
        return r.json()

    def seen(self, *pictures, **more):
        return self.chat(shown(*pictures), "sight", logprobs=True, **more)["choices"][0]["logprobs"]["content"]

    def test_b12_pictures_keep_their_order(self):
        a, b = picture(0), picture(1)
        first, second = self.seen(a, b), self.seen(b, a)
        self.assertNotEqual(first, second)
        self.assertEqual(first, self.seen(a, b))
        self.assertNotEqual(first, self.seen(a))
        self.assertNotEqual(first, self.seen(a, a))

    def test_b13_b54_functions_in_every_choice_and_number(self):
        for n in 1, 3, 10:
            for choice in "none", "auto", "required", {"type": "function", "function": {"name": "f0"}}:
                body = {"tools": TOOLS[:n], "tool_choice": choice, "max_tokens": 200, "parallel_tool_calls": False}
                c = self.chat(**body)["choices"][0]
                calls = c["message"].get("tool_calls", [])
                if choice not in ("none", "auto"):
                    self.assertEqual((c["finish_reason"], len(calls)), ("tool_calls", 1))
                for call in calls:
                    self.assertIn(call["function"]["name"], ["f0"] if isinstance(choice, dict) else [t["function"]["name"] for t in TOOLS[:n]])
                    self.assertIn(json.loads(call["function"]["arguments"])["n"], range(100))
                if choice == "none":
                    self.assertEqual(calls, [])

    def test_b16_any_order_of_roles(self):
        u, a, s, t = ({"role": r, "content": r} for r in ("user", "assistant", "system", "tool"))
        for messages in [u, u], [s, s, u], [a, u], [u, a, a, u], [s], [u, s, u], [u, a, t], [t], [u | {"content": ""}], [a]:
            self.chat(messages)
            r = self.server.post(OLLAMA, {"model": "text", "messages": messages, "stream": False, "options": {"num_predict": 2}})
            self.assertEqual(r.status, 200, (messages, r.body))
            if t not in messages:
                r = self.server.post(ANTHROPIC, {"model": "text", "max_tokens": 2, "messages": messages})
                self.assertEqual(r.status, 200, (messages, r.body))

    def test_b24_more_requests_than_places(self):
        body = [{"model": "text", "prompt": "text %d" % (i % 4), "max_tokens": 12, "temperature": 0} for i in range(24)]
        answers = at_once(24, lambda i: self.server.post("/v1/completions", body[i]).json()["choices"][0]["text"])
        self.assertEqual(answers, answers[:4] * 6)

    def test_b28_what_cannot_be_enforced_is_refused(self):
        schema = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True, "items": {"if": {}, "$dynamicRef": "#x"}}}}
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        self.error(self.server.post(CHAT, {"model": "text", "messages": ASK, "response_format": form}), 400, "/properties/a",
                   param="response_format.json_schema.schema")
        for path, body in ((OLLAMA, {"format": schema}), (ANTHROPIC, {"max_tokens": 5, "output_config": {
                "format": {"type": "json_schema", "schema": schema}}}), ("/completion", {"prompt": "a", "json_schema": schema}),
                ("/v1/responses", {"input": "a", "text": {"format": {"type": "json_schema", "name": "x", "schema": schema}}})):
            r = self.server.post(path, {"model": "text", **({} if "prompt" in body or "input" in body else {"messages": ASK}), **body})
            self.assertEqual(r.status, 400, (path, r.body))
            self.assertIn(b"/properties/a", r.body, path)

    def test_b29_b65_markers_are_text(self):
        plain = self.chat([{"role": "user", "content": "x"}])["usage"]["prompt_tokens"]
        for marker in "<end_of_turn>", "<start_of_turn>", "<bos>", "<start_of_image>", "<image_soft_token>", "<eos>":
            n = self.chat([{"role": "user", "content": "x" + marker}], "sight")["usage"]
            self.assertGreater(n["prompt_tokens"], plain + 2, marker)
            self.assertEqual(n["prompt_tokens_details"]["image_tokens"], 0)
            said = "a%sb" % marker
            c = self.chat(guided_choice=[said], max_tokens=60)["choices"][0]
            self.assertEqual((c["message"]["content"], c["finish_reason"]), (said, "stop"))

    def test_b31_b48_views_are_counted(self):
        wide = png(1200, 400)
        n = {d: self.chat(shown(wide, detail=d), "sight", max_tokens=1)["usage"] for d in ("low", "high")}
        one, many = n["low"]["prompt_tokens_details"]["image_tokens"], n["high"]["prompt_tokens_details"]["image_tokens"]
        self.assertEqual((many % one, many > one > 0), (0, True))
        for messages in shown(wide, detail="high"), shown(picture(0), picture(1)), ASK, ASK + [{"role": "assistant", "content": "so"}] + ASK:
            body = {"model": "sight", "messages": messages}
            counted = self.server.post(CHAT + "/input_tokens", body).json()["input_tokens"]
            self.assertEqual(self.chat(messages, "sight")["usage"]["prompt_tokens"], counted)

    def test_b32_pictures_need_a_model_that_sees(self):
        self.error(self.server.post(CHAT, {"model": "text", "messages": shown(picture(0))}), 400, "vision")
        r = self.server.post(OLLAMA, {"model": "text", "messages": [ASK[0] | {"images": [picture(0)]}]})
        self.assertEqual(r.status, 400)
        models = {m["id"]: m for m in self.server.get("/v1/models").json()["data"]}
        self.assertEqual(["multimodal" in models[m]["capabilities"] for m in ("sight", "text")], [True, False])

    def test_b36_json_is_compact(self):
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {
            "a": {"type": "string", "maxLength": 8}, "b": {"type": "array", "items": {"type": "integer", "maximum": 9, "minimum": 0}, "maxItems": 3}},
            "required": ["a", "b"], "additionalProperties": False}}}
        for seed in range(20):
            c = self.chat(response_format=form, seed=seed, temperature=1.5, max_tokens=200)["choices"][0]
            self.assertEqual(c["finish_reason"], "stop")
            v = json.loads(c["message"]["content"])
            self.assertEqual(json.dumps(v, separators=(",", ":"), ensure_ascii=False), c["message"]["content"])
        cut = self.chat(response_format=form, max_tokens=2)["choices"][0]
        self.assertEqual(cut["finish_reason"], "length")

    def test_b40_a_picture_that_claims_too_much(self):
        for claims in (200000, 200000), (0x7fffffff, 1), (1, 0x7fffffff), (0, 5):
            bomb = png(1, 1, claims=claims)
            for path, body in ((CHAT, {"messages": shown(bomb)}), (OLLAMA, {"messages": [ASK[0] | {"images": [bomb]}]}),
                               (ANTHROPIC, {"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image", "source": {
                                   "type": "base64", "media_type": "image/png", "data": bomb}}]}]})):
                self.assertEqual(self.server.post(path, {"model": "sight", **body}).status, 400, (path, claims))
        self.chat()

    def test_b45_one_picture_on_every_protocol(self):
        raw = picture(2)
        answers = set()
        for p in raw, "data:image/png;base64," + raw, "\n".join(raw[i:i + 76] for i in range(0, len(raw), 76)):
            r = self.server.post(OLLAMA, {"model": "sight", "stream": False, "options": {"temperature": 0, "num_predict": 6},
                                          "messages": [{"role": "user", "content": "what is it?", "images": [p]}]})
            answers.add(r.json()["message"]["content"])
            r = self.server.post(ANTHROPIC, {"model": "sight", "max_tokens": 6, "temperature": 0, "messages": [{"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": p}}, {"type": "text", "text": "what is it?"}]}]})
            answers.add(r.json()["content"][0]["text"])
            url = p if p.startswith("data:") else "data:image/png;base64," + p
            answers.add(self.chat([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}},
                                                                {"type": "text", "text": "what is it?"}]}], "sight")["choices"][0]["message"]["content"])
        self.assertEqual(len(answers), 1, answers)
        for url in "http://127.0.0.1:1/a.png", "https://example.org/a.png", "file:///etc/passwd", "/etc/passwd", "ftp://a/b":
            body = {"model": "sight", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}
            self.error(self.server.post(CHAT, body), 400)

    def test_b50_streams_are_whole_characters(self):
        for seed in range(6):
            body = {"model": "text", "messages": ASK, "max_tokens": 40, "temperature": 2, "top_k": 0, "top_p": 1, "seed": seed}
            whole = self.server.post(CHAT, body).json()["choices"][0]["message"]["content"]
            events = self.server.post(CHAT, body | {"stream": True}).events()
            self.assertEqual("".join(c["delta"].get("content") or "" for e in events for c in e["choices"]), whole)
            form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": "a\u00e9\u4e1c\U0001f642b"}}}
            pieces = [c["delta"].get("content") or "" for e in self.server.post(CHAT, body | {"stream": True, "response_format": form}).events()
                      for c in e["choices"]]
            self.assertEqual("".join(pieces), '"a\u00e9\u4e1c\U0001f642b"')
            self.assertFalse(any("\ufffd" in p for p in pieces), pieces)

    def test_b51_cold_warm_and_busy_answers_are_the_same(self):
        body = [{"messages": [{"role": "user", "content": "star %d" % i}], "temperature": 1, "seed": i, "max_tokens": 20} for i in range(8)]
        ask = lambda i: self.chat(**body[i % 8])["choices"]
        cold, warm, busy = [ask(i) for i in range(8)], [ask(i) for i in range(8)], at_once(16, ask)
        self.assertEqual(cold, warm)
        self.assertEqual(cold + cold, busy)
        self.assertGreaterEqual(len({self.chat(temperature=1, seed=i, max_tokens=20)["choices"][0]["message"]["content"] for i in range(10)}), 8)

    def test_b53_no_functions_are_none(self):
        plain = self.chat()["choices"]
        for tools in [], None:
            for choice in {}, {"tool_choice": "auto"}, {"tool_choice": "none"}:
                self.assertEqual(self.chat(tools=tools, **choice)["choices"], plain)
        r = self.server.post(OLLAMA, {"model": "text", "messages": ASK, "tools": [], "stream": False, "options": {"num_predict": 6, "temperature": 0}})
        self.assertEqual(r.json()["message"]["content"], plain[0]["message"]["content"])

    def test_b57_the_model_makers_defaults(self):
        p = self.server.get("/props?model=text").json()["default_generation_settings"]["params"]
        self.assertEqual([round(p[k], 6) for k in ("temperature", "top_k", "top_p", "min_p", "repeat_penalty")], [1, 64, 0.95, 0, 1])
        self.assertEqual(self.chat(temperature=0, top_p=0.3)["choices"], self.chat(temperature=0, top_p=1, top_k=0)["choices"])


class Context(unittest.TestCase):
    def test_b02_b19_one_context_on_every_route(self):
        for size, places in (128, 1), (128, 4), (512, 4):
            server = Server("-c", str(size), "--parallel", str(places), "--log", "none")
            props = server.get("/props").json()
            self.assertEqual((props["default_generation_settings"]["n_ctx"], props["total_slots"]), (size, places))
            ids = [2] + [5] * (size - 11)
            self.assertEqual(server.post("/v1/completions", {"prompt": ids, "max_tokens": 4}).status, 200)
            long = [2] + [5] * size
            text = "a b c d " * size
            ask = {"messages": [{"role": "user", "content": text}]}
            before = server.get("/metrics").body.decode().split("carat_generated_tokens_total")[-1].split("\n")[0]
            for stream in False, True:
                for path, body in (("/v1/completions", {"prompt": long}), ("/completion", {"prompt": long}), (CHAT, ask), (OLLAMA, ask),
                                   ("/api/generate", {"prompt": text}), (ANTHROPIC, ask | {"max_tokens": 4}), ("/v1/responses", {"input": text})):
                    r = server.post(path, body | {"stream": stream})
                    self.assertEqual(r.status, 400, (path, r.body[:200]))
                    self.assertRegex(r.body.decode(), r"\b%d\b" % size, path)
                    if path == "/v1/completions":
                        self.assertRegex(r.body.decode(), r"\b%d\b" % (size + 1), path)
            after = server.get("/metrics").body.decode().split("carat_generated_tokens_total")[-1].split("\n")[0]
            self.assertEqual(before, after)
            self.assertEqual(server.stop(), 0)

    def test_b05_the_end_of_the_context(self):
        texts = []
        for size in 64, 256:
            server = Server("-c", str(size), "--log", "none")
            r = server.post(CHAT, {"messages": ASK, "temperature": 0, "ignore_eos": True, "max_tokens": 8000 if size == 64 else 100}).json()
            if size == 64:
                # The last token is given and never read, so it takes no place.
                self.assertEqual((r["choices"][0]["finish_reason"], r["usage"]["total_tokens"]), ("length", 65))
            texts.append(r["choices"][0]["message"]["content"])
            self.assertEqual(server.stop(), 0)
        self.assertTrue(texts[1].startswith(texts[0].rstrip("\ufffd")))

    def test_b22_b47_pictures_are_whole_whatever_the_step(self):
        answers = []
        for more in (), ("-b", "16"):
            server = Server("-c", "600", "--log", "none", *more, model=SIGHT)
            body = {"messages": shown(picture(0), picture(1)), "temperature": 0, "max_tokens": 6, "logprobs": True}
            r = server.post(CHAT, body)
            self.assertEqual(r.status, 200, r.body)
            answers.append([t["token"] for t in r.json()["choices"][0]["logprobs"]["content"]])
            r = server.post(CHAT, body | {"messages": shown(*[picture(i % 2) for i in range(200)])})
            self.assertEqual((r.status, r.json()["error"]["code"]), (400, "context_length_exceeded"))
            self.assertEqual(server.stop(), 0)
        self.assertEqual(*answers)

    def test_b49_a_model_that_does_not_fit_is_refused_with_figures(self):
        server = Server("--max-memory", "1M", wait=False)
        self.assertNotIn(server.process.wait(20), (0, -6, -11))
        self.assertRegex(server.said(), r"\d+(\.\d+)? [KMG]i?B")
        server.log.close()


class Memory(unittest.TestCase):
    def test_b01_memory_is_flat_after_the_beginning(self):
        """Texts, schemas, pictures, refusals and clients that leave: after a quarter of them the server has what it needs."""
        server = Server("--parallel", "2", "-c", "1024", "--prefix-cache", "4M", "--image-cache", "4", "--log", "none", model=SIGHT)
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {
            "a": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["a"]}}}
        pictures = [picture(0), picture(1), picture(2)]
        endless = json.dumps({"prompt": "a", "max_tokens": 900, "ignore_eos": True, "stream": True}).encode()
        head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(endless)

        def leave():
            s = server.raw(head + endless)
            s.recv(100)
            s.close()

        def some(i):
            ask = [{"role": "user", "content": "star %d" % i}]
            body = {"messages": ask, "max_tokens": 8, "seed": i}
            for more in {}, {"stream": True}, {"response_format": form}, {"logprobs": True, "top_logprobs": 5}, \
                    {"messages": shown(pictures[i % 3], text="%d" % i)}:
                self.assertEqual(server.post(CHAT, body | more).status, 200)
            self.assertEqual(server.post(CHAT, body | {"temperature": -1}).status, 400)
            self.assertEqual(server.post(CHAT, b"{").status, 400)
            self.assertEqual(server.post(OLLAMA, {"messages": ask, "options": {"num_predict": 4}}).status, 200)
            leave()

        def resident():
            text = server.get("/metrics").body.decode()
            return float(next(l for l in text.split("\n") if l.startswith("carat_resident_memory_bytes")).split()[1])
        for i in range(30):
            some(i)
        before = resident()
        for i in range(30, 120):
            some(i)
        self.assertLess(resident() - before, 8 << 20)
        self.assertEqual(server.stop(), 0)


class Leaving(unittest.TestCase):
    def test_b33_clients_that_leave_at_any_time(self):
        server, draw = Server("--parallel", "2", "--log", "none"), random.Random(33)
        for _ in range(60):
            body = json.dumps({"prompt": [2] + [draw.randrange(5, 200)] * draw.choice((3, 2000)), "max_tokens": 4000, "ignore_eos": True,
                               "stream": draw.random() < 0.5}).encode()
            s = server.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
                           + body[:draw.choice((len(body), len(body), len(body) // 2))])
            time.sleep(draw.choice((0, 0, 0.002, 0.02)))
            s.close()
        start = time.monotonic()
        self.assertEqual(server.post(CHAT, {"messages": ASK, "max_tokens": 2}).status, 200)
        self.assertLess(time.monotonic() - start, 10)
        until = time.monotonic() + 10
        while any(s["is_processing"] for s in server.get("/slots").json()) and time.monotonic() < until:
            time.sleep(0.01)
        self.assertFalse(any(s["is_processing"] for s in server.get("/slots").json()))
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    main()
