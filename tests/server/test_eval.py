"""carat eval --url: the same items at a server say the same as in the process; a server that is busy is asked again, one that answers nonsense
is named. Usage: test_eval.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import threading

from served import CARAT, SIGHT, TINY, Folder, Server, main
from evaluated import Replier, document, json_lines, listen

ITEMS = [
    {"id": "i%d" % k, "question": {"stem": stem, "choices": [{"text": t, "label": "ABCD"[i]} for i, t in enumerate(choices)]}, "answerKey": "B"}
    for k, (stem, choices) in enumerate((
        ("Which fox is quick?", ("the brown one", "a lazy dog", "none")), ("Who looks at them?", ("two cats", "\u00fc\u00fc \U0001f642")),
        ("And then?", ("nothing", "it", "they say nothing of it at all", "dog")), ("\u0414\u0430?", ("no", "yes it is"))))
]


ONE = {"input": "i", "target": "x"}  # an example of BIG-bench's


def evaluate(*args):
    env = {k: v for k, v in os.environ.items() if k not in ("OPENAI_API_KEY", "http_proxy", "https_proxy", "all_proxy")}
    return subprocess.run([CARAT, "eval", *args], capture_output=True, timeout=120, env=env)


class Fake(Replier):
    """Answers what its server's list says, in turn; the last one again and again."""

    def do_POST(self):
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        self.reply(*(self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]))


class Slow(Replier):
    """Answers nothing; or, where the server has a text, a byte of it every tenth of a second."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        try:
            if self.server.text:
                self.send_response(200)
                self.send_header("Content-Length", str(len(self.server.text)))
                self.end_headers()
            for byte in self.server.text:
                self.wfile.write(bytes([byte]))
                if self.server.over.wait(0.1):
                    return
            self.server.over.wait(60)
        except OSError:
            pass  # who asked is gone


ASKED = "Question: %s\nAnswer:" % ITEMS[0]["question"]["stem"]
WORDS = [" " + c["text"] for c in ITEMS[0]["question"]["choices"]]


def echoed(word, logprob=-1.0, tokens=None, places=None, values=None, text=None):
    """What a server says of ASKED with a word behind it, in two tokens, and one that was generated; each list may be another."""
    return {"text": ASKED + word + "!" if text is None else text, "logprobs": {
        "tokens": [ASKED, word, "!"] if tokens is None else tokens, "text_offset": [0, len(ASKED), len(ASKED + word)] if places is None else places,
        "token_logprobs": [None, logprob, -1.0] if values is None else values}}


class Url(Folder):
    def rows(self, task, *args):
        out = self.path("out.jsonl")
        if os.path.exists(out):
            os.remove(out)
        r = evaluate(task, *args, "-o", out, "--json")
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        with open(out, encoding="utf-8") as f:
            return json.loads(r.stdout), sorted((json.loads(line) for line in f.readlines()[1:]), key=lambda row: row["item"])

    def fake(self, *answers):
        s, url = listen(Fake, answers=list(answers), asked=[], bodies=[])
        self.addCleanup(s.close)
        return s, url

    def slow(self, text=b""):
        s, url = listen(Slow, text=text, over=threading.Event())
        self.addCleanup(s.close)
        self.addCleanup(s.over.set)
        return url

    def refused(self, says, task, *args, seconds=60):
        r = subprocess.run([CARAT, "eval", task, "m", *args], capture_output=True, timeout=seconds)
        self.assertEqual((r.returncode, r.stdout), (1, b""), r.stderr.decode())
        self.assertIn(says, r.stderr.decode())
        return r.stderr.decode()

    def test_a_server_that_hangs_has_so_long_and_no_longer(self):
        data = self.path("t.json", document([ONE]))
        whole = json.dumps({"choices": [{"message": {"content": "x"}}]}).encode()
        for text in b"", whole * 100:  # nothing at all; a byte now and then
            said = self.refused("no whole answer within 1 s", "bigbench-text", "--url", self.slow(text), "--data", data, "--timeout", "1")
            self.assertIn("item 0: http://127.0.0.1", said)
            self.assertIn("--timeout SECONDS", said)
        r = evaluate("bigbench-text", TINY, "--data", data, "--timeout", "1")
        self.assertEqual((r.returncode, "--timeout is for servers" in r.stderr.decode()), (2, True))

    def test_what_was_found_before_a_server_failed_is_kept(self):
        data = self.path("t.json", document({"input": "i%d" % i, "target": "x"} for i in range(40)))
        answer = (200, json.dumps({"choices": [{"message": {"content": "x"}}]}).encode())
        out = self.path("o.jsonl")
        s, url = self.fake(*[answer] * 20, (500, b"out of order"))
        self.assertIn("is in " + out, self.refused("status 500: out of order", "bigbench-text", "--url", url, "--data", data, "-o", out))
        with open(out) as f:
            n = len(f.readlines()) - 1
        self.assertGreater(n, 3)
        s.answers = [answer]
        r = evaluate("bigbench-text", "m", "--url", url, "--data", data, "-o", out)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        self.assertIn("%d of the items were in" % n, r.stderr.decode())

    def test_an_echo_is_that_of_what_was_asked(self):
        arc = self.path("arc.jsonl", json_lines(ITEMS[:1]))

        def reply(**first):
            return 200, json.dumps({"choices": [dict(echoed(w, -k - 1.0, **(first if k == 0 else {})), index=k) for k, w in enumerate(WORDS)]}).encode()
        args = "arc", "--data", arc
        w, n = WORDS[0], len(ASKED)
        for first in {}, {"tokens": [ASKED, w.replace(" ", "\u2581"), "!"]}, {"tokens": ["<bos>", ASKED, w, "!"], "places": [0, 0, n, n + len(w)], "values": [None, -1, -1, -1]}:
            _, url = self.fake(reply(**first))
            _, rows = self.rows(args[0], "m", "--url", url, *args[1:])
            self.assertEqual(rows[0]["logprobs"], [-1, -2, -3])
        another, cut = "the server echoes another text", "are not those of the text"
        for first, says in (
            ({"text": ASKED + w[:4]}, another), ({"text": ASKED}, another), ({"text": "!"}, another), ({"text": ASKED.lower() + w}, another),
            ({"tokens": [ASKED, w[:4]], "places": [0, n], "values": [None, -1]}, cut),  # a list that ends too early
            ({"tokens": [ASKED, w[:4], "!"], "places": [0, n, n + len(w)]}, cut),
            ({"places": [0, n + 1, n + len(w)]}, cut), ({"places": [5, n + 5, n + len(w) + 5], "tokens": ["<bos>" + ASKED, w, "!"]}, cut),
            ({"places": [0, n - 1, n + len(w)]}, cut), ({"places": [0, n, 3]}, cut),
            ({"tokens": [ASKED + w[:1], w[1:], "!"], "places": [0, n + 1, n + len(w)]}, "crosses"),
            ({"values": [None, -1]}, "2 'token_logprobs', but 3 'tokens' and 3 'text_offset'"), ({"places": [0, n]}, "3 'tokens' and 2 'text_offset'"),
            ({"values": [None, None, -1]}, "no logarithm"), ({"tokens": [ASKED, 3, "!"]}, cut), ({"places": [0, -1, 3]}, "is no place"),
            ({"tokens": []}, "0 'tokens'"), ({"tokens": {}}, "cannot score"),
        ):
            _, url = self.fake(reply(**first))
            said = self.refused(says, *args, "--url", url)
            self.assertIn("item 0: ", said)

    def test_a_server_says_the_same(self):
        arc = self.path("arc.jsonl", json_lines(ITEMS))
        text = self.path("t.json", document({"input": "The fox %d" % i, "target": "x"} for i in range(6)))
        s = Server()
        try:
            url = "http://127.0.0.1:%d/v1/" % s.port
            name = s.get("/v1/models").json()["data"][0]["id"]
            here, there = self.rows("arc", TINY, "-t", "1", "--data", arc), self.rows("arc", name, "--url", url, "--data", arc)
            self.assertEqual(there[0]["weights"], name)
            for a, b in zip(here[1], there[1], strict=True):
                self.assertEqual((a["id"], a["plain"], a["normalised"]), (b["id"], b["plain"], b["normalised"]))
                for x, y in zip(a["logprobs"], b["logprobs"], strict=True):
                    self.assertAlmostEqual(x, y, delta=1e-4)
            for form in "bare", "chat":
                args = "--data", text, "--form", form
                here, there = self.rows("bigbench-text", TINY, "-t", "1", *args), self.rows("bigbench-text", name, "--url", url, *args)
                self.assertEqual([r["answer"].strip() for r in here[1]], [r["answer"].strip() for r in there[1]])
            talk = self.path("BFCL_v4_live_irrelevance.json", json.dumps({"id": "i", "question": [[
                {"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}, {"role": "user", "content": "C"}]], "function": []}))
            self.refused("item 0: %schat/completions: status 404: " % url, "bigbench-text", "--url", url, "--data", text)  # at once
            here, there = self.rows("bfcl", TINY, "-t", "1", "--data", talk, "--form", "chat"), self.rows("bfcl", name, "--url", url, "--data", talk)
            self.assertEqual([r["answer"].strip() for r in here[1]], [r["answer"].strip() for r in there[1]])
            there = self.rows("niah", name, "--url", url, "--tokenizer", TINY, "--length", "512", "--limit", "2")[1]
            here = self.rows("niah", TINY, "-t", "1", "--length", "512", "--limit", "2", "--form", "chat")[1]
            self.assertEqual([r["answer"].strip() for r in here], [r["answer"].strip() for r in there])
        finally:
            s.stop()

    def test_pictures_are_shown_to_a_server(self):
        with open(SIGHT + "/test.jsonl") as f:
            rows = [json.loads(line) for line in f]
        items = [{"id": "validation_Math_%d" % i, "question": r["text"].replace("<image>", "<image 1>", 1).replace("<image>", "<image 2>", 1),
                  "options": "[]", "answer": "x", "question_type": "open",
                  **{"image_%d" % (k + 1): name for k, name in enumerate(r["images"])}} for i, r in enumerate(rows[:6]) if len(r["images"]) < 3]
        data = self.path("mmmu.jsonl", json_lines(items))
        s = Server(model=SIGHT)
        try:
            url = "http://127.0.0.1:%d/v1" % s.port
            name = s.get("/v1/models").json()["data"][0]["id"]
            args = "--data", data, "--images", SIGHT
            here, there = self.rows("mmmu", SIGHT, "-t", "1", *args), self.rows("mmmu", name, "--url", url, *args)
            self.assertEqual([r["answer"].strip() for r in here[1]], [r["answer"].strip() for r in there[1]])
            self.assertEqual(there[0]["pan_scan"], "as the server does")
            r = evaluate("mmmu", name, "--url", url, *args, "--form", "bare")
            self.assertEqual(r.returncode, 1)
            self.assertIn("shown pictures in a chat", r.stderr.decode())
        finally:
            s.stop()

    def test_a_busy_server_is_asked_again(self):
        answer = json.dumps({"choices": [{"message": {"content": "x and more"}, "finish_reason": "stop"}]}).encode()
        s, url = self.fake((503, b"busy"), (429, b""), (200, answer))
        data = self.path("t.json", document([dict(ONE, target="x and more")]))
        r = evaluate("bigbench-text", "m", "--url", url, "--data", data, "--json")
        self.assertEqual((json.loads(r.stdout)["score"]["right"], len(s.asked), s.asked[0]), (1, 3, ("/v1/chat/completions", None)))
        self.assertIn("item 0: status 503: busy: is asked again in 1 s (try 2 of 6)", r.stderr.decode())

    def test_a_nul_character_cuts_no_answer(self):
        data = self.path("t.json", document([ONE]))
        _, url = self.fake((200, json.dumps({"choices": [{"message": {"content": "x\0y"}, "finish_reason": "stop"}]}).encode()))
        r, rows = self.rows("bigbench-text", "m", "--url", url, "--data", data)
        self.assertEqual((r["score"]["right"], rows[0]["answer"], rows[0]["said"]), (0, "x\0y", "x\ufffdy"))
        _, url = self.fake((200, b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}'))
        r, rows = self.rows("bigbench-text", "m", "--url", url, "--data", data)
        self.assertEqual((r["score"]["right"], rows[0]["answer"]), (0, ""))

    def test_conversations_and_questions_without_functions(self):
        said = [("user", "A"), ("user", "B"), ("assistant", "C"), ("user", "D")]
        rows = [[("system", "S"), ("user", "A")], said]
        data = self.path("BFCL_v4_live_irrelevance.json", json_lines({
            "id": str(i), "question": [[{"role": r, "content": c} for r, c in row]], "function": []} for i, row in enumerate(rows)))
        call = {"message": {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}
        broken = {"message": {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}}
        for choice, right in ((call, 0), (broken, 2), ({"message": {"content": "x"}}, 2)):
            s, url = self.fake((200, json.dumps({"choices": [choice]}).encode()))
            r, _ = self.rows("bfcl", "m", "--url", url, "--data", data)
            self.assertEqual(r["score"]["right"], right)
            bodies = sorted(s.bodies, key=lambda b: len(b["messages"]))
            self.assertEqual([[(m["role"], m["content"]) for m in b["messages"]] for b in bodies], [[("user", "S\n\nA")], said])
            self.assertFalse(any("tools" in b for b in bodies))
        data = self.path("BFCL_v4_live_relevance.json", json.dumps({"id": "r", "question": [[{"role": "user", "content": "A"}]], "function": [{"name": "f"}]}))
        for choice, right in ((call, 1), (broken, 0), ({"message": {"content": "x"}}, 0)):
            s, url = self.fake((200, json.dumps({"choices": [choice]}).encode()))
            self.assertEqual(self.rows("bfcl", "m", "--url", url, "--data", data)[0]["score"]["right"], right)

    def test_nonsense_is_named(self):
        data = self.path("t.json", document([ONE]))
        arc = self.path("arc.jsonl", json_lines(ITEMS[:1]))
        unscored = json.dumps({"choices": [{"index": i, "text": "x", "logprobs": None} for i in range(3)]}).encode()

        def scored(*choices):
            return (200, json.dumps({"choices": [dict(echoed(WORDS[max(i, 0)], p), index=i) for i, p in choices]}).encode())
        for task, file, reply, says in (
            ("arc", arc, scored((0, -1), (0, -2), (1, -3)), "a choice with index 0 twice"), ("arc", arc, scored((0, -1), (-1, -2), (1, -3)), "a choice with index -1"),
            ("arc", arc, scored((0, -1), (1, 5.5), (2, -3)), "no logarithm"),
            ("bigbench-text", data, (200, b"{"), "the server's reply"), ("bigbench-text", data, (200, b"[]"), "has no answer"),
            ("bigbench-text", data, (200, b'{"choices": [{"message": {"content": 3}}]}'), "has no answer"),
            ("bigbench-text", data, (400, b'{"error": {"message": "no such model"}}'), "status 400: no such model"),
            ("bigbench-text", data, (302, b""), "status 302"), ("arc", arc, (200, unscored), "it cannot score"),
            ("arc", arc, (200, b'{"choices": []}'), "0 'choices' for 3 prompts"),
        ):
            _, url = self.fake(reply)
            r = evaluate(task, "m", "--url", url, "--data", file)
            self.assertEqual(r.returncode, 1)
            self.assertIn(says, r.stderr.decode())
        for url, says in (("ftp://x/v1", "is no URL"), ("http://127.0.0.1:9/v1", "connect to 127.0.0.1")):  # at once
            self.refused(says, "bigbench-text", "--url", url, "--data", data, seconds=20)

    def test_a_key_goes_to_nobody_in_the_clear(self):
        data = self.path("t.json", document([ONE]))
        env = dict(os.environ, OPENAI_API_KEY="sesame")
        r = subprocess.run([CARAT, "eval", "bigbench-text", "m", "--url", "http://192.0.2.1/v1", "--data", data], capture_output=True, timeout=60, env=env)
        self.assertEqual(r.returncode, 1)
        self.assertIn("would be sent for everyone", r.stderr.decode())
        s, url = self.fake((200, json.dumps({"choices": [{"message": {"content": "x"}}]}).encode()))
        r = subprocess.run([CARAT, "eval", "bigbench-text", "m", "--url", url, "--data", data], capture_output=True, timeout=60, env=env)
        self.assertEqual((r.returncode, s.asked[0][1]), (0, "Bearer sesame"))


if __name__ == "__main__":
    main()
