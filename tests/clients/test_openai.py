"""The openai package for Python: chat, completions, responses, embeddings, models, its exceptions.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import struct
from typing import Literal

import openai
from openai import OpenAI
from pydantic import BaseModel, Field

from serving import KEY, OTHER, PERSON, PICTURE64, TALK, TOOL, WATER, WATERED, WATERING, Case, is_person, main

ASK = [{"role": "user", "content": TALK}]
CALL = [{"role": "user", "content": WATERING}]
IMAGE = [{"role": "user", "content": [
    {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PICTURE64}}, {"type": "text", "text": "what is it?"}]}]


class Person(BaseModel):
    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)
    kind: Literal["cat", "dog", "human"]


class Openai(Case):
    def setUp(self):
        self.client = OpenAI(base_url=self.url + "/v1", api_key="none", max_retries=0)
        self.keyed = OpenAI(base_url=self.narrow.url + "/v1", api_key=KEY, max_retries=0)
        self.addCleanup(self.client.close)
        self.addCleanup(self.keyed.close)

    def chat(self, **more):
        return self.client.chat.completions.create(**{"model": "chat", "messages": ASK, "max_tokens": 30, "seed": 5} | more)


class Chat(Openai):
    def test_a_stream_says_what_the_whole_answer_says(self):
        whole = self.chat(n=2)
        texts, ends, usage = ["", ""], [None, None], None
        for chunk in self.chat(n=2, stream=True, stream_options={"include_usage": True}):
            for c in chunk.choices:
                texts[c.index] += c.delta.content or ""
                ends[c.index] = c.finish_reason or ends[c.index]
            usage = chunk.usage or usage
        self.assertEqual(texts, [c.message.content for c in whole.choices])
        self.assertEqual(ends, [c.finish_reason for c in whole.choices])
        self.assertEqual((usage.prompt_tokens, usage.completion_tokens), (whole.usage.prompt_tokens, whole.usage.completion_tokens))
        self.assertTrue(all(texts))

    def test_settings_are_honoured(self):
        hot = dict(model="text", temperature=1.5)
        same = [self.chat(**hot).choices[0].message.content for _ in range(2)]
        self.assertEqual(*same)
        self.assertNotEqual(same[0], self.chat(**hot | {"seed": 6}).choices[0].message.content)
        text = self.chat(temperature=0).choices[0].message.content
        word = text.split()[2]
        cut = self.chat(temperature=0, stop=[word]).choices[0]
        self.assertEqual((cut.message.content, cut.finish_reason), (text[:text.index(word)], "stop"))
        self.assertEqual(self.chat(temperature=0, max_completion_tokens=2).usage.completion_tokens, 2)

    def test_logprobs(self):
        c = self.chat(temperature=0, logprobs=True, top_logprobs=3).choices[0]
        self.assertEqual("".join(t.token for t in c.logprobs.content), c.message.content)
        for t in c.logprobs.content:
            self.assertEqual((len(t.top_logprobs), t.top_logprobs[0].logprob), (3, t.logprob))
            self.assertEqual(bytes(t.bytes).decode(), t.token)
        first = c.logprobs.content[0]
        ids = self.server.post("/tokenize", {"content": first.token, "model": "chat"}).json()["tokens"]
        banned = self.chat(temperature=0, logit_bias={str(ids[0]): -100}).choices[0].message.content
        self.assertFalse(banned.startswith(first.token))

    def test_functions_whole_and_streamed(self):
        for choice in "auto", "required", {"type": "function", "function": {"name": "irrigate"}}:
            asked = dict(messages=CALL, tools=[TOOL, OTHER], tool_choice=choice, temperature=0, max_tokens=80)
            whole = self.chat(**asked).choices[0]
            self.assertEqual(whole.finish_reason, "tool_calls")
            (call,) = whole.message.tool_calls
            self.assertEqual((call.function.name, json.loads(call.function.arguments)), ("irrigate", WATERED))
            deltas = [d for chunk in self.chat(stream=True, **asked) for c in chunk.choices for d in c.delta.tool_calls or []]
            self.assertEqual((deltas[0].function.name, deltas[0].index), ("irrigate", 0))
            self.assertTrue(deltas[0].id)
            self.assertEqual(self.pieces([d.function.arguments or "" for d in deltas]), call.function.arguments)

    def test_text_beside_functions_streams(self):
        parts = [c.delta.content for chunk in self.chat(tools=[OTHER], temperature=0, stream=True) for c in chunk.choices
                 if c.delta.content]
        self.assertIn("Berlin", self.pieces(parts))

    def test_a_result_is_answered(self):
        first = self.chat(messages=CALL, tools=[TOOL], temperature=0, max_tokens=80).choices[0].message
        again = CALL + [first, {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": '{"done": true}'}]
        second = self.chat(messages=again, tools=[TOOL], temperature=0).choices[0]
        self.assertEqual(second.finish_reason, "stop")
        self.assertTrue(second.message.content)
        self.assertIsNone(second.message.tool_calls)

    def test_the_streaming_helper(self):
        with self.client.chat.completions.stream(model="chat", messages=CALL, tools=[TOOL | {"function": TOOL["function"] | {
                "strict": True}}], temperature=0, max_tokens=80) as stream:
            kinds = [e.type for e in stream]
            final = stream.get_final_completion().choices[0].message
        self.assertIn("tool_calls.function.arguments.delta", kinds)
        self.assertEqual(json.loads(final.tool_calls[0].function.arguments), WATERED)

    def test_images(self):
        a = self.chat(model="sight", messages=IMAGE, temperature=0)
        b = "".join(c.delta.content or "" for chunk in self.chat(model="sight", messages=IMAGE, temperature=0, stream=True)
                    for c in chunk.choices)
        self.assertEqual(a.choices[0].message.content, b)
        without = self.chat(model="sight", messages=[{"role": "user", "content": "what is it?"}], temperature=0)
        self.assertNotEqual(a.choices[0].message.content, without.choices[0].message.content)
        self.assertGreater(a.usage.prompt_tokens, without.usage.prompt_tokens)

    def test_schemas_are_kept(self):
        for model in "chat", "text":
            for seed in range(3):
                p = self.client.chat.completions.parse(model=model, seed=seed, temperature=1.5, response_format=Person, max_tokens=300,
                                                       messages=[{"role": "user", "content": "Make up somebody."}]).choices[0]
                self.assertIsInstance(p.message.parsed, Person)
        raw = self.chat(response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}, max_tokens=300)
        self.assertTrue(is_person(json.loads(raw.choices[0].message.content)))
        self.assertIsInstance(json.loads(self.chat(response_format={"type": "json_object"}, max_tokens=300, model="chat",
                              temperature=0).choices[0].message.content), dict)

    def test_a_client_that_closes_its_stream(self):
        stream = self.keyed.chat.completions.create(model="text", messages=ASK, max_tokens=8000, stream=True,
                                                    extra_body={"ignore_eos": True})
        next(iter(stream))
        self.assertEqual(self.narrow.busy(), 1)
        stream.close()
        self.narrow.wait_until_idle()


class Others(Openai):
    def test_completions(self):
        asked = dict(model="base", prompt=["Paris is", "One, two,"], max_tokens=6, temperature=0, logprobs=2)
        whole = self.client.completions.create(**asked)
        texts = ["", ""]
        for chunk in self.client.completions.create(stream=True, **asked):
            for c in chunk.choices:
                texts[c.index] += c.text
        self.assertEqual(texts, [c.text for c in whole.choices])
        for c in whole.choices:
            self.assertEqual("".join(c.logprobs.tokens), c.text)
            self.assertEqual(c.logprobs.token_logprobs, [max(t.values()) for t in c.logprobs.top_logprobs])
        self.assertIn("three", texts[1])

    def test_models(self):
        self.assertEqual([m.id for m in self.client.models.list()], ["chat", "base", "sight", "text"])
        self.assertEqual(self.client.models.retrieve("sight").object, "model")

    def test_embeddings(self):
        asked = dict(model="chat", input=["a cat", "a dog"])
        packed = self.client.embeddings.create(**asked)  # the client asks for base64 and unpacks it
        floats = self.client.embeddings.create(encoding_format="float", **asked)
        raw = self.client.embeddings.create(encoding_format="base64", **asked)
        for a, b, c in zip(packed.data, floats.data, raw.data):
            self.assertEqual(len(a.embedding), 640)
            self.assertEqual([struct.pack("<f", x) for x in a.embedding], [struct.pack("<f", x) for x in b.embedding])
            self.assertEqual(base64.b64decode(c.embedding), struct.pack("<640f", *b.embedding))
        self.assertGreater(packed.usage.prompt_tokens, 4)

    def test_responses(self):
        asked = dict(model="chat", input=TALK, max_output_tokens=30, temperature=0)
        whole = self.client.responses.create(**asked)
        with self.client.responses.stream(**asked) as stream:
            deltas = [e.delta for e in stream if e.type == "response.output_text.delta"]
            final = stream.get_final_response()
        self.assertEqual((self.pieces(deltas), final.output_text), (whole.output_text, whole.output_text))
        self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)
        self.assertEqual(self.client.responses.retrieve(whole.id).output_text, whole.output_text)

    def test_responses_call_functions(self):
        tool = {"type": "function", "name": "irrigate", "description": "Waters the plants", "parameters": WATER, "strict": False}
        for choice in "auto", "required", {"type": "function", "name": "irrigate"}:
            asked = dict(model="chat", input=WATERING, tools=[tool], tool_choice=choice, temperature=0)
            whole = self.client.responses.create(**asked)
            (call,) = whole.output
            self.assertEqual((call.type, json.loads(call.arguments)), ("function_call", WATERED))
            deltas = [e.delta for e in self.client.responses.create(stream=True, **asked)
                      if e.type == "response.function_call_arguments.delta"]
            self.assertEqual(self.pieces(deltas), call.arguments)
        result = {"type": "function_call_output", "call_id": call.call_id, "output": '{"done": true}'}
        end = self.client.responses.create(model="chat", input=[result], tools=[tool], previous_response_id=whole.id, temperature=0)
        self.assertEqual(end.output[0].type, "message")
        self.assertTrue(end.output_text)

    def test_responses_see_and_parse(self):
        seen = self.client.responses.create(model="sight", temperature=0, max_output_tokens=8, input=[{"role": "user", "content": [
            {"type": "input_image", "image_url": "data:image/png;base64," + PICTURE64, "detail": "auto"},
            {"type": "input_text", "text": "what is it?"}]}])
        chat = self.chat(model="sight", messages=IMAGE, temperature=0, max_tokens=8).choices[0].message.content
        self.assertEqual(seen.output_text, chat)
        parsed = self.client.responses.parse(model="chat", input="Make up somebody.", text_format=Person, max_output_tokens=300)
        self.assertIsInstance(parsed.output_parsed, Person)


class Errors(Openai):
    def test_a_wrong_key(self):
        with self.assertRaises(openai.AuthenticationError) as e:
            OpenAI(base_url=self.narrow.url + "/v1", api_key="wrong", max_retries=0).models.list()
        self.assertEqual((e.exception.status_code, e.exception.type), (401, "authentication_error"))

    def test_an_unknown_model(self):
        with self.assertRaises(openai.NotFoundError) as e:
            self.chat(model="gpt-4o")
        self.assertEqual(e.exception.code, "model_not_found")
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("gpt-4o")

    def test_a_long_prompt(self):
        long = "a b " * 20000
        for call in (lambda: self.chat(messages=[{"role": "user", "content": long}]),
                     lambda: self.chat(messages=[{"role": "user", "content": long}], stream=True),
                     lambda: self.client.completions.create(model="base", prompt=long),
                     lambda: self.client.embeddings.create(model="chat", input=long),
                     lambda: self.client.responses.create(model="chat", input=long)):
            with self.assertRaises(openai.BadRequestError) as e:
                call()
            self.assertEqual(e.exception.code, "context_length_exceeded")
            self.assertRegex(e.exception.message, r"\d{5}.*8192|8192.*\d{5}")

    def test_wrong_fields(self):
        with self.assertRaises(openai.BadRequestError) as e:
            self.chat(temperature=-1)
        self.assertEqual(e.exception.param, "temperature")
        with self.assertRaises(openai.BadRequestError) as e:
            self.chat(response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": {"$ref": "#/nowhere"}}})
        self.assertIn("$ref", e.exception.message)

    def test_a_full_queue(self):
        e = self.full(lambda: self.keyed.chat.completions.create(model="text", messages=ASK, max_tokens=2))
        self.assertIsInstance(e, openai.RateLimitError)
        self.assertGreaterEqual(int(e.response.headers["retry-after"]), 1)
        self.assertEqual(self.keyed.chat.completions.create(model="text", messages=ASK, max_tokens=2).usage.completion_tokens, 2)


if __name__ == "__main__":
    main()
