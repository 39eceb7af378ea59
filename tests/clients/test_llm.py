"""llm, the command: a model of ours in its extra-openai-models.yaml.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys
import tempfile

from serving import PERSON, PICTURE, TALK, Case, is_person, main

MODEL = """- model_id: ours-%(name)s
  model_name: %(name)s
  api_base: "%(url)s/v1"
  vision: true
  supports_schema: true
  supports_tools: true
"""


class Llm(Case):
    def llm(self, *args, code=0):
        with tempfile.TemporaryDirectory() as d:
            with open(d + "/extra-openai-models.yaml", "w", encoding="utf-8") as f:
                f.writelines(MODEL % {"name": name, "url": self.url} for name in ("chat", "sight", "text", "gpt-4o"))
            env = dict(os.environ, LLM_USER_PATH=d, OPENAI_API_KEY="none")
            r = subprocess.run([os.path.join(os.path.dirname(sys.executable), "llm"), *args], env=env, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=300)
        self.assertEqual(r.returncode, code, r.stderr)
        return r.stdout if code == 0 else r.stderr

    def test_a_stream_says_what_the_whole_answer_says(self):
        asked = ["-m", "ours-chat", "-o", "temperature", "0", "-o", "max_tokens", "40", TALK]
        whole = self.llm("--no-stream", *asked)
        self.assertIn("Berlin", whole)
        self.assertEqual(self.llm(*asked), whole)

    def test_pictures_and_schemas(self):
        asked = ["-m", "ours-sight", "-o", "temperature", "0", "-o", "max_tokens", "8", "what is it?"]
        self.assertNotEqual(self.llm(*asked, "-a", PICTURE), self.llm(*asked))
        said = self.llm("-m", "ours-text", "-o", "temperature", "1.5", "-o", "seed", "1", "--schema", json.dumps(PERSON), "somebody")
        self.assertTrue(is_person(json.loads(said)))

    def test_errors(self):
        self.assertIn("gpt-4o", self.llm("-m", "ours-gpt-4o", "a", code=1))


if __name__ == "__main__":
    main()
