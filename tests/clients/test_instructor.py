"""instructor: validated objects by tools, by JSON and by schemas, whole and partial.

SPDX-License-Identifier: Apache-2.0
"""
from typing import Literal

import instructor
from openai import OpenAI
from pydantic import BaseModel, ConfigDict, Field

from serving import Case, main

ASK = [{"role": "user", "content": "Make up somebody."}]


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")  # else more fields are valid, and a model that knows nothing adds them
    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)
    kind: Literal["cat", "dog", "human"]


class Instructor(Case):
    def test_every_mode_is_valid_at_once(self):
        """max_retries=0: it may not ask twice."""
        client = OpenAI(base_url=self.url + "/v1", api_key="none", max_retries=0)
        for mode in instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA:
            made = instructor.from_openai(client, mode=mode)
            # A model that knows nothing calls as often as it may.
            once = {"parallel_tool_calls": False} if mode == instructor.Mode.TOOLS else {}
            for seed in range(2):
                asked = dict(once, model="text", messages=ASK, response_model=Person, max_retries=0, seed=seed, temperature=1.5, max_tokens=300)
                self.assertIsInstance(made.chat.completions.create(**asked), Person)
            parts = list(made.chat.completions.create_partial(**asked))
            self.assertGreater(len(parts), 1)
            Person.model_validate(parts[-1].model_dump())
            if mode == instructor.Mode.JSON_SCHEMA:  # the function has another name where parts are wanted, so another prompt
                self.assertEqual(parts[-1].model_dump(), made.chat.completions.create(**asked).model_dump())
        client.close()


if __name__ == "__main__":
    main()
