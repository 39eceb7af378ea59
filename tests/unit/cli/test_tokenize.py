"""carat tokenize and detokenize. Usage: test_tokenize.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json

from program import DATA, TINY, Case, carat, main


class Tokens(Case):
    def test_jsonl_equals_the_reference(self):
        with open(DATA + "/models/tiny-tokenizer/cases.jsonl") as f:
            cases = [json.loads(line) for line in f]
        keep = [c for c in cases if "text" in c and "ids" in c]
        self.assertGreater(len(keep), 10)
        lines = "".join(json.dumps({"text": c["text"], "add_special": c.get("add_special", False),
                                    "parse_special": bool(c.get("parse_special", True))}) + "\n" for c in keep)
        for source in ["", "/tokenizer.json", "/tokenizer.model"]:
            out = self.ok("tokenize", DATA + "/models/tiny-tokenizer" + source, "--jsonl", stdin=lines.encode()).stdout
            got = [json.loads(x)["ids"] for x in out.decode().splitlines()]
            for c, ids in zip(keep, got):
                self.assertEqual(ids, c["ids"], c)
            self.assertEqual(len(got), len(keep))

    def test_round_trip(self):
        for text in [b"a red star", b" two  spaces\n\n\tand tabs", "h\u00e9llo \U0001f600".encode(), b"\xff\x00\xfe"]:
            ids = self.ok("tokenize", TINY, stdin=text).stdout
            self.assertEqual(self.ok("detokenize", TINY, stdin=ids).stdout, text)

    def test_bad_lines_say_which(self):
        for line, says in [(b"{", "line 2"), (b"[]", "line 2"), (b'{"text":5}', "'text' is missing or not a string"),
                           (b'{"text":"a","add_special":3}', "'add_special' is an integer")]:
            r = carat("tokenize", TINY, "--jsonl", stdin=b'{"text":"a"}\n' + line + b"\n")
            self.assertEqual(r.returncode, 1)
            self.assertIn(says, r.stderr.decode())


if __name__ == "__main__":
    main()
