"""lm-eval: local-completions with the server's own tokenizer, local-chat-completions. The likelihoods of its items are those of the
model's logits, added up here.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import subprocess
import tempfile

import numpy as np
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

from serving import BASE, Case, main
from served import CARAT, Server

ROWS = [
    {"question": "The capital of France is", "choices": ["Paris", "Rome", "a cheese"], "answer": 0},
    {"question": "One, two, three,", "choices": ["four", "seventeen", "blue"], "answer": 0},
    {"question": "Water freezes at zero", "choices": ["degrees", "cats", "Fahrenheit and \u00b0C"], "answer": 0},
    {"question": "\u0421\u0442\u043e\u043b\u0438\u0446\u0430 \u0420\u043e\u0441\u0441\u0438\u0438 \u2014", "choices": ["\u041c\u043e\u0441\u043a\u0432\u0430", "\u6771\u4eac", "\U0001f642"],
     "answer": 0},
]
CHOICE = """task: %s
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: multiple_choice
doc_to_text: "%s{{question}}"
doc_to_choice: choices
doc_to_target: answer
metric_list: [{metric: acc}]
"""
GENERATE = """task: carat_says
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{choices[answer]}}"
generation_kwargs: {until: [".", ","], max_gen_toks: 8, do_sample: false}
metric_list: [{metric: exact_match}]
"""
ROLLING = """task: carat_texts
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}}"
metric_list: [{metric: bits_per_byte}]
"""


class LmEval(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp()
        os.environ["HF_HOME"] = cls.folder + "/cache"
        data = cls.folder + "/rows.jsonl"
        with open(data, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(r) + "\n" for r in ROWS)
        for name, text in (("choice", CHOICE % ("carat_choice", data, "")), ("begun", CHOICE % ("carat_begun", data, "<bos>")),
                           ("says", GENERATE % data), ("texts", ROLLING % data)):
            with open("%s/%s.yaml" % (cls.folder, name), "w", encoding="utf-8") as f:
                f.write(text)
        cls.tasks = TaskManager(include_path=cls.folder, include_defaults=False)
        # A tokenizer of the server's is the first model's.
        cls.base = Server("base=" + BASE, "--log", "none", model=None)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder)
        assert cls.base.stop() == 0

    def evaluate(self, task, kind="local-completions", path="/v1/completions", model="base", **more):
        args = {"model": model, "base_url": "http://127.0.0.1:%d%s" % (self.base.port, path), "num_concurrent": 2, "max_retries": 1}
        return simple_evaluate(model=kind, model_args=args, tasks=[task], task_manager=self.tasks, bootstrap_iters=0, **more)

    def ids(self, text):
        return self.base.post("/tokenize", {"prompt": text, "add_special_tokens": False}).json()["tokens"]

    def likelihood(self, context, text):
        """Of the text behind the context, from what `carat logits` writes; and is each token the likeliest?"""
        n, ids = len(self.ids(context)), self.ids(context + text)
        out = self.folder + "/logits.f32"
        subprocess.run([CARAT, "logits", BASE, "--ids", ",".join(map(str, ids)), "-o", out, "-t", "1", "--quiet"], check=True)
        rows = np.fromfile(out, np.float32).reshape(len(ids), -1)[n - 1:-1].astype(np.float64)
        top = rows.max(1, keepdims=True)
        rows = rows - top - np.log(np.exp(rows - top).sum(1, keepdims=True))
        wanted = ids[n:]
        return float(rows[np.arange(len(wanted)), wanted].sum()), bool((rows.argmax(1) == wanted).all())

    def check(self, task, begin, rows):
        result = self.evaluate(task)
        n = 0
        for sample in result["samples"][task][:rows]:
            doc = sample["doc"]
            for choice, ((said, greedy),) in zip(doc["choices"], sample["resps"]):
                wanted, likeliest = self.likelihood(begin + doc["question"], " " + choice)
                self.assertLess(abs(float(said) - wanted), 1e-4, (doc, choice, said, wanted))
                self.assertEqual(greedy in (True, "True"), likeliest)
                n += 1
        self.assertEqual(n, 3 * rows)
        return result["results"][task]["acc,none"]

    def test_likelihoods_are_the_logits_sums(self):
        self.check("carat_choice", "", 4)

    def test_a_begin_of_text_in_the_prompt_is_that_token(self):
        self.assertEqual(self.ids("<bos>")[0], 2)
        self.assertGreaterEqual(self.check("carat_begun", "<bos>", 1), 0.75)

    def test_rolling(self):
        """lm-eval puts the tokenizer's <bos> in front of these itself."""
        result = self.evaluate("carat_texts")
        for sample in result["samples"]["carat_texts"]:
            text = sample["doc"]["question"]
            (said,), = sample["resps"]
            wanted, _ = self.likelihood("<bos>", text)
            self.assertLess(abs(float(said[0] if isinstance(said, (list, tuple)) else said) - wanted), 1e-4)

    def test_generations(self):
        """With and without a chat: what another client gets for the same."""
        for sample in self.evaluate("carat_says")["samples"]["carat_says"]:
            (said,), = sample["resps"]
            whole = self.base.post("/v1/completions", {"prompt": self.ids(sample["doc"]["question"]), "temperature": 0, "max_tokens": 8,
                                                       "stop": [".", ",", "<eos>"]}).json()["choices"][0]["text"]
            self.assertEqual(said, whole)
        for sample in self.evaluate("carat_says", "local-chat-completions", "/v1/chat/completions",
                                    apply_chat_template=True)["samples"]["carat_says"]:
            (said,), = sample["resps"]
            body = {"messages": [{"role": "user", "content": sample["doc"]["question"]}], "temperature": 0, "max_tokens": 8, "stop": [".", ","]}
            self.assertEqual(said, self.base.post("/v1/chat/completions", body).json()["choices"][0]["message"]["content"])


if __name__ == "__main__":
    main()
