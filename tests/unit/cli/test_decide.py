"""carat decide: figures, tables, lines. Usage: test_decide.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import array
import json
import math
import os
import re
import signal
import subprocess
import time

from program import CARAT, SIGHT, TINY, Folder, carat, main, on_terminal

QUESTION = "is it a red star"
BARS = "█▏▎▍▌▋▊▉"


class Decide(Folder):
    def json(self, *args, model=TINY, **kw):
        r = self.ok("decide", model, *args, "--json", **kw)
        self.assertEqual(r.stderr, b"")
        return json.loads(r.stdout)

    def prompt(self, *args, model=TINY):
        return json.loads(self.ok("run", model, *args, "-n", "0", "--json").stdout)["prompt_tokens"]

    def rows(self, ids, model=TINY):
        """log-probabilities [n][vocab] of every position, in double precision from the program's logits."""
        out = self.path("rows")
        self.ok("logits", model, "--ids", ",".join(map(str, ids)), "-o", out)
        x = array.array("f")
        with open(out, "rb") as f:
            x.frombytes(f.read())
        n = len(x) // len(ids)
        out = []
        for row in (x[i * n:i * n + n] for i in range(len(ids))):
            most = max(row)
            lse = most + math.log(sum(math.exp(v - most) for v in row))
            out.append([v - lse for v in row])
        return out

    def expect(self, got, prompt, ends=()):
        """The figures are those of the logits. A float of some 10 is exact to 1e-6; two and their difference are rounded."""
        total = 0
        for c in got["choices"]:
            rows = self.rows(prompt + c["tokens"])[len(prompt) - 1:]
            want = [row[i] for row, i in zip(rows, c["tokens"])]
            if ends:
                want.append(math.log(sum(math.exp(rows[-1][i]) for i in ends)))
            self.assertEqual(len(want), len(c["logprobs"]))
            for a, b in zip(want, c["logprobs"]):
                self.assertLess(abs(a - b), 5e-6)
            self.assertAlmostEqual(c["logprob"], sum(c["logprobs"]), delta=1e-9)
            total += math.exp(c["logprob"])
        for c in got["choices"]:
            self.assertAlmostEqual(c["probability"], math.exp(c["logprob"]) / total, delta=1e-12)
        self.assertAlmostEqual(got["total_probability"], total, delta=1e-12)
        self.assertEqual(got["best"], max(got["choices"], key=lambda c: c["logprob"])["text"])
        self.assertEqual(got["prompt_tokens"], len(prompt))

    def end_ids(self):
        return [json.loads(self.ok("tokenize", TINY, "--json", "--special", "--no-bos", t).stdout)["ids"][0]
                for t in ("<eos>", "<end_of_turn>")]

    def test_open_figures_are_those_of_the_logits(self):
        got = self.json("--raw", QUESTION, "--choice", " yes, no, maybe so", "--choice", "<end_of_turn>")
        self.assertEqual([c["text"] for c in got["choices"]], [" yes", " no", " maybe so", "<end_of_turn>"])
        self.assertEqual(got["ending"], "open")
        self.assertGreater(len(got["choices"][3]["tokens"]), 1)  # text, and no control token
        self.expect(got, self.prompt("--raw", QUESTION))

    def test_whole_answers_end(self):
        chat = ["--chat-template", "gemma", QUESTION, "--system", "Be brief."]
        got = self.json(*chat, "--choice", "yes,yes and,no")
        self.assertEqual(got["ending"], "whole")
        prompt = self.prompt(*chat)
        self.expect(got, prompt, self.end_ids())
        self.expect(self.json(*chat, "--choice", "yes,yes and,no", "--ending", "open"), prompt)
        bare = self.json("--raw", QUESTION, "--yes-no", "--ending", "whole")
        self.assertEqual([c["text"] for c in bare["choices"]], ["Yes", "No"])
        self.expect(bare, self.prompt("--raw", QUESTION), self.end_ids())

    def test_nothing_else_has_a_part_in_it(self):
        texts = ["a", "b red", "c star, and so on"]
        choices = self.path("choices", "\n".join(texts).encode() + b"\r\n\n")
        together = self.json(QUESTION, "--choices", choices)
        figures = {c["text"]: (c["tokens"], c["logprobs"]) for c in together["choices"]}
        self.assertEqual(list(figures), texts)
        backwards = self.json(QUESTION, "--choices", "-", "-t", "2", "--chunk", "3", stdin="\n".join(texts[::-1]).encode())
        self.assertEqual({c["text"]: (c["tokens"], c["logprobs"]) for c in backwards["choices"]}, figures)
        lines = "".join(json.dumps({"id": [t], "prompt": QUESTION, "choices": [t]}) + "\n" for t in texts)
        for line in self.ok("decide", TINY, "--jsonl", "-", stdin=lines.encode()).stdout.decode().splitlines():
            got = json.loads(line)
            c, = got["choices"]
            self.assertEqual(got["id"], [c["text"]])
            self.assertEqual((c["tokens"], c["logprobs"]), figures[c["text"]])
            self.assertEqual(c["probability"], 1)

    def test_spaces_at_the_end_go_to_the_choices(self):
        want = self.json("--raw", QUESTION, "--choice", "  yes,  no")
        got = self.json("--raw", QUESTION + "  ", "--choice", "yes,no")
        self.assertEqual([c["logprobs"] for c in got["choices"]], [c["logprobs"] for c in want["choices"]])
        self.assertEqual(got["best"], want["best"].strip())
        line = json.dumps({"prompt": QUESTION + "  ", "choices": ["yes", "no"]}).encode()
        r = json.loads(self.ok("decide", TINY, "--raw", "--jsonl", "-", stdin=line).stdout)
        self.assertEqual(r["choices"], got["choices"])

    def test_levels(self):
        got = self.json(QUESTION, "--levels", "-1..3")
        self.assertEqual([(c["text"], c["level"]) for c in got["choices"]], [(str(i), i) for i in range(-1, 4)])
        self.assertAlmostEqual(got["expected"], sum(c["probability"] * c["level"] for c in got["choices"]), delta=1e-12)
        got = self.json(QUESTION, "--levels", "bad,fair,good")
        self.assertEqual([c["level"] for c in got["choices"]], [1, 2, 3])
        lines = self.ok("decide", TINY, QUESTION, "--levels", "bad,fair,good").stdout.decode().splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["bad", "fair", "good", "expected"])
        self.assertEqual(lines[-1], f"expected {got['expected']:.2f}")

    def test_the_table(self):
        choices = self.path("choices", "a\nred\u4e2d\u6587\n\u202ex\x1b[31m\n".encode() + b"long " * 20 + b"\n")
        want = self.json(QUESTION, "--choices", choices)["choices"]
        r = self.ok("decide", TINY, QUESTION, "--choices", choices)
        self.assertEqual(r.stderr, b"")
        text = r.stdout.decode()
        self.assertNotIn("\x1b", text)
        self.assertNotIn("\u202e", text)
        rows = [re.fullmatch(rf"(.+?) +([0-9.]+) %  ([{BARS}]*) +(-[0-9.]+)  (\d+) tokens?", line).groups() for line in text.splitlines()]
        self.assertEqual(len(rows), 4, text)
        want.sort(key=lambda c: -c["logprob"])
        for (name, percent, bar, logprob, n), c in zip(rows, want):
            self.assertEqual(percent, f"{100 * c['probability']:.2f}")
            self.assertEqual(logprob, f"{c['logprob']:.3f}")
            self.assertEqual(int(n), len(c["logprobs"]))
            eighths = sum(8 if b == "█" else BARS.index(b) for b in bar.strip())
            self.assertLessEqual(abs(eighths - 160 * c["probability"]), 0.5 + 1e-9)
        self.assertEqual({n.strip() for n, *_ in rows}, {"a", "red\u4e2d\u6587", "?x?[31m", ("long " * 20)[:40].strip()})

    def test_colour_at_a_terminal_alone(self):
        shown = {}
        for term in "xterm", "dumb":
            env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
            pid, fd = on_terminal([CARAT, "decide", TINY, QUESTION, "--yes-no"], {**env, "TERM": term})
            data = b""
            try:
                while more := os.read(fd, 4096):
                    data += more
            except OSError:
                pass
            os.close(fd)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
            shown[term] = data.decode()
        self.assertIn("\x1b[1m", shown["xterm"])
        self.assertNotIn("\x1b", shown["dumb"])
        self.assertIn("of what the model would say", shown["dumb"])

    def test_pictures(self):
        image = ["--image", SIGHT + "/test/000-0.png"]
        got = self.json(*image, QUESTION, "--choice", "yes,no", model=SIGHT)
        again = self.json(*image, QUESTION, "--choice", "no", model=SIGHT)
        self.assertEqual(again["choices"][0]["logprobs"], got["choices"][1]["logprobs"])
        other = self.json("--image", SIGHT + "/test/001-0.png", QUESTION, "--choice", "no", model=SIGHT)
        self.assertNotEqual(other["choices"][0]["logprobs"], again["choices"][0]["logprobs"])
        bare = self.json(QUESTION, "--choice", "no", model=SIGHT)
        self.assertNotEqual(bare["choices"][0]["logprobs"], again["choices"][0]["logprobs"])
        self.assertGreater(got["prompt_tokens"], bare["prompt_tokens"])

    def test_the_prompt_can_be_shown(self):
        r = self.ok("decide", TINY, "--chat-template", "gemma", QUESTION, "--yes-no", "--show-prompt")
        self.assertIn(QUESTION.encode() + b"<end_of_turn>\n<start_of_turn>model\n", r.stderr)

    def test_lines(self):
        lines = [
            b'{"id": 1, "prompt": "a", "choices": ["b", "c"]}',
            b'',
            b'{"id": "x", "messages": [{"role": "user", "content": "a"}], "levels": ["low", "high"], "ending": "open"}',
            b'{"id": 3, "prompt": "a"}',
            b'{"prompt": "a", "choices": ["b"], "temperature": 1}',
            b'{"prompt": "a", "choices": ["b", "b"]}',
            b'{"prompt": "a", "messages": [], "choices": ["b"]}',
            b'{"messages": [{"role": "user", "content": "a", "name": "b"}], "choices": ["b"]}',
            b'{"prompt": 1, "choices": ["b"]}',
            b'{"prompt": "a", "choices": [7]}',
            b'{"prompt": "a", "choices": [""], "ending": "open"}',
            b'{"prompt": "a", "choices": ["b"], "ending": "shut"}',
            b'[]', b'{',
            b'{"prompt": "a", "choices": ["b"], "levels": ["b"]}',
            b'{"id": null, "prompt": "a", "choices": ["b", "c"]}',
        ]
        path = self.path("lines", b"\xef\xbb\xbf" + b"\r\n".join(lines))
        r = carat("decide", TINY, "--jsonl", path)
        self.assertEqual(r.returncode, 1)
        out = [json.loads(line) for line in r.stdout.splitlines()]
        self.assertEqual(len(out), 15)
        self.assertEqual((out[0]["id"], out[1]["id"], out[2]["id"]), (1, "x", 3))
        self.assertEqual(out[1]["ending"], "open")
        self.assertIn("expected", out[1])
        says = ["expected 'choices' or 'levels'", "unknown field 'temperature'", "are the same tokens", "either 'prompt' or 'messages'",
                "unknown field 'name'", "is an integer, expected a string", "is an integer, expected a string", "is empty, and its end is open",
                "expected whole or open", "is an array, expected an object", "the line",
                "both 'choices' and 'levels' are given"]
        errors = r.stderr.decode().splitlines()
        for o, e, s, n in zip(out[2:14], errors, says, [*range(4, 16)], strict=True):
            self.assertIn(s, o["error"])
            self.assertEqual(o["line"], n)
            self.assertTrue(e.startswith(f"carat: {path}:{n}: ") and s in e, e)
        self.assertEqual({**out[14], "id": 1, "seconds": 0}, {**out[0], "seconds": 0})
        self.refused("decide", TINY, "--jsonl", self.path("no"), says="no: cannot be opened")
        r = self.ok("decide", TINY, "--raw", "--system", "x", "--jsonl", "-", "-q", stdin=lines[0])
        self.assertIn(b"--system is ignored", r.stderr)

    def test_interrupted(self):
        p = subprocess.Popen([CARAT, "decide", TINY, "--jsonl", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        p.stdin.write(b'{"prompt": "a", "choices": ["b"]}\n')
        p.stdin.flush()
        self.assertIn(b"choices", p.stdout.readline())  # it waits for the next line now, or soon
        time.sleep(0.2)
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(20), 130)
        p.stdin.close(), p.stdout.close()

    def test_what_is_refused(self):
        d = ["decide", TINY]
        self.refused(*d, QUESTION, says="among what?", code=2)
        self.refused(*d, QUESTION, "--yes-no", "--choice", "a", says="among what?", code=2)
        self.refused(*d, QUESTION, "--choice", "a,,b", says="--choice is 'a,,b'", code=2)
        for levels in "5..1", "1..1", "1", "1..2000", "", "a,,b":
            self.refused(*d, QUESTION, "--levels", levels, says=f"--levels is '{levels}'", code=2)
        self.refused(*d, QUESTION, "--ending", "shut", "--yes-no", says="ending", code=2)
        self.refused(*d, QUESTION, "--jsonl", "x", says="takes its questions", code=2)
        self.refused(*d, "--yes-no", "--jsonl", "x", says="own choices", code=2)
        self.refused(*d, "--choices", "-", says="cannot both come from stdin", code=2)
        self.refused(*d, QUESTION, "--raw", "--chat-template", "gemma", "--yes-no", says="either --raw or", code=2)
        self.refused(*d, QUESTION, "--temp", "1", "--yes-no", says="--temp", code=2)
        self.refused(*d, QUESTION, "--choice", "a,a", says="the choices 'a' and 'a' are the same tokens")
        self.refused(*d, QUESTION, "--choice", "x,b \u2581c,b  c", says="the choices 'b \u2581c' and 'b  c' are the same tokens")
        self.refused(*d, QUESTION, "--choices", self.path("none", b"\n\n"), says="no choices in it")
        self.refused(*d, QUESTION, "--choices", self.path("nul", b"a\0b\n"), says="a NUL character")
        self.refused(*d, QUESTION, "--choice", "a " * 400, "-c", "64", says=["do not fit the context of 64"])
        self.refused(*d, QUESTION, "--image", "no.png", "--yes-no", says="no.png")
        self.refused("decide", "--yes-no", says="which model?", code=2)


main()
