"""The ollama package for Python: chat, generate, embed, models, its exceptions.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json

import ollama
from pydantic import BaseModel

from serving import KEY, OTHER, PERSON, PICTURE, PICTURE64, TALK, TOOL, WATERED, WATERING, Case, is_person, main

ASK = [{"role": "user", "content": TALK}]
GREEDY = {"temperature": 0, "num_predict": 30}


def irrigate(area: str, amount: int) -> str:
    """Waters the plants

    Args:
      area: where
      amount: How many
    """
    return "%s got %d liters" % (area, amount)


class Ollama(Case):
    def setUp(self):
        self.client = ollama.Client(host=self.url)
        self.keyed = ollama.Client(host=self.narrow.url, headers={"Authorization": "Bearer " + KEY})

    def chat(self, **more):
        return self.client.chat(**{"model": "chat", "messages": ASK, "options": GREEDY} | more)

    def test_a_stream_says_what_the_whole_answer_says(self):
        for options in GREEDY, {"seed": 3, "temperature": 1.5, "num_predict": 20}:
            whole = self.chat(options=options)
            parts = list(self.chat(options=options, stream=True))
            self.assertEqual(self.pieces([p.message.content for p in parts]), whole.message.content)
            self.assertEqual((parts[-1].eval_count, parts[-1].done_reason), (whole.eval_count, whole.done_reason))
            self.assertEqual(whole, whole.model_validate(whole.model_dump()))
        self.assertGreater(whole.total_duration, whole.eval_duration)

    def test_generate(self):
        asked = dict(model="base", prompt="One, two,", raw=True, options=GREEDY)
        whole = self.client.generate(**asked)
        self.assertIn("three", whole.response)
        self.assertEqual(self.pieces([p.response for p in self.client.generate(stream=True, **asked)]), whole.response)
        first = self.client.generate(model="chat", prompt="My name is Ada.", options=GREEDY)
        second = self.client.generate(model="chat", prompt="And now?", context=first.context, options=GREEDY)
        self.assertGreater(second.prompt_eval_count, first.prompt_eval_count)

    def test_options_are_honoured(self):
        whole = self.chat()
        word = whole.message.content.split()[2]
        cut = self.chat(options=GREEDY | {"stop": [word]})
        self.assertEqual((cut.message.content, cut.done_reason), (whole.message.content[:whole.message.content.index(word)], "stop"))
        self.assertEqual(self.chat(options=GREEDY | {"num_predict": 2}).eval_count, 2)
        hot = [self.chat(model="text", options={"seed": s, "temperature": 1.5, "num_predict": 20}).message.content for s in (1, 1, 2)]
        self.assertEqual(hot[0], hot[1])
        self.assertNotEqual(hot[0], hot[2])
        with self.assertRaises(ollama.ResponseError) as e:
            self.chat(options=GREEDY | {"num_ctx": 10})
        self.assertIn("10", e.exception.error)

    def test_logprobs(self):
        whole = self.chat(logprobs=True, top_logprobs=2)
        self.assertEqual("".join(t.token for t in whole.logprobs), whole.message.content)
        self.assertTrue(all(t.logprob == t.top_logprobs[0].logprob for t in whole.logprobs))

    def test_functions(self):
        call = [{"role": "user", "content": WATERING}]
        for tools in [TOOL, OTHER], [irrigate]:
            options = {"temperature": 0, "num_predict": 80}
            whole = self.chat(messages=call, tools=tools, options=options).message
            (made,) = whole.tool_calls
            self.assertEqual((made.function.name, made.function.arguments), ("irrigate", WATERED))
            streamed = [c for p in self.chat(messages=call, tools=tools, options=options, stream=True) for c in p.message.tool_calls or []]
            self.assertEqual(streamed, whole.tool_calls)
        result = {"role": "tool", "tool_name": "irrigate", "content": irrigate(**made.function.arguments)}
        end = self.chat(messages=call + [whole, result], tools=[irrigate])
        self.assertTrue(end.message.content)
        self.assertIsNone(end.message.tool_calls)
        self.assertIn("Berlin", self.chat(tools=[OTHER]).message.content)

    def test_images(self):
        answers = [self.chat(model="sight", messages=[{"role": "user", "content": "what is it?", "images": images}])
                   for images in ([PICTURE], [PICTURE64], [base64.b64decode(PICTURE64)])]
        self.assertEqual(len({a.message.content for a in answers}), 1)
        blind = self.chat(model="sight", messages=[{"role": "user", "content": "what is it?"}])
        self.assertNotEqual(answers[0].message.content, blind.message.content)
        self.assertGreater(answers[0].prompt_eval_count, blind.prompt_eval_count)
        self.assertEqual(self.client.generate(model="sight", prompt="what is it?", images=[PICTURE], options=GREEDY).response,
                         answers[0].message.content)
        with self.assertRaises(ollama.ResponseError) as e:
            self.chat(model="text", messages=[{"role": "user", "content": "what is it?", "images": [PICTURE]}])
        self.assertEqual(e.exception.status_code, 400)

    def test_schemas_are_kept(self):
        for seed in range(3):
            r = self.chat(model="text", messages=[{"role": "user", "content": "Make up somebody."}], format=PERSON,
                          options={"seed": seed, "temperature": 1.5, "num_predict": 300})
            self.assertTrue(is_person(json.loads(r.message.content)))
        self.assertIsInstance(json.loads(self.chat(format="json", options={"num_predict": 300, "temperature": 0}).message.content), dict)

    def test_models(self):
        self.assertEqual([m.model for m in self.client.list().models], ["chat:latest", "base:latest", "sight:latest", "text:latest"])
        shown = self.client.show("sight")
        self.assertIn("vision", shown.capabilities)
        self.assertEqual(shown.details.family, "gemma3")
        self.chat()
        self.assertIn("chat:latest", [m.model for m in self.client.ps().models])

    def test_embeddings(self):
        r = self.client.embed(model="chat", input=["a cat", "a dog"])
        self.assertEqual([len(e) for e in r.embeddings], [640, 640])
        self.assertAlmostEqual(sum(x * x for x in r.embeddings[0]), 1, places=4)
        self.assertEqual(len(self.client.embeddings(model="chat", prompt="a cat").embedding), 640)

    def test_errors(self):
        for status, call in ((404, lambda: self.chat(model="llama3")), (404, lambda: self.client.show("llama3")),
                             (400, lambda: self.chat(messages=[{"role": "user", "content": "a b " * 20000}])),
                             (400, lambda: list(self.chat(messages=[{"role": "user", "content": "a b " * 20000}], stream=True))),
                             (401, lambda: ollama.Client(host=self.narrow.url, headers={"Authorization": "Bearer no"}).list()),
                             (403, lambda: self.client.delete("chat"))):
            with self.assertRaises(ollama.ResponseError) as e:
                call()
            self.assertEqual(e.exception.status_code, status, e.exception)
            self.assertTrue(e.exception.error)
        e = self.full(lambda: self.keyed.chat(model="text", messages=ASK, options={"num_predict": 2}))
        self.assertEqual(e.status_code, 429)

    def test_a_client_that_leaves(self):
        parts = self.keyed.generate(model="text", prompt="a", raw=True, options={"num_predict": 8000, "temperature": 1.5}, stream=True)
        next(parts)
        parts.close()
        self.narrow.wait_until_idle()


if __name__ == "__main__":
    main()
