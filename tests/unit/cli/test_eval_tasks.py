"""carat eval of every task there is, by a table: small files in the official layouts, asked of a server that says something. A run that is
killed or finds the disk full goes on, a malformed file is named before anything is asked, a card takes what each of them found.
Usage: test_eval_tasks.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import base64
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import threading
import time

from program import CARAT, DATA, SIGHT, TINY, Folder, main
from evaluated import Replier, document, json_lines, listen

N, PAIRS = 12, 40  # of items; of pairs, whose lines are shorter
ENCODER = DATA + "/models/tiny-encoder"
HAS_SANDBOX = shutil.which("bwrap") and subprocess.run(
    ["bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/lib", "/lib", "true"],
    capture_output=True).returncode == 0
OFFICIAL = os.path.join(DATA, "../../../eval/tasks")
with open(SIGHT + "/test.jsonl") as f:
    PNG = next(name for line in f for name in json.loads(line)["images"])


def lines(row):
    return json_lines(map(row, range(N)))


def whole(row, under=None):
    return document([row(i) for i in range(N)], under, other=1)


def table(head, row, form="excel", n=N):
    out = io.StringIO()
    csv.writer(out, form, lineterminator="\n").writerows(([head] if head else []) + [row(i) for i in range(n)])
    return out.getvalue()


def pictured():
    with open(SIGHT + "/" + PNG, "rb") as f:
        return {"bytes": base64.b64encode(f.read()).decode(), "path": None}


# task: the name of its file, what is in it, one row more that lacks what is asked for.
TASKS = {
    "hellaswag": ("v.jsonl", lines(lambda i: {"ind": i, "activity_label": "A", "ctx_a": "He", "ctx_b": "goes", "endings": list("abcd"), "label": i % 4})),
    "winogrande": ("d.jsonl", lines(lambda i: {"qID": str(i), "sentence": "The _ is %d." % i, "option1": "a", "option2": "b", "answer": "1"})),
    "arc": ("a.jsonl", lines(lambda i: {"id": str(i), "question": {"stem": "Q?", "choices": [{"text": c, "label": c} for c in "ABC"]}, "answerKey": "B"})),
    "mmlu": ("law_test.csv", table(None, lambda i: ["Who %d?" % i, "a", "b", "c", "d", "A"])),
    "truthfulqa": ("m.json", whole(lambda i: {"question": "Q%d?" % i, "mc1_targets": {"a": 1, "b": 0}})),
    "truthfulqa-mc2": ("m.json", whole(lambda i: {"question": "Q%d?" % i, "mc2_targets": {"a": 1, "b": 0}})),
    "bigbench": ("task.json", whole(lambda i: {"input": "I%d" % i, "target_scores": {"a": 1, "b": 0}}, "examples")),
    "bigbench-text": ("task.json", whole(lambda i: {"input": "I%d" % i, "target": "x"}, "examples")),
    "gsm8k": ("t.jsonl", lines(lambda i: {"question": "Q%d" % i, "answer": "So #### %d" % i})),
    "math": ("t.jsonl", lines(lambda i: {"problem": "P%d" % i, "solution": "\\boxed{%d}" % i, "unique_id": str(i)})),
    "mmlu-pro": ("t.jsonl", lines(lambda i: {"question_id": i, "category": "law", "question": "Q", "options": list("abcdefgh"), "answer_index": 1, "cot_content": ""})),
    "gpqa": ("g.csv", table(["Record ID", "Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"],
                            lambda i: [str(i), "Q%d" % i, "a", "b", "c", "d"])),
    "bbh": ("b.json", whole(lambda i: {"input": "I%d" % i, "target": "x"}, "examples")),
    "humaneval": ("h.jsonl", lines(lambda i: {"task_id": str(i), "prompt": "def f():\n", "entry_point": "f", "test": "def check(c):\n    pass\n"})),
    "ifeval": ("i.jsonl", lines(lambda i: {"key": i, "prompt": "P%d" % i, "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]})),
    "bfcl": ("BFCL_v4_irrelevance.json", lines(lambda i: {"id": str(i), "question": [[{"role": "user", "content": "Q"}]], "function": [{"name": "f"}]})),
    "docvqa": ("d.json", whole(lambda i: {"questionId": i, "question": "Q?", "image": PNG, "answers": ["x"]}, "data")),
    "chartqa": ("test_human.json", whole(lambda i: {"imgname": os.path.basename(PNG), "query": "Q?", "label": "x"})),
    "textvqa": ("v.json", whole(lambda i: {"question_id": i, "question": "q?", "image_id": "p", "answers": ["x"] * 10}, "data")),
    "ai2d": ("a.jsonl", lines(lambda i: {"question": "Q%d?" % i, "options": ["a", "b"], "answer": "1", "image": pictured()})),
    "mmmu": ("m.jsonl", lines(lambda i: {"id": "validation_Art_%d" % i, "question": "Q <image 1>?", "options": "['a', 'b']", "answer": "A",
                                         "question_type": "multiple-choice", "image_1": PNG})),
    "mteb-sts": ("sts-test.csv", table(None, lambda i: ["g", "f", "2012", str(i), str(i % 5), "A fox %d." % i, "The cat."], "excel-tab", PAIRS)),
    "niah": (None, None),
    "ruler": (None, None),
}


def count(task):
    return PAIRS if task == "mteb-sts" else N


class Server(Replier):
    """Says something of everything. Where it has a gate, so many answers pass."""

    def says(self, asked):
        if self.path.endswith("chat/completions"):
            return {"message": {"content": "x" * 100}, "finish_reason": "stop"}, 1
        prompts = asked["prompt"] if isinstance(asked["prompt"], list) else [asked["prompt"]]
        return [{"index": i, "text": p, "logprobs": {"tokens": list(p), "text_offset": list(range(len(p))), "token_logprobs": [None] + [-0.5] * (len(p) - 1)}}
                for i, p in enumerate(prompts)], len(prompts)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.longest = max(self.server.longest, len(body))
        self.server.n_asked += 1
        if self.server.gate and not self.server.gate.acquire(timeout=30):
            return
        said, _ = self.says(json.loads(body))
        self.reply(200, json.dumps({"choices": said if isinstance(said, list) else [said]}).encode())


class Tasks(Folder):
    @classmethod
    def setUpClass(cls):
        cls.server, cls.url = listen(Server, gate=None, n_asked=0, longest=0)
        for name in "OPENAI_API_KEY", "http_proxy", "https_proxy", "all_proxy":
            os.environ.pop(name, None)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def each(self, check):
        for task in TASKS:
            if task == "humaneval" and not HAS_SANDBOX:
                continue  # it is refused there: test_code_runs_in_a_sandbox_or_not_at_all
            with self.subTest(task=task):
                os.makedirs(self.path(task), exist_ok=True)
                check(task)

    def put(self, task, text):
        """Its file with this text; the arguments that run it."""
        file = self.path(task + "/" + TASKS[task][0], text)
        os.makedirs(self.path(task + "/train_images"), exist_ok=True)
        shutil.copy(SIGHT + "/" + PNG, self.path(task + "/train_images/p.jpg"))
        where = {"textvqa": self.path(task), "chartqa": os.path.dirname(SIGHT + "/" + PNG)}.get(task, SIGHT)
        images = ["--images", where] if task in ("docvqa", "chartqa", "textvqa", "mmmu") else []
        return [*self.who(task), "--data", file, *images]

    def who(self, task):
        if task == "mteb-sts":
            return ["eval", task, ENCODER, "-t", "1"]
        return ["eval", task, "m", "--url", self.url]

    def copy(self, data):
        """Examples that are not, as a file, the questions themselves."""
        to = self.path("of-examples-" + os.path.basename(data))
        return shutil.copytree(data, to) if os.path.isdir(data) else shutil.copy(data, to)

    def command(self, task):
        if TASKS[task][0]:
            return self.put(task, TASKS[task][1])
        return [*self.who(task), "--tokenizer", TINY, "--length", "4096", "--limit", str(N)]

    def rows(self, out):
        with open(out) as f:
            text = f.read()
        self.assertTrue(text.endswith("\n"))
        return sorted((json.loads(line) for line in text.splitlines()[1:]), key=lambda r: r["item"])

    def test_the_table_has_every_task(self):
        names = set()
        for file in os.listdir(OFFICIAL):
            with open(os.path.join(OFFICIAL, file)) as f:
                names.add(json.load(f)["name"])
        self.assertEqual(set(TASKS), names | {"mteb-sts"})

    def test_a_card_takes_what_each_has_found(self):
        results = []

        def find(task):
            results.append(self.path(task + ".json", self.ok(*self.command(task), "--json").stdout))
            self.assertIn("95 %", self.ok(*self.command(task)).stdout.decode())
        self.each(find)
        rows = json.loads(self.ok("eval", "card", *results, "--json").stdout)
        self.assertEqual([(r["task"], r["n"]) for r in rows], [(t, count(t)) for t in (os.path.basename(r)[:-5] for r in results)])
        for r in rows:
            self.assertLessEqual(r["interval_95"][0], r["yours"] + 1e-9)
            self.assertLess(r["interval_95"][0], r["interval_95"][1])
            self.assertGreaterEqual(r["interval_95"][1], r["yours"] - 1e-9)
        text = self.ok("eval", "card", *results).stdout.decode()
        self.assertEqual(text.count("\n"), len(rows) + 8)  # of three models: the pairs are between the others
        for args in ("--data", "x"), ("-o", "x"), ("--limit", "3"), ("--text", "x"):
            self.refused("eval", "card", *results, *args, says="card takes results", code=2)

    def test_shots_are_in_the_prompt_or_refused(self):
        """As is what else an engine or another kind of task would obey."""
        shown = set()

        def check(task):
            args = self.command(task)
            if task == "bbh":
                shots = self.path("cot.txt", b"A line\n-----\nQ: I\nA: x\n")
            else:
                shots = self.copy(args[args.index("--data") + 1]) if "--data" in args else self.path("x.jsonl", b"{}")
            self.server.longest = 0
            self.ok(*args)
            before, self.server.longest = self.server.longest, 0
            r = subprocess.run([CARAT, *args, "--shots", "1", "--shots-data", shots, "--json"], capture_output=True, timeout=60)
            if r.returncode == 0:
                shown.add(task)
                self.assertEqual(json.loads(r.stdout)["shots"], 1)
                self.assertGreater(self.server.longest, before)
            else:
                self.assertIn(r.returncode, (1, 2), r.stderr)
                self.assertRegex(r.stderr.decode(), "--shots|made up|mteb-sts takes")
        self.each(check)
        self.assertEqual(shown, set(TASKS) - {"humaneval", "ifeval", "bfcl", "docvqa", "chartqa", "textvqa", "ai2d", "mmmu", "mteb-sts", "niah", "ruler"})
        data = self.command("bbh")
        self.refused(*data, "--shots", "3", "--shots-data", data[data.index("--data") + 1], says="expected the authors' texts of examples")
        self.refused(*self.command("arc"), "--form", "chat", says="--form is for answers that are generated", code=2)
        for options in ("-c", "512"), ("--exact",), ("--chunk", "16"):
            self.refused(*self.command("arc"), *options, says="such options are not for --url", code=2)

    def test_a_full_disk(self):
        """A limit on the size of files stands for it: the lines that are whole stay, and the run goes on from them."""
        def check(task):
            out, args = self.path(task + ".jsonl"), self.command(task)
            whole = self.ok(*args, "--json").stdout
            r = subprocess.run(["sh", "-c", "trap '' XFSZ; ulimit -f 2; exec \"$@\"", "sh", CARAT, *args, "-o", out], capture_output=True, timeout=60)
            self.assertEqual(r.returncode, 1)
            self.assertIn(b"jsonl: cannot be written: File too large", r.stderr)
            self.assertIn(b"resumes from there", r.stderr)
            n = len(self.rows(out))
            self.assertTrue(0 < n < count(task))
            r = self.ok(*args, "--json", "-o", out)
            self.assertEqual(r.stdout, whole)
            self.assertIn("%d of the %s were in" % (n, "pairs" if task == "mteb-sts" else "items"), r.stderr.decode())
            self.assertEqual([row["item"] for row in self.rows(out)], list(range(count(task))))
        self.each(check)

    def test_a_killed_run(self):

        def check(task):
            out, args = self.path(task + ".jsonl"), self.command(task)
            whole = self.ok(*args, "--json").stdout
            if task == "mteb-sts":
                self.ok(*args, "-o", out, "--limit", "5")
                with open(out, "ab") as f:
                    f.write(b'{"item":5,"co')  # what a kill may leave
            else:
                self.kill(args, out)
            with open(out) as f:
                n = f.read().count("\n") - 1
            self.assertTrue(0 < n < count(task))
            r = self.ok(*args, "--json", "-o", out)
            self.assertEqual(r.stdout, whole)
            self.assertIn("%d of the " % n, r.stderr.decode())
            self.assertEqual([row["item"] for row in self.rows(out)], list(range(count(task))))
        self.each(check)

    def kill(self, args, out):
        self.server.gate = threading.Semaphore(5)
        p = subprocess.Popen([CARAT, *args, "-o", out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + 50
        while time.monotonic() < limit:
            if os.path.exists(out):
                with open(out) as f:
                    if f.read().count("\n") >= 3:
                        break
            time.sleep(0.005)
        p.send_signal(signal.SIGKILL)
        self.assertEqual(p.wait(), -9)
        gate, self.server.gate = self.server.gate, None
        gate.release(1000)

    def test_a_malformed_file(self):
        """Nobody is asked, and the message has the file and where in it."""
        asked = self.server.n_asked

        def check(task):
            name, text = TASKS[task]
            if not name:
                return
            if name.endswith(".csv"):
                bad = [text + "a,b\n", text + '"open']
            elif text[0] in "[{" and text.count("\n") < 2:
                key = next(iter(json.loads(text))) if text[0] == "{" else None
                rows = json.loads(text)[key] if key else json.loads(text)
                bad = [text[:-3], json.dumps({key: [*rows, {"x": 1}]} if key else [*rows, {"x": 1}]), json.dumps({key: [*rows, 7]} if key else [*rows, 7])]
            else:
                bad = [text + '{"torn', text + '{"x": 1}\n', text + "7\n", text.replace("\n", "\0\n", 1)]
            for content in [*bad, "", "\n"]:
                out = self.path("o.jsonl")
                said = self.refused(*self.put(task, content), "-o", out, says=name)
                self.assertFalse(os.path.exists(out), said)
                if content in bad:
                    self.assertRegex(said, name.replace(".", r"\.") + r":(1[0-9]|41|1\b|.*byte|.*item 13\b)")
            self.refused(*self.who(task), "--data", self.path("none"), says="none: cannot be opened: No such file")
        self.each(check)
        self.assertEqual(self.server.n_asked, asked)


if __name__ == "__main__":
    main()
