"""carat eval: figures are those of the logits, runs go on where they were stopped. Usage: test_eval.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import array
import json
import math
import os
import signal
import subprocess
import time

from program import CARAT, TINY_GGUF, Folder, command, main
from evaluated import document, json_lines

WORDS = "the quick brown fox jumps over a lazy dog while two cats look at them and say nothing of it".split()
TEXT = "".join("%s%s" % (WORDS[(i * i + 3 * i) % len(WORDS)], "\n" if i % 9 == 8 else " ") for i in range(130))


def evaluate(what, model, *args):
    return "eval", what, model, "-t", "1", *args


class Model(Folder):
    def setUp(self):
        super().setUp()
        self.text = self.path("t.txt", TEXT.encode())

    def ids(self, text):
        return json.loads(self.ok("tokenize", TINY_GGUF, "--json", stdin=text.encode()).stdout)["ids"]

    def nlls(self, ids):
        """Of every token but the first, from what `carat logits` writes."""
        out = self.path("l.f32")
        self.ok("logits", TINY_GGUF, "--ids", ",".join(map(str, ids)), "-o", out)
        with open(out, "rb") as f:
            all_rows = array.array("f", f.read())
        n = len(all_rows) // len(ids)
        rows = [all_rows[i * n : (i + 1) * n] for i in range(len(ids))]
        return [math.log(sum(math.exp(x - max(r)) for x in r)) + max(r) - r[i] for r, i in zip(rows, ids[1:])]


class Perplexity(Model):
    def run_it(self, *args):
        return json.loads(self.ok(*evaluate("perplexity", TINY_GGUF, "--text", self.text, "--json", *args)).stdout)

    def test_figures_are_the_logits(self):
        ids = self.ids(TEXT)
        bos, ids = ids[0], ids[1:]
        wanted, done = [], 0
        for begin in range(0, len(ids), 40):
            window = [bos] + ids[begin : begin + 95]
            new = begin + len(window) - 1 - done
            wanted += self.nlls(window)[-new:]
            done += new
            if done == len(ids):
                break
        r = self.run_it("--window", "96", "--stride", "40")
        self.assertEqual((r["tokens"], r["text_tokens"]), (len(ids), len(ids)))
        self.assertEqual(len(wanted), len(ids))
        mean = sum(wanted) / len(wanted)
        self.assertAlmostEqual(r["nll"], mean, delta=2e-6)
        self.assertAlmostEqual(r["perplexity"], math.exp(mean), delta=1e-4 * math.exp(mean))
        self.assertLess(r["interval_95"][0], r["perplexity"])
        self.assertGreater(r["interval_95"][1], r["perplexity"])

    def test_llama_cpp(self):
        ids = self.ids(TEXT.removesuffix("\n"))
        wanted = []
        for begin in range(0, len(ids) - 63, 64):
            wanted += self.nlls([ids[0]] + ids[begin + 1 : begin + 64])[32:]
        r = self.run_it("--protocol", "llama.cpp", "--window", "64")
        self.assertEqual(r["tokens"], 31 * (len(ids) // 64))
        self.assertAlmostEqual(r["nll"], sum(wanted) / len(wanted), delta=2e-6)

    def test_nothing_depends_on_threads_or_chunks(self):
        a = self.run_it("--window", "64")
        b = json.loads(self.ok("eval", "perplexity", TINY_GGUF, "--text", self.text, "--json", "--window", "64", "-t", "2",
                               "--chunk", "16").stdout)
        self.assertEqual(a, b)

    def test_a_limit_is_raised_with_what_is_there(self):
        out = self.path("r.jsonl")
        whole = self.run_it("--window", "32")
        first = self.run_it("--window", "32", "-o", out, "--limit", "3")
        self.assertEqual((first["windows"], first["windows_of"]), (3, whole["windows"]))
        with open(out) as f:
            before = f.read()
        self.assertEqual(before.count("\n"), 4)
        self.assertEqual(self.run_it("--window", "32", "-o", out), whole)
        with open(out) as f:
            self.assertTrue(f.read().startswith(before))
        self.assertEqual(self.run_it("--window", "32", "-o", out, "--limit", "3"), first)

    def test_a_killed_run_goes_on(self):
        out = self.path("r.jsonl")
        args = evaluate("perplexity", TINY_GGUF, "--text", self.text, "--window", "16", "--stride", "2", "--json", "-o", out)
        whole = self.run_it("--window", "16", "--stride", "2")
        for sig, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
            p = subprocess.Popen(command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            limit = time.monotonic() + 50
            size = os.path.getsize(out) if os.path.exists(out) else 0
            while p.poll() is None and time.monotonic() < limit and not (os.path.exists(out) and os.path.getsize(out) > size + 300):
                time.sleep(0.002)
            p.send_signal(sig)
            p.communicate()
            self.assertIn(p.returncode, (code, 0))
        self.assertEqual(json.loads(self.ok(*args).stdout), whole)
        with open(out) as f:
            items = [json.loads(line)["item"] for line in f.readlines()[1:]]
        self.assertEqual(sorted(items), list(range(whole["windows"])))

    def test_results_of_another_run_are_refused(self):
        out = self.path("r.jsonl")
        self.run_it("--window", "32", "-o", out, "--limit", "1")
        run = evaluate("perplexity", TINY_GGUF, "-o", out, "--text")
        self.refused(*run, self.text, "--window", "48", says="'window' is 32 there and 48 here")
        self.refused(*run, self.path("u.txt", b"another text"), "--window", "32", says=["another run", "'text"])
        self.refused(*run, self.text, "--window", "32", "--exact", says="'numerics'")
        diary = self.path("d.jsonl", b"dear diary\n")
        self.refused(*evaluate("perplexity", TINY_GGUF, "-o", diary, "--text", self.text), says="something else")
        with open(diary, "rb") as f:
            self.assertEqual(f.read(), b"dear diary\n")

    def test_a_full_disk(self):
        """A limit on the size of files stands for it: the lines that are whole stay, and the run goes on from them."""
        out = self.path("r.jsonl")
        args = evaluate("perplexity", TINY_GGUF, "--text", self.text, "--window", "16", "--json", "-o", out)
        r = subprocess.run(["sh", "-c", "trap '' XFSZ; ulimit -f 2; exec \"$@\"", "sh", *command(*args)], capture_output=True, timeout=60)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b"r.jsonl: cannot be written: File too large", r.stderr)
        with open(out) as f:
            lines = f.read()
        self.assertTrue(lines.endswith("\n") and lines.count("\n") > 2)
        self.assertEqual(json.loads(self.ok(*args).stdout), self.run_it("--window", "16"))

    def test_usage(self):
        for args, says in ((("eval",), "evaluate what?"), (("eval", "perplex", TINY_GGUF), "unknown evaluation 'perplex'"),
                           (("eval", "perplexity"), "which model?"), (("eval", "perplexity", TINY_GGUF), "which text?"),
                           (("eval", "perplexity", TINY_GGUF, "x", "--text", self.text), "more than one model")):
            self.refused(*args, says=says, code=2)
        run = evaluate("perplexity", TINY_GGUF, "--text")
        self.refused(*run, self.path("none.txt"), says="none.txt")
        self.refused(*run, self.path("e.txt", b""), says="the text is empty")
        self.refused(*run, self.text, "--window", "32", "--stride", "32", says="the stride is 32")
        self.refused(*run, self.text, "--protocol", "llama.cpp", "--window", "2048", says="expected two windows of 2048")

    def test_text_says_what_counted(self):
        out = self.ok(*evaluate("perplexity", TINY_GGUF, "--text", self.text, "--window", "64")).stdout.decode()
        for part in ("sliding: windows of <bos> and 63 tokens, each 32", "every token counts once", "perplexity  ", "95 %"):
            self.assertIn(part, out)


class Kl(Model):
    """Against divergences that are added up from the logits of both files."""

    def setUp(self):
        super().setUp()
        self.other, self.reference = self.path("q.gguf"), self.path("r.kl")
        self.ok("quantize", TINY_GGUF, self.other, "--type", "q8_0")

    def rows(self, model, ids):
        out = self.path("l.f32")
        self.ok("logits", model, "--ids", ",".join(map(str, ids)), "-o", out)
        with open(out, "rb") as f:
            all_rows = array.array("f", f.read())
        n, rows = len(all_rows) // len(ids), []
        for i in range(len(ids)):
            row = all_rows[i * n : (i + 1) * n]
            top = max(row)
            total = math.log(sum(math.exp(x - top) for x in row)) + top
            rows.append([x - total for x in row])
        return rows

    def wanted(self, window, stride):
        """(divergence, same top, difference of log-likelihoods) of every counted token."""
        ids = self.ids(TEXT)
        out, done = [], 0
        for begin in range(0, len(ids) - 1, stride):
            part = [ids[0]] + ids[begin + 1 : begin + window]
            new = begin + len(part) - 1 - done
            for p, q, token in list(zip(self.rows(TINY_GGUF, part), self.rows(self.other, part), part[1:]))[-new:]:
                out.append((sum(math.exp(a) * (a - b) for a, b in zip(p, q)), p.index(max(p)) == q.index(max(q)), p[token] - q[token]))
            done += new
            if done == len(ids) - 1:
                return out

    def save(self, *args):
        return self.ok("eval", "kl", TINY_GGUF, "-t", "1", "--text", self.text, "--save-reference", self.reference, "--window", "96",
                       "--stride", "40", *args)

    def compare(self, *args):
        return json.loads(self.ok("eval", "kl", self.other, "-t", "1", "--reference", self.reference, "--json", *args).stdout)

    def test_figures_are_the_logits(self):
        said = json.loads(self.save("--json").stdout)
        wanted = self.wanted(96, 40)
        self.assertEqual(said["tokens"], len(wanted))
        r = self.compare()
        self.assertEqual((r["tokens"], r["windows"]), (len(wanted), r["windows_of"]))
        mean = sum(w[0] for w in wanted) / len(wanted)
        self.assertGreater(mean, 1e-6)
        self.assertAlmostEqual(r["kl"], mean, delta=2e-3 * mean + 1e-7)
        self.assertAlmostEqual(r["percentiles"]["100"], max(w[0] for w in wanted), delta=2e-3 * max(w[0] for w in wanted) + 1e-6)
        self.assertAlmostEqual(r["same_top"], sum(w[1] for w in wanted) / len(wanted), delta=1e-9)
        self.assertAlmostEqual(r["nll_difference"], sum(w[2] for w in wanted) / len(wanted), delta=2e-6)
        self.assertLess(r["interval_95"][0], r["kl"])
        self.assertGreater(r["interval_95"][1], r["kl"])

    def test_a_model_does_not_differ_from_itself(self):
        self.save()
        r = json.loads(self.ok("eval", "kl", TINY_GGUF, "-t", "2", "--chunk", "16", "--reference", self.reference, "--json").stdout)
        self.assertLess(r["kl"], 1e-7)
        self.assertEqual(r["same_top"], 1)

    def test_both_runs_go_on_where_they_were_stopped(self):
        self.save()
        with open(self.reference, "rb") as f:
            whole = f.read()
        wanted = self.compare()
        for cut in (len(whole) // 2, len(whole) - 1):
            with open(self.reference, "wb") as f:
                f.write(whole[:cut])
            part = self.compare()
            self.assertLess(part["windows"], part["windows_of"])
            self.save()
            with open(self.reference, "rb") as f:
                self.assertEqual(f.read(), whole)
        out = self.path("k.jsonl")
        self.assertEqual(self.compare("-o", out, "--limit", "1")["windows"], 1)
        self.assertEqual(self.compare("-o", out), wanted)
        self.refused("eval", "kl", TINY_GGUF, "--reference", self.reference, "-o", out, "--exact", says="another run")

    def test_usage(self):
        self.save()
        for args, says in (((), "which reference?"), (("--save-reference", "x.kl"), "which text?"),
                           (("--reference", self.reference, "--text", self.text), "are the reference's"),
                           (("--reference", self.reference, "--window", "32"), "are the reference's"),
                           (("--reference", self.reference, "--data", "x"), "are for tasks")):
            self.refused("eval", "kl", TINY_GGUF, *args, says=says, code=2)
        self.refused("eval", "kl", TINY_GGUF, "--reference", self.text, says="is no reference")
        self.refused("eval", "perplexity", TINY_GGUF, "--text", self.text, "--reference", self.reference, says="are for kl", code=2)
        self.refused("eval", "kl", TINY_GGUF, "--text", self.text, "--save-reference", self.reference, says="differs")
        text = self.ok("eval", "kl", self.other, "--reference", self.reference).stdout.decode()
        for part in ("divergence  ", "99.9 %", "same top", "standard error"):
            self.assertIn(part, text)


ITEMS = [
    {"id": "a", "question": {"stem": "Which fox is quick?", "choices": [{"text": t, "label": "ABCD"[k]} for k, t in enumerate(
        ("the brown one", "a lazy dog", "none"))]}, "answerKey": "A"},
    {"id": "b", "question": {"stem": "Who looks?", "choices": [{"text": t, "label": str(k + 1)} for k, t in enumerate(
        ("two cats", "\u00fc\u00fc"))]}, "answerKey": "2"},
    {"id": "c", "question": {"stem": "And then?", "choices": [{"text": t, "label": "ABCD"[k]} for k, t in enumerate(
        ("nothing", "it", "they say nothing of it at all", "dog"))]}, "answerKey": "C"},
]
GAPS = [{"qID": "g%d" % i, "sentence": "The dog beat the fox as the _ was %s." % w, "option1": "dog", "option2": "fox", "answer": "12"[i % 2]}
        for i, w in enumerate(("quick", "lazy", "brown and lazy"))]


class Tasks(Model):
    def score(self, prompt, text):
        """log P(text | prompt), from `carat logits`."""
        a, b = self.ids(prompt), self.ids(text)[1:]
        return -sum(self.nlls(a + b)[len(a) - 1:])

    def run_task(self, task, data, *args):
        out = self.path("%s.jsonl" % task)
        r = json.loads(self.ok(*evaluate(task, TINY_GGUF, "--data", data, "--json", "-o", out, *args)).stdout)
        with open(out) as f:
            rows = [json.loads(line) for line in f.readlines()[1:]]
        return r, sorted(rows, key=lambda row: row["item"])

    def check(self, r, rows, wanted, answers, lengths):
        plain = normalised = 0
        for row, scores, answer, n in zip(rows, wanted, answers, lengths, strict=True):
            for have, want in zip(row["logprobs"], scores, strict=True):
                self.assertAlmostEqual(have, want, delta=2e-4)
            best = max(range(len(scores)), key=lambda k: scores[k])
            by_length = max(range(len(scores)), key=lambda k: scores[k] / n[k])
            self.assertEqual((row["answer"], row["plain"], row["normalised"]), (answer, best, by_length))
            plain += best == answer
            normalised += by_length == answer
        self.assertEqual((r["plain"]["right"], r["normalised"]["right"], r["n"]), (plain, normalised, len(rows)))

    def test_likelihoods_are_the_logits(self):
        data, shots = self.path("a.jsonl", json_lines(ITEMS)), self.path("s.jsonl", json_lines(ITEMS[1:]))
        for args, head in (((), ""), (("--shots", "1", "--shots-data", shots), "Question: Who looks?\nAnswer: \u00fc\u00fc\n\n")):
            r, rows = self.run_task("arc", data, *args)
            texts = [[c["text"] for c in i["question"]["choices"]] for i in ITEMS]
            wanted = [[self.score(head + "Question: %s\nAnswer:" % i["question"]["stem"], " " + t) for t in ts] for i, ts in zip(ITEMS, texts)]
            self.check(r, rows, wanted, (0, 1, 2), [[len(t) for t in ts] for ts in texts])
            os.remove(self.path("arc.jsonl"))

    def test_a_gap(self):
        r, rows = self.run_task("winogrande", self.path("g.jsonl", json_lines(GAPS)))
        wanted = []
        for g in GAPS:
            before, behind = g["sentence"].split("_")
            wanted.append([self.score(before + g["option%d" % k], behind) for k in (1, 2)])
        self.check(r, rows, wanted, (0, 1, 0), [[1, 1]] * 3)

    def test_a_run_goes_on(self):
        data = self.path("g.jsonl", json_lines(GAPS * 20))
        whole, rows = self.run_task("winogrande", data)
        out = self.path("winogrande.jsonl")
        with open(out, "rb") as f:
            text = f.read()
        with open(out, "wb") as f:
            f.write(text[:len(text) // 2])
        self.assertEqual(self.run_task("winogrande", data), (whole, rows))
        self.refused(*evaluate("winogrande", TINY_GGUF, "-o", out, "--data", self.path("h.jsonl", json_lines(GAPS))), says="'questions'")
        few = json.loads(self.ok(*evaluate("winogrande", TINY_GGUF, "--data", data, "--json", "-o", out, "--limit", "7")).stdout)
        self.assertEqual((few["n"], few["limited"]), (7, True))

    def test_what_is_wrong_with_a_file_is_said(self):
        bad = self.path("b.jsonl", json_lines(ITEMS)[:-20])
        self.refused(*evaluate("arc", TINY_GGUF, "--data", bad), says="b.jsonl:3")
        self.refused(*evaluate("mmlu", TINY_GGUF, "--data", bad), says="b.jsonl:1")
        self.refused(*evaluate("arc", TINY_GGUF), says="which file", code=2)
        self.refused(*evaluate("arc", TINY_GGUF, "--data", bad, "--shots", "2"), says="belong together", code=2)
        self.refused(*evaluate("perplexity", TINY_GGUF, "--text", self.text, "--data", bad), says="are for tasks", code=2)

    def test_probability_of_the_right_ones(self):
        rows = [{"question": "Which fox?", "mc2_targets": {"the brown one": 1, "a quick fox": 1, "two cats": 0}}]
        data = self.path("mc.json", json.dumps(rows).encode())
        r, got = self.run_task("truthfulqa-mc2", data)
        scores = [math.exp(self.score("Q: Which fox?\nA:", " " + t)) for t in rows[0]["mc2_targets"]]
        self.assertAlmostEqual(got[0]["mass"], sum(scores[:2]) / sum(scores), delta=2e-4)
        self.assertAlmostEqual(r["mass"]["share"], got[0]["mass"], delta=1e-8)

    def test_a_folder_is_groups(self):
        folder = self.path("subjects")
        os.mkdir(folder)
        for name, n in (("law", 1), ("music", 3)):
            with open(os.path.join(folder, name + "_test.csv"), "w") as f:
                f.writelines("Who is it?,the fox,a dog,cats,none,%s\n" % "ABC"[i] for i in range(n))
        r, rows = self.run_task("mmlu", folder)
        self.assertEqual([row["group"] for row in rows], ["law", "music", "music", "music"])
        shares = [rows[0]["plain_right"], sum(row["plain_right"] for row in rows[1:]) / 3]
        self.assertAlmostEqual(r["plain"]["macro"], sum(shares) / 2, delta=1e-9)
        self.assertEqual(r["plain"]["groups"]["music"]["n"], 3)
        said = self.ok(*evaluate("mmlu", TINY_GGUF, "--data", folder)).stdout.decode().splitlines()
        self.assertEqual([line.split()[0] for line in said if "the figure that is published" in line], ["groups"])  # as its authors count

    def test_a_card_of_results(self):
        data = self.path("a.jsonl", json_lines(ITEMS))
        r = json.loads(self.ok(*evaluate("arc", TINY_GGUF, "--data", data, "--json")).stdout)
        r["published"] = [{"value": 56.2, "shots": 25, "of": "ARC-Challenge", "comparable": "no: other shots"},
                          {"value": 60.0, "shots": 0, "comparable": "yes"}]
        card = self.path("r.json", json.dumps(r).encode())
        out = self.ok("eval", "card", card).stdout.decode()
        for part in (r["model"], "ARC ", "56.2", "no: other shots (ARC-Challenge)", "yes", "%.1f" % (100 * r["normalised"]["share"])):
            self.assertIn(part, out)
        rows = json.loads(self.ok("eval", "card", card, "--json").stdout)
        self.assertEqual([(row["published"], row["comparable"]) for row in rows], [(56.2, "no: other shots"), (60.0, "yes")])
        self.assertAlmostEqual(rows[0]["interval_95"][0], 100 * r["normalised"]["interval_95"][0], delta=1e-6)
        self.refused("eval", "card", says="which results?", code=2)
        self.refused("eval", "card", data, says="a.jsonl")
        self.refused("eval", "card", self.path("p.json", b'{"task": "perplexity"}'), says="is no result of a task")

    def test_pairs_want_an_embedding_model(self):
        pairs = self.path("sts-test.csv", b"g\tf\t2012\t1\t5.0\tA fox.\tThe fox.\ng\tf\t2012\t2\t0.5\tA fox.\tTwo cats.\n")
        self.refused("eval", "mteb-sts", TINY_GGUF, "--data", pairs, says="is no embedding model")
        self.refused("eval", "mteb-sts", TINY_GGUF, says="which file of pairs?", code=2)
        self.refused("eval", "mteb-sts", TINY_GGUF, "--data", pairs, "--shots", "2", "--shots-data", pairs, says="mteb-sts takes", code=2)
        self.refused("eval", "mteb-sts", "/nonexistent.gguf", "--data", self.path("b.csv", b"no\n"), says="b.csv:1: is no line of STS-B")

    def test_text_says_how(self):
        out = self.ok(*evaluate("arc", TINY_GGUF, "--data", self.path("a.jsonl", json_lines(ITEMS)))).stdout.decode()
        for part in ("ARC, 3 items, 0 shots", "scoring:", "95 %", "of 3)", "published   "):
            self.assertIn(part, out)


class Answers(Model):
    """Generated answers are those of carat run, cut at the stops; records go on."""

    def run_task(self, task, *args):
        out = self.path("%s.jsonl" % task)
        r = json.loads(self.ok(*evaluate(task, TINY_GGUF, "--json", "-o", out, *args)).stdout)
        with open(out) as f:
            rows = [json.loads(line) for line in f.readlines()[1:]]
        return r, sorted(rows, key=lambda row: row["item"])

    def test_answers_are_the_models(self):
        items = [{"input": "The fox %d" % i, "target": "x"} for i in range(5)]
        data = self.path("task.json", document(items))
        r, rows = self.run_task("bigbench-text", "--data", data, "--form", "bare")
        self.assertEqual((r["n"], r["form"], r["score"]["right"]), (5, "bare", 0))
        for item, row in zip(items, rows, strict=True):
            prompt = self.path("p.txt", ("\nQ: %s\nA: " % item["input"]).encode())
            said = self.ok("run", TINY_GGUF, "--raw", "--file", prompt, "--temp", "0", "-n", "64", "-q").stdout.decode()
            self.assertEqual(row["answer"].strip(), said.split("\n")[0].strip())
        items[2]["target"] = rows[2]["answer"]
        right = self.path("right.json", document(items))
        r = json.loads(self.ok(*evaluate("bigbench-text", TINY_GGUF, "--data", right, "--form", "bare", "--json")).stdout)
        self.assertEqual(r["score"]["right"], sum(row["answer"].strip() == rows[2]["answer"].strip() for row in rows))

    def test_a_run_goes_on(self):
        data = self.path("task.json", document({"input": "The dog %d" % i, "target": "x"} for i in range(12)))
        whole, rows = self.run_task("bigbench-text", "--data", data)
        out = self.path("bigbench-text.jsonl")
        with open(out, "rb") as f:
            text = f.read()
        with open(out, "wb") as f:
            f.write(text[: len(text) // 2])
        self.assertEqual(self.run_task("bigbench-text", "--data", data), (whole, rows))
        chat = evaluate("bigbench-text", TINY_GGUF, "-o", out, "--data", data, "--form", "chat" if whole["form"] == "bare" else "bare")
        self.refused(*chat, says="'form'")

    def test_instructions_are_judged_one_by_one(self):
        items = [{"key": 1, "prompt": "The fox", "instruction_id_list": ["punctuation:no_comma", "detectable_format:title"], "kwargs": [{}, {}]},
                 {"key": 2, "prompt": "The dog", "instruction_id_list": ["keywords:letter_frequency"],
                  "kwargs": [{"letter": "#", "let_frequency": 2, "let_relation": "at least"}]},
                 {"key": 3, "prompt": "A cat", "instruction_id_list": ["length_constraints:number_words"],
                  "kwargs": [{"num_words": 1, "relation": "at least"}]}]
        data = self.path("input_data.jsonl", json_lines(items))
        r, rows = self.run_task("ifeval", "--data", data, "-c", "2048")
        self.assertEqual([[rule["id"] for rule in row["rules"]] for row in rows], [i["instruction_id_list"] for i in items])
        self.assertEqual([row["score"] for row in rows], [0, None, float(any(c.isalnum() for c in rows[2]["answer"]))])
        f = r["followed"]
        self.assertEqual((f["prompts_strict"]["n"], f["prompts_strict"]["judged"], f["instructions_strict"]["n"]), (3, 2, 4))
        self.assertEqual(f["not_judged"], {"keywords:letter_frequency": 1})
        self.assertEqual(r["score"]["share"], f["prompts_strict"]["share"])
        self.assertEqual(self.run_task("ifeval", "--data", data, "-c", "2048"), (r, rows))
        out = self.ok(*evaluate("ifeval", TINY_GGUF, "--data", data, "-c", "2048", "-o", self.path("ifeval.jsonl"))).stdout.decode()
        for part in ("2 that were judged", "not judged: keywords:letter_frequency, 1 times"):
            self.assertIn(part, out)

    def test_texts_are_made_up(self):
        r, rows = self.run_task("niah", "--length", "512", "--limit", "2", "--seed", "7")
        self.assertEqual((r["length"], r["seed"], len(rows)), (512, 7, 2))
        self.assertRegex(rows[0]["targets"][0], r"^\d{7}$")
        self.refused("eval", "niah", TINY_GGUF, says="how long a text?", code=2)
        self.refused("eval", "niah", TINY_GGUF, "--length", "512", "--data", "x", says="made up", code=2)
        self.refused("eval", "gsm8k", TINY_GGUF, "--length", "512", "--data", "x", says="made up", code=2)

    def test_a_length_may_be_the_whole_context(self):
        """The model is opened with a context of --length, so that an answer which did not fit would be refused."""
        for task in "niah", "ruler":
            for form in "bare", "chat":
                r = self.ok(*evaluate(task, TINY_GGUF, "--length", "4096", "--limit", "1", "--form", form, "--json"))
                self.assertEqual((json.loads(r.stdout)["length"], json.loads(r.stdout)["n"]), (4096, 1))
        self.refused("eval", "niah", TINY_GGUF, "--length", "4097", says="a context of 4097 tokens was requested, but the model has 4096")

    def test_code_runs_in_a_sandbox_or_not_at_all(self):
        data = self.path("h.jsonl", json_lines([{"task_id": "H/0", "prompt": "def f():\n", "entry_point": "f", "test": "def check(c):\n    c()\n"}]))
        run = evaluate("humaneval", TINY_GGUF, "--data", data, "--form", "bare")
        none = dict(os.environ, PATH="/nonexistent")
        r = subprocess.run(command(*run), capture_output=True, env=none, timeout=60)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b"bwrap is not installed", r.stderr)


if __name__ == "__main__":
    main()
