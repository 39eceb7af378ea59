"""carat run --batch: the answers, the bad lines, and being killed. Usage: test_batch.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import base64
import codecs
import fcntl
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from setting import SANITIZED, SLOWER, long, main  # noqa: E402

CARAT, DATA = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
TINY, SIGHT = DATA + "/models/tiny-text", DATA + "/models/tiny-sight"
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


def line(i, url=TEXT, **body):
    return json.dumps({"custom_id": str(i), "method": "POST", "url": url, "body": body})


def chat(i, content="a red star", **body):
    return line(i, CHAT, messages=[{"role": "user", "content": content}], **body)


def text(i, prompt="a red star", **body):
    return line(i, TEXT, prompt=prompt, **body)


def starts_of(entries):
    """Where each token begins, in characters: after those that the tokens before it completed."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    starts = [0]
    for e in entries:
        starts.append(starts[-1] + len(decoder.decode(bytes(e["bytes"]))))
    return starts[:-1]


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.src, self.out = self.dir + "/in.jsonl", self.dir + "/out.jsonl"

    def write(self, lines):
        """Texts or bytes, one a line."""
        with open(self.src, "wb") as f:
            f.writelines((s if isinstance(s, bytes) else s.encode()) + b"\n" for s in lines)

    def command(self, *extra, model=TINY):
        return [CARAT, "run", model, "--batch", self.src, "-o", self.out, "--temp", "0", "-c", "256", "-t", "1", *extra]

    def batch(self, *extra, code=0, model=TINY, **kw):
        r = subprocess.run(self.command(*extra, model=model), capture_output=True, timeout=100 * SLOWER, **kw)
        self.stderr = r.stderr.decode(errors="replace")
        self.assertEqual(r.returncode, code, self.stderr)
        return r.stdout

    def answers(self):
        """custom_id -> its line. Each line is whole, and no id is there twice."""
        with open(self.out, encoding="utf-8") as f:
            whole = f.read()
        self.assertTrue(whole == "" or whole.endswith("\n"))
        rows = [json.loads(s) for s in whole.split("\n")[:-1]]
        self.assertEqual(len({r["custom_id"] for r in rows}), len(rows))
        return {r["custom_id"]: r for r in rows}

    def ask(self, lines, *extra, **kw):
        self.write(lines)
        self.batch(*extra, **kw)
        return {k: r["response"] and r["response"]["body"] for k, r in self.answers().items()}

    def run_alone(self, prompt, *extra, model=TINY):
        r = subprocess.run([CARAT, "run", model, "-p", prompt, "--temp", "0", "--json", "-c", "256", "-t", "1", *extra],
                           capture_output=True, timeout=60 * SLOWER, check=True)
        return json.loads(r.stdout)


class Answers(Case):
    def test_answers_of_a_form(self):
        schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}, "n": {"type": "integer", "minimum": 1, "maximum": 3}},
                  "required": ["colour", "n"], "additionalProperties": False}
        form = {"type": "json_schema", "json_schema": {"name": "star", "strict": True, "schema": schema}}
        out = self.ask([chat(i, response_format=form, max_tokens=60, n=2, temperature=1.5) for i in range(8)] +
                       [text("cut", response_format=form, max_tokens=3), chat("any", response_format={"type": "json_object"}, max_tokens=2)])
        for i in range(8):
            for choice in out[str(i)]["choices"]:
                self.assertEqual(choice["finish_reason"], "stop")
                value = json.loads(choice["message"]["content"])
                self.assertEqual(list(value), ["colour", "n"])
                self.assertIn(value["colour"], ["red", "blue"])
                self.assertIn(value["n"], [1, 2, 3])
        cut = out["cut"]["choices"][0]
        self.assertEqual(cut["finish_reason"], "length")
        self.assertTrue('{"colour":"'.startswith(cut["text"]) or cut["text"].startswith('{"colour":"'))
        self.assertEqual(out["any"]["choices"][0]["message"]["content"][:1], "{")

    def test_functions_are_called_validly(self):
        """By a model that knows nothing of them: every answer that is not cut is what its request asks for."""
        tools = [{"type": "function", "function": {"name": "now", "parameters": {
                     "type": "object", "properties": {"zone": {"enum": ["CET", "UTC"]}, "by": {"type": "integer", "maximum": 9, "minimum": 0}},
                     "required": ["zone"], "additionalProperties": False}}},
                 {"type": "function", "function": {"name": "stop"}}]
        number = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"enum": [1, 22]}}}
        kinds = {"one": dict(tool_choice={"type": "function", "function": {"name": "stop"}}),
                 "some": dict(tool_choice="required"),
                 "single": dict(tool_choice="required", parallel_tool_calls=False),
                 "either": dict(response_format=number, parallel_tool_calls=False),
                 "text": dict(tool_choice="auto", max_tokens=8),
                 "none": dict(tool_choice="none", max_tokens=8)}
        lines = [chat("%s %d" % (k, i), tools=tools, temperature=1.5, seed=i, **dict(dict(max_tokens=300), **more))
                 for k, more in kinds.items() for i in range(6)]
        seen = set()
        for key, reply in self.ask(lines, "-c", "2048").items():
            choices = reply["choices"]
            kind, m, finish = key.split()[0], choices[0]["message"], choices[0]["finish_reason"]
            calls = [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in m.get("tool_calls", [])
                     if finish != "length"]
            seen.add((kind, bool(calls)))
            for name, arguments in calls:
                self.assertTrue(name == "stop" and arguments == {} or arguments["zone"] in ("CET", "UTC") and
                                arguments.keys() <= {"zone", "by"} and 0 <= arguments.get("by", 0) <= 9, (name, arguments))
            if finish == "length":
                self.assertNotIn(kind, ("one", "single"))
                continue
            self.assertEqual(finish, "tool_calls" if calls else "stop")
            if kind in ("one", "some", "single"):
                self.assertIsNone(m["content"])
                self.assertTrue(len(calls) == 1 or kind == "some" and len(calls) > 1)
                self.assertTrue(kind != "one" or calls == [("stop", {})])
                self.assertEqual(len({c["id"] for c in m["tool_calls"]}), len(calls))
            elif kind == "either":
                self.assertTrue(len(calls) == 1 or m["content"] in ("1", "22"), m)
        self.assertTrue({("one", True), ("some", True), ("single", True), ("text", False), ("none", False)} <= seen, seen)

    def test_the_same_as_alone(self):
        prompts = ["a red star", "b", "Die Katze sitzt", "x" * 70, "猫が"]
        got = self.ask([text(i, p, max_tokens=9 + i) for i, p in enumerate(prompts)] +
                       [chat("c%d" % i, p, max_tokens=9 + i) for i, p in enumerate(prompts)])
        for i, p in enumerate(prompts):
            want = self.run_alone(p, "--raw", "-n", str(9 + i))
            body = got[str(i)]
            self.assertEqual(body["choices"][0]["text"], want["text"])
            self.assertEqual(body["choices"][0]["finish_reason"], want["finish_reason"])
            self.assertEqual(body["usage"]["prompt_tokens"], len(want["prompt_tokens"]))
            self.assertEqual(body["usage"]["completion_tokens"], want["timings"]["predicted_n"])
            self.assertIsNone(body["choices"][0]["logprobs"])
        # A chat line is the template's text.
        for i, p in enumerate(prompts):
            want = self.run_alone(f"<start_of_turn>user\n{p}<end_of_turn>\n<start_of_turn>model\n", "--raw", "--special",
                                  "-n", str(9 + i))
            body = got["c%d" % i]
            self.assertEqual(body["choices"][0]["message"]["content"], want["text"])
            self.assertEqual(body["usage"]["prompt_tokens"], len(want["prompt_tokens"]))

    def test_the_form_of_a_line(self):
        self.ask([chat("q", max_tokens=5, n=3, temperature=1, seed=3), text("t", max_tokens=5)])
        for key, name, kind in [("q", "chatcmpl-", "chat.completion"), ("t", "cmpl-", "text_completion")]:
            row = self.answers()[key]
            self.assertEqual(list(row), ["id", "custom_id", "response", "error"])
            self.assertRegex(row["id"], "^batch_req_[0-9a-f]{24}$")
            self.assertIsNone(row["error"])
            self.assertEqual(row["response"]["status_code"], 200)
            self.assertRegex(row["response"]["request_id"], "^req_[0-9a-f]{24}$")
            body = row["response"]["body"]
            self.assertTrue(body["id"].startswith(name))
            self.assertEqual((body["object"], body["model"]), (kind, "tiny-text"))
            self.assertLess(abs(body["created"] - time.time()), 3600)
            u = body["usage"]
            self.assertEqual(u["total_tokens"], u["prompt_tokens"] + u["completion_tokens"])
            self.assertIn("cached_tokens", u["prompt_tokens_details"])
        choices = self.answers()["q"]["response"]["body"]["choices"]
        self.assertEqual([c["index"] for c in choices], [0, 1, 2])
        self.assertEqual({c["message"]["role"] for c in choices}, {"assistant"})
        self.assertEqual(len({c["message"]["content"] for c in choices}), 3)  # seeds 3, 4, 5

    def test_seeds(self):
        lines = [text(i, max_tokens=12, temperature=1) for i in range(6)] + [text("own", max_tokens=12, temperature=1, seed=9)]
        def texts(*extra, order=1):
            if os.path.exists(self.out):
                os.remove(self.out)
            return {k: b["choices"][0]["text"] for k, b in self.ask(lines[::order], *extra).items()}
        first = texts("--seed", "5")
        self.assertEqual(len(set(first.values())), 7)  # one prompt, seven draws
        self.assertEqual(texts("--seed", "5", "--parallel", "2", order=-1), first)
        other = texts("--seed", "6")
        self.assertEqual(other["own"], first["own"])
        self.assertNotEqual(other["0"], first["0"])
        alone = self.run_alone("a red star", "--raw", "--temp", "1", "--seed", "9", "-n", "12")
        self.assertEqual(first["own"], alone["text"])

    def test_settings_are_heard(self):
        alone = self.run_alone("a red star", "--raw", "-n", "16", "--ignore-eos")
        first, whole = alone["tokens"][0], alone["text"]
        got = self.ask([
            text("default"), text("plain", max_tokens=4, logprobs=0), text("bias", max_tokens=4, logprobs=0, logit_bias={str(first): -100}),
            text("force", max_tokens=3, logprobs=0, logit_bias={"7": 100}),
            text("stop", max_tokens=16, stop=[whole[3:5], "zzz"], ignore_eos=True),
            text("one stop", max_tokens=16, stop=whole[3:5], ignore_eos=True),
            text("ids", [2, 5, 9], max_tokens=3), text("listed ids", [[2, 5, 9]], max_tokens=3),
            text("listed", ["a red star"], max_tokens=16, ignore_eos=True),
            text("empty wishes", max_tokens=2, tools=[], echo=False, suffix="", user="me", stream=False, best_of=1,
                 response_format={"type": "text"}, tool_choice="auto", metadata={"a": "b"}, unheard_of=None, logit_bias=None),
            text("repeat", max_tokens=16, repetition_penalty=100, logprobs=0, ignore_eos=True),
            chat("newer", max_tokens=9, max_completion_tokens=2, ignore_eos=True),
            text("at least", max_tokens=9, min_tokens=5, logit_bias={"1": 100}),
        ])
        self.assertEqual(got["default"]["usage"]["completion_tokens"], 16 if alone["finish_reason"] == "length" else 0)
        self.assertNotEqual(*(got[k]["choices"][0]["logprobs"]["tokens"][0] for k in ["plain", "bias"]))
        self.assertEqual(len(set(got["force"]["choices"][0]["logprobs"]["tokens"])), 1)
        for k in ["stop", "one stop"]:
            self.assertEqual(got[k]["choices"][0]["text"], whole[:whole.index(whole[3:5])])
            self.assertEqual(got[k]["choices"][0]["finish_reason"], "stop")
        self.assertEqual(got["ids"]["choices"], got["listed ids"]["choices"])
        self.assertEqual(got["ids"]["usage"]["prompt_tokens"], 3)
        self.assertEqual(got["listed"]["choices"][0]["text"], whole)
        self.assertEqual(got["empty wishes"]["usage"]["completion_tokens"], 2)
        self.assertEqual(got["at least"]["usage"]["completion_tokens"], 5)
        self.assertEqual(got["at least"]["choices"][0]["finish_reason"], "stop")
        tokens = got["repeat"]["choices"][0]["logprobs"]["tokens"]
        self.assertGreater(len(set(tokens)), 10)
        self.assertEqual(got["newer"]["usage"]["completion_tokens"], 2)

    def test_logprobs(self):
        got = self.ask([chat("c", max_tokens=6, logprobs=True, top_logprobs=3, ignore_eos=True),
                        text("t", max_tokens=6, logprobs=3, ignore_eos=True),
                        chat("bare", max_tokens=6, logprobs=True, ignore_eos=True)])
        want = self.run_alone("a red star", "--raw", "-n", "6", "--logprobs", "3", "--ignore-eos")["logprobs"]
        t = got["t"]["choices"][0]["logprobs"]
        self.assertEqual({k: len(v) for k, v in t.items()},
                         {"tokens": 6, "token_logprobs": 6, "top_logprobs": 6, "text_offset": 6})
        for i, w in enumerate(want):
            # A float32 has nine digits in the one and seventeen in the other.
            self.assertAlmostEqual(t["token_logprobs"][i], w["logprob"], delta=1e-7 * (1 + abs(w["logprob"])))
            self.assertEqual(t["tokens"][i], w["token"])
            self.assertEqual(max(t["top_logprobs"][i].values()), t["token_logprobs"][i])  # greedy: the same number
        self.assertEqual(t["text_offset"][0], 0)
        self.assertEqual(t["text_offset"], sorted(t["text_offset"]))
        for e in got["c"]["choices"][0]["logprobs"]["content"]:
            self.assertEqual(len(e["top_logprobs"]), 3)
            self.assertEqual(e["top_logprobs"][0]["logprob"], e["logprob"])
            self.assertEqual(e["top_logprobs"][0]["bytes"], e["bytes"])
        self.assertEqual([e["top_logprobs"] for e in got["bare"]["choices"][0]["logprobs"]["content"]], [[]] * 6)

    def test_logprobs_end_with_the_text(self):
        alone = self.run_alone("a red star", "--raw", "-n", "24", "--ignore-eos", "--logprobs", "0")
        whole, pieces = alone["text"], [e["token"] for e in alone["logprobs"]]
        starts = starts_of(alone["logprobs"])
        cuts = [at for at in range(0, len(whole) - 4, 3) if whole.index(whole[at:at + 4]) == at]
        got = self.ask([text(at, max_tokens=24, ignore_eos=True, logprobs=0, stop=whole[at:at + 4]) for at in cuts] +
                       [text("all", max_tokens=24, ignore_eos=True, logprobs=0, stop=[whole[-2:] + "never"])])
        for at in cuts:
            c = got[str(at)]["choices"][0]
            n = sum(s < at for s in starts)
            self.assertEqual(c["text"], whole[:at])
            self.assertEqual(c["logprobs"]["tokens"], pieces[:n])
            self.assertEqual(c["logprobs"]["text_offset"], starts[:n])
            self.assertEqual({len(v) for v in c["logprobs"].values()}, {n})
            self.assertGreaterEqual(got[str(at)]["usage"]["completion_tokens"], n)
        self.assertEqual(got["all"]["choices"][0]["logprobs"]["text_offset"], starts)  # held back, and then not cut

    def test_messages_are_repaired(self):
        def said(i, *messages):
            return line(i, CHAT, messages=list(messages), max_tokens=4)
        user = {"role": "user", "content": "a red star"}
        got = self.ask([
            said("plain", {"role": "user", "content": "Be brief.\n\na red star"}),
            said("system", {"role": "system", "content": "Be brief."}, user),
            said("odd", {"role": "developer", "content": "Be brief."}, {"role": "wizard", "content": "a red star"}),
            said("parts", {"role": "system", "content": "Be brief."},
                 {"role": "user", "content": [{"type": "text", "text": "a red star"}]}),
            said("null", {"role": "assistant", "content": None}, user),
        ])
        for k in ["system", "odd", "parts"]:
            self.assertEqual(got[k]["choices"], got["plain"]["choices"])
            self.assertEqual(got[k]["usage"]["prompt_tokens"], got["plain"]["usage"]["prompt_tokens"])
        self.assertEqual(got["null"]["object"], "chat.completion")

    def test_pictures(self):
        with open(SIGHT + "/test.jsonl") as f:
            q = [json.loads(s) for s in f][0]
        path = SIGHT + "/" + q["images"][0]
        question = q["text"].replace("<image> ", "")
        with open(path, "rb") as f:
            data = f.read()
        standard, url_safe = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode().rstrip("=")
        os.mkdir(self.dir + "/in")
        shutil.copy(path, self.dir + "/in/a.png")
        shutil.copy(path, self.dir + "/beside.png")
        os.symlink(self.dir + "/beside.png", self.dir + "/in/link.png")

        def see(i, url, **more):
            return chat(i, [{"type": "image_url", "image_url": {"url": url, **more}},
                            {"type": "text", "text": question}], max_tokens=10)
        good = [see("standard", "data:image/png;base64," + standard), see("url", "data:image/png;base64," + url_safe),
                see("lines", "data:image/png;base64,\n" + base64.encodebytes(data).decode()),
                see("crlf", "data:image/png;base64, " + base64.encodebytes(data).decode().replace("\n", "\r\n")),
                see("percent", "data:image/png;base64," + urllib.parse.quote(base64.encodebytes(data).decode(), safe="")),
                see("low", "data:;base64," + standard, detail="low"), see("file", "a.png"), see("scheme", "file:a.png"),
                see("absolute", "file://" + self.dir + "/in/a.png"),
                chat("bare", [{"type": "image_url", "image_url": "a.png"}, {"type": "text", "text": question}], max_tokens=10)]
        NONE = "no such image file in the folder"  # what is beside it is told from nothing by no word
        bad = [("remote", "https://example.org/a.png", "remote"), ("broken", "data:image/png;base64,*" + standard, "base64"),
               ("no picture", "data:image/png;base64,AAAA", ""), ("raw", "data:image/png,abc", ";base64,"),
               ("escape", "../beside.png", NONE), ("link", "link.png", NONE), ("none", "none.png", NONE),
               ("passwd", "/etc/passwd", NONE), ("folder", ".", "")]
        got = self.ask(good + [see(k, u) for k, u, _ in bad] + [see("detail", "a.png", detail="huge")], "--batch-files",
                       self.dir + "/in", "--pan-scan", "off", code=1, model=SIGHT)
        for k in ["standard", "url", "lines", "crlf", "percent", "low", "file", "scheme", "absolute", "bare"]:
            self.assertEqual(got[k].get("choices", [{"message": {"content": got[k]}}])[0]["message"]["content"], q["answer"])
        for k, _, says in bad + [("detail", "", "auto, low or high")]:
            self.assertEqual(self.answers()[k]["response"]["status_code"], 400)
            self.assertIn(says, got[k]["error"]["message"])
            self.assertEqual(got[k]["error"]["type"], "invalid_request_error")
        os.remove(self.out)
        got = self.ask([see("file", "a.png")], code=1, model=SIGHT)
        self.assertIn("--batch-files", got["file"]["error"]["message"])
        os.remove(self.out)
        got = self.ask([see("blind", "data:image/png;base64," + standard)], code=1)
        self.assertIn("without a vision tower", got["blind"]["error"]["message"])

    def test_summary_and_stdin(self):
        self.write([text(i, max_tokens=3, ignore_eos=True) for i in range(5)])
        j = json.loads(self.batch("--json", "--parallel", "3"))
        self.assertEqual((j["done"], j["failed"], j["skipped"], j["completion_tokens"], j["parallel"], j["interrupted"]),
                         (5, 0, 0, 15, 3, False))
        self.assertIn("5 answered, 0 failed, 0 skipped;", self.stderr)
        with open(self.src, "rb") as f:
            r = subprocess.run([CARAT, "run", TINY, "--batch", "-", "-o", "/dev/stdout", "-q"], stdin=f,
                               capture_output=True, timeout=60 * SLOWER)
        self.assertEqual((r.returncode, r.stderr), (0, b""))
        self.assertEqual({json.loads(s)["custom_id"] for s in r.stdout.splitlines()}, set("01234"))


class BadLines(Case):
    def test_each_is_reported_and_the_others_answered(self):
        good = [chat("good", max_tokens=2), text("good too", max_tokens=2)]
        none = [  # no custom_id: reported only
            ("{", "not valid JSON"), ("[1]", "expected an object"), ("null", "expected an object"), ("{}", "'custom_id' is missing"),
            ('{"custom_id": 7}', "'custom_id' is an integer"), ('{"custom_id": ""}', "'custom_id' is empty"),
            ('{"custom_id": "a\\u0000b"}', "NUL"), ('{"custom_id": "a", "custom_id": "b"}', "duplicate"),
            (b'{"custom_id": "\xff\xfe"}', "not valid JSON"), ("[" * 5000, "not valid JSON"),
            (chat("cut")[:-9], "not valid JSON"), (b"\x00\x01", "not valid JSON"),
        ]
        def raw(i, **kw):
            return json.dumps({"custom_id": i, **kw})
        lines = [  # not a request at all: "error"
            (raw("no method", url=CHAT, body={}), "invalid_method"), (raw("get", method="GET", url=CHAT, body={}), "invalid_method"),
            (raw("no url", method="POST", body={}), "invalid_url"), (raw("url", method="POST", url="/v1/embeddings", body={}), "invalid_url"),
            (raw("no body", method="POST", url=CHAT), "missing_required_parameter"),
            (raw("body", method="POST", url=CHAT, body=[1]), "missing_required_parameter"),
        ]
        long = "word " * 400
        requests = [  # a request that is refused: a response of 400
            (line("none", CHAT), "messages", "missing_required_parameter"), (line("empty", CHAT, messages=[]), "messages", None),
            (line("text", CHAT, messages="hi"), "messages", None), (line("number", CHAT, messages=[1]), "messages[0].role", None),
            (line("role", CHAT, messages=[{"content": "x"}]), "messages[0].role", None),
            (chat("content", 5), "messages[0].content", None), (chat("nul", "a\0b"), "messages[0].content", None),
            (chat("part", [5]), "messages[0].content[0]", None), (chat("audio", [{"type": "input_audio"}]), "messages[0].content[0]", "unsupported_value"),
            (chat("no image", [{"type": "image_url"}]), "messages[0].content[0]", None),
            (chat("long", long), "messages", "context_length_exceeded"), (text("long too", long), "prompt", "context_length_exceeded"),
            (line("no prompt"), "prompt", "missing_required_parameter"), (text("prompt", 5), "prompt", None),
            (text("two", ["a", "b"]), "prompt", "unsupported_value"), (text("ids", [2, -1]), "prompt", None),
            (text("far", [2, 1 << 40]), "prompt", None), (text("past", [2, 400000]), "prompt", None),
            (text("mixed", [2, "a"]), "prompt", None), (text("nothing", []), "prompt", None),
            (chat("tools", tools=[{"type": "function"}]), "tools[0].function", "invalid_value"),
            (chat("choice", tool_choice="required"), "tool_choice", "invalid_value"),
            (chat("format", response_format={"type": "grammar"}), "response_format", "unsupported_value"),
            (chat("schema", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"unevaluatedItems": {}}}}),
             "response_format.json_schema.schema", "invalid_value"),
            (chat("modalities", modalities=["text", "audio"]), "modalities", "unsupported_value"),
            (chat("stream", stream=True), "stream", "unsupported_parameter"), (chat("echo", echo=True), "echo", "unsupported_parameter"),
            (text("suffix", suffix="x"), "suffix", "unsupported_parameter"), (text("best", n=1, best_of=3), "best_of", "unsupported_value"),
            (chat("grammar", grammar="root ::= x"), "grammar", "invalid_value"),
            (chat("tags", structural_tag={"a": 1}), "structural_tag", "unsupported_parameter"),
            (line("calls", CHAT, messages=[{"role": "assistant", "tool_calls": [{}]}]), "messages[0].tool_calls[0]", "invalid_value"),
            (chat("warm", temperature=101), "temperature", "invalid_value"), (chat("warm?", temperature="hot"), "temperature", None),
            (chat("huge", temperature=1e300), "temperature", None), (chat("p", top_p=-1), "top_p", None),
            (chat("k", top_k=1.5), "top_k", None), (chat("max", max_tokens=0), "max_tokens", None),
            (chat("min", max_tokens=3, min_tokens=4), "min_tokens", "invalid_value"), (text("min 16", min_tokens=17), "min_tokens", None),
            (chat("min -1", min_tokens=-1), "min_tokens", None),
            (chat("n0", n=0), "n", None), (chat("n9", n=9), "n", None), (chat("stop", stop=[""]), "stop", None),
            (chat("stops", stop=["a"] * 17), "stop", None), (chat("stop?", stop=3), "stop", None), (chat("stop0", stop="a\0"), "stop", None),
            (chat("stop long", stop="a" * 5000), "messages", None),
            (chat("bias", logit_bias={"x": 1}), "logit_bias", None), (chat("bias1", logit_bias={"1": "x"}), "logit_bias", None),
            (chat("bias2", logit_bias={"1": 101}), "logit_bias", None), (chat("bias3", logit_bias={"99999999": 1}), "logit_bias", None),
            (chat("bias4", logit_bias=[]), "logit_bias", None), (chat("top", top_logprobs=2), "top_logprobs", None),
            (chat("top2", logprobs=True, top_logprobs=21), "top_logprobs", None), (chat("lp", logprobs=3), "logprobs", None),
            (text("lp2", logprobs=21), "logprobs", None), (chat("seed", seed="x"), "seed", None),
            (chat("wide ü" + "é" * 60, [{"type": "ü" * 100}]), "messages[0].content[0]", None),
        ]
        everything = none + lines + [(r, None) for r, _, _ in requests]
        self.write(["", "  \r"] + good + [s for s, _ in everything])
        self.batch(code=1)
        got = self.answers()
        for i, (s, says) in enumerate(everything):
            self.assertRegex(self.stderr, f"(?m)^carat: {re.escape(self.src)}:{i + 5}: ", s)
            if i < len(none):
                self.assertRegex(self.stderr, f"(?m):{i + 5}: .*{re.escape(says)}", s)
        self.assertEqual(len(got), len(good) + len(lines) + len(requests))
        for s, code in lines:
            row = got[json.loads(s)["custom_id"]]
            self.assertIsNone(row["response"])
            self.assertEqual(row["error"]["code"], code)
            self.assertTrue(row["error"]["message"])
        for s, param, code in requests:
            row = got[json.loads(s)["custom_id"]]
            self.assertIsNone(row["error"], s)
            self.assertEqual(row["response"]["status_code"], 400, s)
            e = row["response"]["body"]["error"]
            self.assertEqual((e["type"], e["param"]), ("invalid_request_error", param), s)
            self.assertEqual(e["code"], code or e["code"], s)
        self.assertIn("256", got["long"]["response"]["body"]["error"]["message"])
        for k in ["good", "good too"]:
            self.assertEqual(got[k]["response"]["status_code"], 200)
        with open(self.out, "rb") as f:
            before = f.read()
        self.batch(code=1)  # again: the errors are there already, and still errors
        with open(self.out, "rb") as f:
            self.assertEqual(f.read(), before)
        self.assertIn(f"0 answered, {len(none)} failed, {len(got)} skipped (already answered, some with errors)", self.stderr)

    def test_what_nobody_knows_is_refused_by_name(self):
        """Fields of other servers, and typing errors: none is dropped without a word."""
        fields = {"stop_token_ids": [440], "repeat_last_n": 256, "typical_p": 0.5, "max_new_tokens": 2, "num_predict": 2,
                  "options": {"temperature": 1}, "format": "json", "system": "Answer in French.", "chat_template_kwargs": {"a": 1},
                  "prefill": "It is", "no_repeat_ngram_size": 2, "use_beam_search": True,
                  "truncate_prompt_tokens": 2, "allowed_token_ids": [5], "temprature": 0.7}
        user = {"role": "user", "content": "Which one is it?"}
        url = {"url": "data:image/png;base64,iVBO"}
        inside = {
            "messages[0].images": [{**user, "images": ["iVBO"]}],
            "messages[0].content[0].image": [{"role": "user", "content": [{"type": "text", "text": "a", "image": "iVBO"}]}],
            "messages[0].content[0].detail": [{"role": "user", "content": [{"type": "image_url", "image_url": url, "detail": "low"}]}],
            "messages[1].content[0].image_url.size": [user, {"role": "user", "content": [{"type": "image_url", "image_url": {**url, "size": 9}}]}],
        }
        got = self.ask([chat("good", max_tokens=2)] + [chat(k, max_tokens=2, **{k: v}) for k, v in fields.items()] +
                       [line(k, CHAT, max_tokens=2, messages=v) for k, v in inside.items()], code=1)
        self.assertIn("choices", got["good"])
        for k in [*fields, *inside]:
            self.assertEqual(got[k]["error"]["param"], k)
            self.assertIn(f"'{k.split('.')[-1]}'", got[k]["error"]["message"])
        self.assertIn("use max_tokens", got["num_predict"]["error"]["message"])
        self.assertIn("did you mean 'temperature'?", got["temprature"]["error"]["message"])
        self.assertEqual(self.stderr.count("in.jsonl:"), len(fields) + len(inside))

    def test_biases_that_forbid_everything(self):
        """The caller's mistake, not ours: 400, and no word of a damaged model."""
        info = json.loads(subprocess.run([CARAT, "info", TINY, "--json"], capture_output=True, check=True).stdout)
        none = {str(i): -100 for i in range(info["vocabulary_rows"])}
        one = {k: v for k, v in none.items() if k != "30"}
        got = self.ask([text("none", max_tokens=2, logit_bias=none), text("one", max_tokens=2, logit_bias=one, logprobs=0),
                        text("end", max_tokens=9, min_tokens=2, logit_bias={k: v for k, v in none.items() if k != "1"})], code=1)
        for k, says in [("none", "forbid all"), ("end", "min_tokens is 2")]:
            self.assertEqual(self.answers()[k]["response"]["status_code"], 400)
            self.assertEqual(got[k]["error"]["type"], "invalid_request_error")
            self.assertIn(says, got[k]["error"]["message"])
        self.assertEqual(len(set(got["one"]["choices"][0]["logprobs"]["tokens"])), 1)

    def test_a_second_custom_id(self):
        self.write([text("a", max_tokens=2), text("b", max_tokens=2), text("a", "other", max_tokens=3)])
        for _ in range(2):
            self.batch(code=1)
            self.assertIn("in.jsonl:3: custom_id 'a' occurs a second time, after line 1; this line is not answered", self.stderr)
            self.assertIn(" 1 failed", self.stderr)
            self.assertEqual(set(self.answers()), {"a", "b"})
            self.assertEqual(self.answers()["a"]["response"]["body"]["usage"]["completion_tokens"], 2)

    def test_half_an_emoji_is_answered(self):
        """Text that was cut at so many UTF-16 units: the half is U+FFFD, whatever it is a part of."""
        raw = [chat("cut", "cut in the middle HALF", max_tokens=4), chat("same", "cut in the middle \ufffd", max_tokens=4),
               text("HALF", max_tokens=2), chat("reversed", "OTHERHALF", max_tokens=4), chat("two", "\ufffd\ufffd", max_tokens=4)]
        got = self.ask([s.replace("OTHER", "\\ude00").replace("HALF", "\\ud83d") for s in raw])
        self.assertEqual(set(got), {"cut", "same", "\ufffd", "reversed", "two"})
        for a, b in [("cut", "same"), ("reversed", "two")]:
            self.assertEqual(got[a]["usage"]["prompt_tokens"], got[b]["usage"]["prompt_tokens"])
            self.assertEqual(got[a]["choices"], got[b]["choices"])

    @long
    def test_a_line_that_is_too_long(self):
        with open(self.src, "wb") as f:
            f.write(text("a", max_tokens=2).encode() + b"\n")
            f.write(b'{"custom_id": "big", "method": "' + b"x" * (64 << 20) + b'"}\n')
            f.write(text("b", max_tokens=2).encode())  # and no newline at the end
        self.batch(code=1)
        self.assertIn("in.jsonl:2: the line is longer than 64 MiB", self.stderr)
        self.assertEqual(set(self.answers()), {"a", "b"})

    def test_byte_order_mark_and_crlf(self):
        self.write([b"\xef\xbb\xbf" + text("a", max_tokens=2).encode() + b"\r", text("b", max_tokens=2).encode() + b"\r"])
        self.batch()
        self.assertEqual(set(self.answers()), {"a", "b"})


class Refused(Case):
    def refused(self, *args, says, code=1):
        r = subprocess.run([CARAT, "run", TINY, *args], capture_output=True, timeout=60 * SLOWER, stdin=subprocess.DEVNULL)
        err = r.stderr.decode()
        self.assertEqual(r.returncode, code, err)
        self.assertIn(says, err)
        self.assertEqual(r.stdout, b"")

    def test_usage(self):
        self.write([text("a")])
        b = ["--batch", self.src]
        self.refused(*b, says="needs -o FILE", code=2)
        self.refused("-o", self.out, "-p", "x", says="need --batch", code=2)
        self.refused("--parallel", "2", "-p", "x", says="need --batch", code=2)
        self.refused(*b, "-o", self.out, "-p", "x", says="from its lines", code=2)
        self.refused(*b, "-o", self.out, "--raw", says="cannot be used with --batch", code=2)
        self.refused(*b, "-o", self.out, "--parallel", "0", says="expected 1 to 256", code=2)
        self.refused("--batch", self.dir + "/none", "-o", self.out, says="none: cannot be opened")
        self.refused("--batch", self.dir, "-o", self.out, says="is a directory, expected a file")
        self.refused(*b, "-o", self.dir, says="cannot be opened for writing")
        self.refused(*b, "-o", self.src, says="input and output are the same file")

    def test_a_file_of_somebody_else_is_left_alone(self):
        self.write([text("a", max_tokens=2)])
        for content in [b"my notes", b"my notes\n", b'{"custom_id": "x"}\n', b'{"custom_id": 5, "response": null}\n', b"[1]\n",
                        b'{"id":"batch_x', b"\0" * 50]:
            with open(self.out, "wb") as f:
                f.write(content)
            self.refused("--batch", self.src, "-o", self.out, says="is not a line of batch output")
            with open(self.out, "rb") as f:
                self.assertEqual(f.read(), content)

    @long
    @unittest.skipIf(SANITIZED, "a sanitizer reserves more than the limit")
    def test_where_one_answer_fits_a_batch_does(self):
        """Under every limit of memory: as many answers at once as the engine can take, down to one; but for the little
        that trying takes."""
        self.write([text(i, max_tokens=2) for i in range(9)])
        model, taken, n_fit = DATA + "/models/odd-text", set(), 0
        for kib in range(30000, 90000, 500):
            if 8 in taken:
                break
            def limit():
                resource.setrlimit(resource.RLIMIT_AS, (kib << 10, kib << 10))
            run = lambda *extra: subprocess.run([CARAT, "run", model, "--batch", self.src, "-o", self.out, "--json", "-t", "1", *extra],
                                                capture_output=True, timeout=60 * SLOWER, preexec_fn=limit)
            one = run("--parallel", "1")
            if os.path.exists(self.out):
                os.remove(self.out)
            if one.returncode != 0:
                self.assertEqual(n_fit, 0, kib)  # it fits from some limit on
                continue
            n_fit += 1
            if n_fit < 2:
                continue
            many = run()
            self.assertEqual(many.returncode, 0, (kib, many.stderr))
            n = json.loads(many.stdout)["parallel"]
            taken.add(n)
            self.assertEqual(b"memory allows %d answer" % n in many.stderr, n < 8, many.stderr)
            os.remove(self.out)
        self.assertTrue(taken > {8}, taken)

    @long
    @unittest.skipIf(SANITIZED, "a sanitizer reserves more than the limit")
    def test_a_line_that_memory_is_too_short_for(self):
        """It is reported and left out; the others have their answers."""
        with open(self.src, "wb") as f:
            f.write(text("a", max_tokens=2).encode() + b"\n" + text("b", max_tokens=2).encode() + b"\n")
            f.write(text("big", "X").encode().replace(b"X", b"x" * (20 << 20)) + b"\n" + text("c", max_tokens=2).encode() + b"\n")
        for mib in (50, 80, 107, 130, 170):  # for the line itself, its tree, its copies; at last it is told to be too long
            def limit():
                resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))
            r = subprocess.run([CARAT, "run", DATA + "/models/odd-text", "--batch", self.src, "-o", self.out, "-t", "1"],
                               capture_output=True, timeout=60 * SLOWER, preexec_fn=limit)
            self.assertEqual(r.returncode, 1, (mib, r.stderr))
            self.assertRegex(r.stderr, rb"in.jsonl:3: .*(no memory|at least \d+ tokens, but the context holds)")
            got = self.answers()
            self.assertEqual(set(got) - {"big"}, {"a", "b", "c"}, (mib, r.stderr))
            self.assertTrue(all(got[k]["response"]["status_code"] == 200 for k in "abc"))
            os.remove(self.out)

    def test_two_batches_cannot_share_a_file(self):
        self.write([text("a", max_tokens=2)])
        with open(self.out, "wb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            self.refused("--batch", self.src, "-o", self.out, says="another batch is writing it")

    @unittest.skipIf(SANITIZED, "a sanitizer reserves more than the limit")
    def test_a_full_disk(self):
        self.write([text(i, max_tokens=4) for i in range(40)])
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        self.batch(code=1, preexec_fn=limit)
        self.assertIn("out.jsonl: cannot be written: File too large", self.stderr)
        self.assertLess(len(self.answers()), 40)  # whole lines, not half of one
        self.batch()
        self.assertEqual(len(self.answers()), 40)
        self.refused("--batch", self.src, "-o", "/dev/full", says="No space left on device")


class Killed(Case):
    N = 120

    def start(self, *extra):
        return subprocess.Popen(self.command("--seed", "11", *extra), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def whole_lines(self):
        try:
            with open(self.out, "rb") as f:
                return f.read().count(b"\n")
        except FileNotFoundError:
            return 0

    def texts(self):
        return {k: [c.get("text", c.get("message", {}).get("content")) for c in r["response"]["body"]["choices"]]
                for k, r in self.answers().items() if r["response"]["status_code"] == 200}

    def prepare(self):
        lines = [(chat if i % 3 == 0 else text)(i, f"a red star {i % 50}", max_tokens=4 + i % 13, n=1 + i % 2, temperature=1)
                 for i in range(self.N)]
        lines[70] = chat(70, tools=[{}])  # one that fails
        self.write(lines)
        self.batch("--seed", "11", code=1)
        want = self.texts()
        self.assertEqual((len(want), len(self.answers())), (self.N - 1, self.N))
        os.remove(self.out)
        return want

    def wait_for(self, p, n):
        while p.poll() is None and self.whole_lines() < n:
            time.sleep(0.002)

    @long
    def test_kill_9_and_again(self):
        want = self.prepare()
        rng = random.Random(time.time_ns())
        for _ in range(2):
            if os.path.exists(self.out):
                os.remove(self.out)
            kills = 0
            while True:
                p = self.start()
                before = self.whole_lines()
                self.wait_for(p, before + rng.randrange(0, 50))
                time.sleep(rng.random() * 0.01)
                p.kill()
                p.stderr.close()
                if p.wait() != -signal.SIGKILL:
                    break
                kills += 0 < self.whole_lines() < self.N
                if rng.random() < 0.7 and self.whole_lines():  # as if the last write had been torn, anywhere in it
                    with open(self.out, "rb+") as f:
                        whole = f.read()
                        last = whole.rfind(b"\n", 0, whole.rfind(b"\n")) + 1
                        f.truncate(rng.randrange(last, whole.rfind(b"\n") + 1))
                    with open(self.out, "rb") as f:
                        rows = f.read().split(b"\n")[:-1]
                    self.assertEqual(len({json.loads(r)["custom_id"] for r in rows}), len(rows))
            self.assertGreaterEqual(kills, 2)
            self.batch("--seed", "11", code=1)
            self.assertEqual(set(self.answers()), {str(i) for i in range(self.N)})
            self.assertEqual(self.texts(), want)  # and what was answered is what it would have been

    def test_interrupt(self):
        want = self.prepare()
        for sig in [signal.SIGINT, signal.SIGTERM]:
            p = self.start("--parallel", "4")
            self.wait_for(p, self.whole_lines() + 20)
            self.assertIsNone(p.poll())
            p.send_signal(sig)
            err = p.communicate(timeout=30 * SLOWER)[1].decode()
            self.assertEqual(p.returncode, 130, err)
            self.assertIn("run the same command again to resume", err)
            self.assertLess(len(self.answers()), self.N)
        self.batch("--seed", "11", code=1)
        self.assertEqual(self.texts(), want)

    def test_a_pipe_that_stays_open(self):
        """Answers do not wait for the next question, and Ctrl-C does not wait for one either."""
        self.src = "-"
        p = subprocess.Popen(self.command("-q"), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for i in range(3):
            p.stdin.write(text(i, max_tokens=2).encode() + b"\n")
            p.stdin.flush()
            self.wait_for(p, i + 1)
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(timeout=30 * SLOWER), 130)
        p.stdin.close(), p.stderr.close()
        self.assertEqual(set(self.answers()), {"0", "1", "2"})

    @long
    def test_a_torn_line_at_every_byte(self):
        self.write([text("a", max_tokens=1), text("b", max_tokens=1)])
        self.batch()
        with open(self.out, "rb") as f:
            whole = f.read()
        first = whole.index(b"\n") + 1
        self.write([])  # nothing to do: only the file is put in order
        for cut in range(len(whole) + 1):
            if cut % 29 and abs(cut - first) > 3 and cut < len(whole) - 3:
                continue
            with open(self.out, "wb") as f:
                f.write(whole[:cut])
            self.batch()
            with open(self.out, "rb") as f:
                self.assertEqual(f.read(), whole[:cut][:whole[:cut].rfind(b"\n") + 1])


if __name__ == "__main__":
    main()
