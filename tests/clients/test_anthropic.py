"""The anthropic package for Python: messages, streams, tools, structured outputs, counts, its exceptions.

SPDX-License-Identifier: Apache-2.0
"""
import json

import anthropic

from serving import KEY, PERSON, PICTURE64, TALK, WATER, WATERED, WATERING, Case, is_person, main

ASK = [{"role": "user", "content": TALK}]
TOOL = {"name": "irrigate", "description": "Waters the plants", "input_schema": WATER}
OTHER = {"name": "air_quality", "description": "Air quality of a city", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
IMAGE = [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE64}},
                                      {"type": "text", "text": "what is it?"}]}]


class Anthropic(Case):
    def setUp(self):
        self.client = anthropic.Anthropic(base_url=self.url, api_key="none", max_retries=0)
        self.keyed = anthropic.Anthropic(base_url=self.narrow.url, api_key=KEY, max_retries=0)
        self.addCleanup(self.client.close)
        self.addCleanup(self.keyed.close)

    def asked(self, **more):
        """This client has no arguments for temperature and top_k any more."""
        return {"model": "chat", "messages": ASK, "max_tokens": 80, "extra_body": {"temperature": 0}} | more

    def message(self, **more):
        return self.client.messages.create(**self.asked(**more))

    def test_a_stream_says_what_the_whole_answer_says(self):
        whole = self.message(system="Answer in one sentence.")
        with self.client.messages.stream(**self.asked(system="Answer in one sentence.")) as stream:
            text = self.pieces(list(stream.text_stream))
            final = stream.get_final_message()
        self.assertEqual((text, final.content[0].text), (whole.content[0].text, whole.content[0].text))
        self.assertEqual((final.stop_reason, final.usage.output_tokens), (whole.stop_reason, whole.usage.output_tokens))
        self.assertEqual(whole.stop_reason, "end_turn")

    def test_settings_are_honoured(self):
        text = self.message().content[0].text
        word = text.split()[2]
        cut = self.message(stop_sequences=[word])
        self.assertEqual((cut.content[0].text, cut.stop_reason, cut.stop_sequence), (text[:text.index(word)], "stop_sequence", word))
        short = self.message(max_tokens=2)
        self.assertEqual((short.usage.output_tokens, short.stop_reason), (2, "max_tokens"))

    def test_tools_whole_and_streamed(self):
        call = [{"role": "user", "content": WATERING}]
        for choice in {"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "irrigate"}:
            asked = dict(messages=call, tools=[TOOL, OTHER], tool_choice=choice)
            whole = self.message(**asked)
            self.assertEqual(whole.stop_reason, "tool_use")
            (block,) = whole.content
            self.assertEqual((block.type, block.name, block.input), ("tool_use", "irrigate", WATERED))
            with self.client.messages.stream(**self.asked(**asked)) as stream:
                parts = [e.partial_json for e in stream if e.type == "input_json"]
                final = stream.get_final_message()
            self.assertEqual((json.loads(self.pieces(parts)), final.content[0].input), (WATERED, WATERED))
        result = {"type": "tool_result", "tool_use_id": block.id, "content": "done"}
        end = self.message(messages=call + [{"role": "assistant", "content": whole.content}, {"role": "user", "content": [result]}],
                           tools=[TOOL])
        self.assertEqual((end.stop_reason, end.content[0].type), ("end_turn", "text"))
        self.assertIn("Berlin", self.message(tools=[OTHER]).content[0].text)
        self.assertEqual(self.message(messages=call, tools=[TOOL], tool_choice={"type": "none"}).content[0].type, "text")

    def test_images(self):
        seen = self.message(model="sight", messages=IMAGE)
        blind = self.message(model="sight", messages=[{"role": "user", "content": "what is it?"}])
        self.assertNotEqual(seen.content, blind.content)
        n = self.client.messages.count_tokens(model="sight", messages=IMAGE).input_tokens
        cached = seen.usage.cache_read_input_tokens or 0
        self.assertEqual(seen.usage.input_tokens + cached, n)

    def test_schemas_are_kept(self):
        for model in "chat", "text":
            r = self.message(model=model, extra_body={"temperature": 1}, max_tokens=300, messages=[{"role": "user", "content": "Make up somebody."}],
                             output_config={"format": {"type": "json_schema", "schema": PERSON}})
            self.assertTrue(is_person(json.loads(r.content[0].text)), r.content)

    def test_errors(self):
        with self.assertRaises(anthropic.AuthenticationError):
            anthropic.Anthropic(base_url=self.narrow.url, api_key="wrong", max_retries=0).messages.create(**self.asked())
        with self.assertRaises(anthropic.NotFoundError) as e:
            self.message(model="claude")
        self.assertIn("claude", e.exception.message)
        long = [{"role": "user", "content": "a b " * 20000}]
        for stream in False, True:
            with self.assertRaises(anthropic.BadRequestError) as e:
                self.message(messages=long, stream=stream)
            self.assertRegex(e.exception.message, r"\d{5}.*8192|8192.*\d{5}")
        with self.assertRaises(anthropic.BadRequestError):
            self.message(extra_body={"temperature": 3})
        e = self.full(lambda: self.keyed.messages.create(**self.asked(model="text")))
        self.assertIsInstance(e, anthropic.RateLimitError)
        self.assertGreaterEqual(int(e.response.headers["retry-after"]), 1)

    def test_a_client_that_closes_its_stream(self):
        # No end of its own: the schema's text may not be shorter.
        schema = {"type": "string", "minLength": 7000}
        with self.keyed.messages.stream(**self.asked(model="text", max_tokens=8000, output_config={
                "format": {"type": "json_schema", "schema": schema}})) as stream:
            next(iter(stream.text_stream))
            self.assertEqual(self.narrow.busy(), 1)
        self.narrow.wait_until_idle()


if __name__ == "__main__":
    main()
