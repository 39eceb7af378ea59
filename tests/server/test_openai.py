"""OpenAI's protocol over HTTP: streams, lists of prompts, the Responses API and what it stores.

SPDX-License-Identifier: Apache-2.0
"""
import unittest

from served import Case, main

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 12, "seed": 1}


class Streams(Case):
    def test_a_stream_says_what_the_whole_reply_says(self):
        whole = self.server.post(CHAT, HELLO | {"n": 2}).json()
        r = self.server.post(CHAT, HELLO | {"n": 2, "stream": True, "stream_options": {"include_usage": True}})
        self.assertEqual((r.status, r.headers["Content-Type"]), (200, "text/event-stream"))
        self.assertTrue(r.body.endswith(b"data: [DONE]\n\n"))
        events, texts = r.events(), ["", ""]
        for e in events[:-1]:
            for c in e["choices"]:
                texts[c["index"]] += c["delta"].get("content", "")
        self.assertEqual(texts, [c["message"]["content"] for c in whole["choices"]])
        self.assertEqual(events[-1]["choices"], [])
        self.assertEqual(events[-1]["usage"]["completion_tokens"], whole["usage"]["completion_tokens"])
        self.assertEqual(events[-1]["timings"]["predicted_n"], 24)

    def test_more_prompts_than_the_engine_has_places(self):
        prompts = [f"text {i}" for i in range(40)]
        r = self.server.post("/v1/completions", {"prompt": prompts, "max_tokens": 2, "temperature": 0}).json()
        self.assertEqual([c["index"] for c in r["choices"]], list(range(40)))
        one = self.server.post("/v1/completions", {"prompt": prompts[17], "max_tokens": 2, "temperature": 0}).json()
        self.assertEqual(r["choices"][17]["text"], one["choices"][0]["text"])

    def test_one_prompt_of_many_that_is_too_long(self):
        r = self.server.post("/v1/completions", {"prompt": [[2, 5], [2] + [5] * 100000], "max_tokens": 2})
        self.error(r, 400, code="context_length_exceeded")
        self.assertEqual(self.server.post(CHAT, HELLO).status, 200)


class Responses(Case):
    def create(self, **more):
        r = self.server.post("/v1/responses", {"input": "Hello", "max_output_tokens": 4, "seed": 1} | more)
        self.assertEqual(r.status, 200, r.body)
        return r

    def test_events(self):
        r = self.create(stream=True)
        types = [l[7:] for l in r.body.decode().split("\n") if l.startswith("event: ")]
        self.assertEqual(types[:4], ["response.created", "response.in_progress", "response.output_item.added",
                                     "response.content_part.added"])
        self.assertEqual(types[-1], "response.incomplete")
        self.assertEqual([e["sequence_number"] for e in r.events()], list(range(len(types))))
        self.assertNotIn(b"[DONE]", r.body)

    def test_the_store(self):
        first = self.create().json()
        path = "/v1/responses/" + first["id"]
        self.assertEqual(self.server.get(path).json(), first)
        second = self.create(input="And?", previous_response_id=first["id"]).json()
        self.assertGreater(second["usage"]["input_tokens"], first["usage"]["input_tokens"])
        self.error(self.server.post(path + "/cancel", {}), 400, "background")
        self.error(self.server.post(path, {}), 404)
        self.assertEqual(self.server.send("DELETE", path).json(),
                         {"id": first["id"], "object": "response", "deleted": True})
        for r in self.server.get(path), self.server.send("DELETE", path), self.server.post(path + "/cancel", {}):
            self.error(r, 404, first["id"])
        self.error(self.server.post("/v1/responses", {"input": "a", "previous_response_id": first["id"]}), 400,
                   param="previous_response_id", code="previous_response_not_found")

    def test_faults_have_the_clients_names(self):
        self.error(self.server.post("/v1/responses", {"input": "a " * 20000}), 400, param="input",
                   code="context_length_exceeded")
        self.error(self.server.post("/v1/responses", {"input": "a", "background": True}), 400, param="background")
        n = self.server.post("/v1/responses/input_tokens", {"input": "Hello"}).json()
        self.assertEqual(n["input_tokens"], self.create().json()["usage"]["input_tokens"])


if __name__ == "__main__":
    main()
