"""langchain-openai: answers, streams, bound tools, structured output, embeddings.

SPDX-License-Identifier: Apache-2.0
"""
from typing import Literal

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

from serving import KEY, PICTURE64, TALK, WATERED, WATERING, Case, main


@tool
def irrigate(area: str, amount: int) -> str:
    """Waters the plants"""
    return "%s got %d liters" % (area, amount)


class Person(BaseModel):
    """Somebody."""
    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)
    kind: Literal["cat", "dog", "human"]


class Langchain(Case):
    def model(self, model="chat", url=None, key="none", **more):
        return ChatOpenAI(**{"model": model, "base_url": (url or self.url) + "/v1", "api_key": key, "temperature": 0, "max_tokens": 80,
                             "max_retries": 0} | more)

    def test_a_stream_says_what_the_whole_answer_says(self):
        for more in {}, {"use_responses_api": True}:
            m = self.model(stream_usage=True, **more)
            whole, parts = m.invoke(TALK), list(m.stream(TALK))
            self.assertEqual(self.pieces([p.text for p in parts]), whole.text)
            self.assertIn("Berlin", whole.text)
            total = sum(p.usage_metadata["output_tokens"] for p in parts if p.usage_metadata)
            self.assertEqual(total, whole.usage_metadata["output_tokens"])

    def test_settings_are_honoured(self):
        text = self.model().invoke(TALK).text
        word = text.split()[2]
        self.assertEqual(self.model(stop=[word]).invoke(TALK).text, text[:text.index(word)])
        hot = [self.model("text", temperature=1.5, seed=s, max_tokens=20).invoke(TALK).text for s in (1, 1, 2)]
        self.assertEqual(hot[0], hot[1])
        self.assertNotEqual(hot[0], hot[2])
        logged = self.model(logprobs=True, top_logprobs=2).invoke(TALK).response_metadata["logprobs"]["content"]
        self.assertEqual("".join(t["token"] for t in logged), text)

    def test_tools(self):
        for more in {}, {"tool_choice": "any"}, {"tool_choice": "irrigate"}:
            m = self.model().bind_tools([irrigate], **more)
            whole = m.invoke(WATERING)
            (call,) = whole.tool_calls
            self.assertEqual((call["name"], call["args"]), ("irrigate", WATERED))
            streamed = None
            for chunk in m.stream(WATERING):
                streamed = chunk if streamed is None else streamed + chunk
            self.assertEqual([c["args"] for c in streamed.tool_calls], [WATERED])
        result = irrigate.invoke(call)
        self.assertIsInstance(result, ToolMessage)
        end = self.model().bind_tools([irrigate]).invoke([HumanMessage(WATERING), whole, result])
        self.assertTrue(end.text)
        self.assertFalse(end.tool_calls)

    def test_images(self):
        seen = self.model("sight").invoke([HumanMessage([
            {"type": "image", "base64": PICTURE64, "mime_type": "image/png"}, {"type": "text", "text": "what is it?"}])])
        self.assertNotEqual(seen.text, self.model("sight").invoke("what is it?").text)

    def test_structured_output(self):
        for method in "json_schema", "function_calling":
            m = self.model(max_tokens=300, temperature=1).with_structured_output(Person, method=method)
            self.assertIsInstance(m.invoke("Make up somebody."), Person)

    def test_completions_and_embeddings(self):
        llm = OpenAI(model="base", base_url=self.url + "/v1", api_key="none", temperature=0, max_tokens=6)
        self.assertIn("three", llm.invoke("One, two,"))
        self.assertEqual(self.pieces(list(llm.stream("One, two,"))), llm.invoke("One, two,"))
        # It sends ids of another tokenizer unless it is told not to.
        e = OpenAIEmbeddings(model="chat", base_url=self.url + "/v1", api_key="none", check_embedding_ctx_length=False)
        self.assertEqual([len(v) for v in e.embed_documents(["a cat", "a dog"])], [640, 640])

    def test_errors(self):
        for kind, call in ((openai.AuthenticationError, lambda: self.model(url=self.narrow.url, key="no").invoke("a")),
                           (openai.NotFoundError, lambda: self.model("gpt-4o").invoke("a")),
                           (openai.BadRequestError, lambda: self.model().invoke("a b " * 20000))):
            with self.assertRaises(kind):
                call()
        e = self.full(lambda: self.model("text", url=self.narrow.url, key=KEY).invoke("a"))
        self.assertIsInstance(e, openai.RateLimitError)

    def test_a_client_that_leaves(self):
        m = self.model("text", url=self.narrow.url, key=KEY, max_tokens=8000, extra_body={"ignore_eos": True})
        parts = m.stream("a")
        next(parts)
        parts.close()
        self.narrow.wait_until_idle()


if __name__ == "__main__":
    main()
