"""carat run --batch: the answers. Usage: test_batch.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import base64
import codecs
import json
import os
import shutil
import subprocess
import time
import urllib.parse

from batching import CARAT, CHAT, SIGHT, SLOWER, TINY, Case, chat, line, main, text


def starts_of(entries):
    """Where each token begins, in characters: after those that the tokens before it completed."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    starts = [0]
    for e in entries:
        starts.append(starts[-1] + len(decoder.decode(bytes(e["bytes"]))))
    return starts[:-1]


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


if __name__ == "__main__":
    main()
