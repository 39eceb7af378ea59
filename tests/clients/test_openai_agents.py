"""openai-agents: a run with a tool, over chat and over responses.

SPDX-License-Identifier: Apache-2.0
"""
import asyncio

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

from serving import WATERED, WATERING, Case, main

set_tracing_disabled(True)


class OpenaiAgents(Case):
    def test_a_tool_is_called_and_its_result_answered(self):
        async def work(kind):
            watered = []

            @function_tool
            def irrigate(area: str, amount: int) -> str:
                """Waters the plants"""
                watered.append({"area": area, "amount": amount})
                return "done"
            client = AsyncOpenAI(base_url=self.url + "/v1", api_key="none", max_retries=0)
            agent = Agent(name="gardener", model=kind(model="chat", openai_client=client), tools=[irrigate],
                          model_settings=ModelSettings(temperature=0, max_tokens=100))
            whole = await Runner.run(agent, WATERING, max_turns=3)
            streamed = Runner.run_streamed(agent, WATERING, max_turns=3)
            async for _ in streamed.stream_events():
                pass
            await client.close()
            self.assertEqual(watered, [WATERED, WATERED])
            self.assertEqual(streamed.final_output, whole.final_output)
            self.assertTrue(whole.final_output)
        for kind in OpenAIChatCompletionsModel, OpenAIResponsesModel:
            asyncio.run(work(kind))


if __name__ == "__main__":
    main()
