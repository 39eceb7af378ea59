"""litellm: as OpenAI's protocol, Ollama's and Anthropic's; its exceptions.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch a list of prices

import litellm  # noqa: E402

from serving import KEY, PERSON, TALK, TOOL, WATERED, WATERING, Case, is_person, main  # noqa: E402


class Litellm(Case):
    def ask(self, content=TALK, kind="openai", model="chat", url=None, key="none", **more):
        base = (url or self.url) + ("/v1" if kind == "openai" else "")
        return litellm.completion(**{"model": kind + "/" + model, "api_base": base, "api_key": key, "temperature": 0, "max_tokens": 60,
                                     "messages": [{"role": "user", "content": content}], "num_retries": 0, "max_retries": 0} | more)

    def test_one_answer_in_three_protocols(self):
        said = set()
        for kind in "openai", "ollama_chat", "anthropic":
            whole = self.ask(kind=kind).choices[0].message.content
            self.assertIn("Berlin", whole)
            parts = [c.choices[0].delta.content for c in self.ask(kind=kind, stream=True) if c.choices[0].delta.content]
            self.assertEqual(self.pieces(parts), whole, kind)
            said.add(whole)
        self.assertEqual(len(said), 1)

    def test_functions_in_three_protocols(self):
        for kind in "openai", "ollama_chat", "anthropic":
            (call,) = self.ask(WATERING, kind, tools=[TOOL]).choices[0].message.tool_calls
            self.assertEqual((call.function.name, json.loads(call.function.arguments)), ("irrigate", WATERED), kind)

    def test_schemas_are_kept(self):
        form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
        r = self.ask("Make up somebody.", model="text", temperature=1.5, max_tokens=300, response_format=form)
        self.assertTrue(is_person(json.loads(r.choices[0].message.content)))

    def test_embeddings(self):
        r = litellm.embedding(model="openai/chat", input=["a cat", "a dog"], api_base=self.url + "/v1", api_key="none")
        self.assertEqual([len(d["embedding"]) for d in r.data], [640, 640])

    def test_errors(self):
        with self.assertRaises(litellm.AuthenticationError):
            self.ask(model="text", url=self.narrow.url, key="no")
        with self.assertRaises(litellm.NotFoundError):
            self.ask(model="gpt-4o")
        with self.assertRaises(litellm.BadRequestError) as e:
            self.ask("a b " * 20000)
        self.assertIn("8192", str(e.exception))
        e = self.full(lambda: self.ask(model="text", url=self.narrow.url, key=KEY))
        self.assertIsInstance(e, litellm.RateLimitError)


if __name__ == "__main__":
    main()
