"""pydantic-ai: agents with tools and typed results.

SPDX-License-Identifier: Apache-2.0
"""
import asyncio
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_ai import Agent, ModelHTTPError, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from serving import TALK, WATERED, WATERING, Case, main


class Person(BaseModel):
    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)
    kind: Literal["cat", "dog", "human"]


class PydanticAi(Case):
    def agent(self, model="chat", **more):
        provider = OpenAIProvider(base_url=self.url + "/v1", api_key="none")
        settings = {"temperature": 0, "max_tokens": 300, "seed": 1}
        return Agent(OpenAIChatModel(model, provider=provider), model_settings=settings, retries=0, **more)

    def test_a_stream_says_what_the_whole_answer_says(self):
        async def work():
            whole = (await self.agent().run(TALK)).output
            async with self.agent().run_stream(TALK) as stream:
                parts = [p async for p in stream.stream_text(delta=True, debounce_by=None)]
            self.assertEqual(self.pieces(parts), whole)
            self.assertIn("Berlin", whole)
        asyncio.run(work())

    def test_a_tool_is_called_and_its_result_answered(self):
        agent, watered = self.agent(), []

        @agent.tool_plain
        def irrigate(area: str, amount: int) -> str:
            """Waters the plants"""
            watered.append({"area": area, "amount": amount})
            return "done"
        result = asyncio.run(agent.run(WATERING))
        self.assertEqual(watered, [WATERED])
        self.assertTrue(result.output)

    def test_typed_results(self):
        for kind in Person, NativeOutput(Person):
            self.assertIsInstance(asyncio.run(self.agent(output_type=kind).run("Make up somebody.")).output, Person)

    def test_errors(self):
        with self.assertRaises(ModelHTTPError) as e:
            asyncio.run(self.agent("gpt-4o").run("a"))
        self.assertEqual((e.exception.status_code, e.exception.body["code"]), (404, "model_not_found"))


if __name__ == "__main__":
    main()
