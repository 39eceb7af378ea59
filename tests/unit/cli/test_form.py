"""carat run: answers of a given form. Usage: test_form.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import re

from program import TINY, Folder, carat, main

SCHEMA = {"type": "object", "properties": {"name": {"enum": ["ü", "a \"b\""]}, "n": {"type": "integer", "minimum": 0, "maximum": 9}},
          "required": ["name", "n"], "additionalProperties": False}
GBNF = "# a list\nroot ::= item (\", \" item)+\nitem ::= \"x\" | \"y\"\n"


class Form(Folder):
    def answer(self, *args, seed="1", temp="1.5"):
        r = self.ok("run", TINY, "-p", "a red star", "--seed", seed, "--temp", temp, "-n", "200", *args)
        self.assertEqual(r.stderr, b"")
        return r.stdout.decode()

    def test_each_form(self):
        for seed in "123":
            for source in (json.dumps(SCHEMA), " " + json.dumps(SCHEMA), self.path("s.json", json.dumps(SCHEMA).encode())):
                text = self.answer("--json-schema", source, seed=seed)
                value = json.loads(text)
                self.assertIn(value["name"], SCHEMA["properties"]["name"]["enum"])
                self.assertIn(value["n"], range(10))
                self.assertEqual(text, json.dumps(value, separators=(",", ":"), ensure_ascii=False))
            self.assertRegex(self.answer("--regex", "[ab]{2,4}|\\d{3}", seed=seed), r"\A([ab]{2,4}|\d{3})\Z")
            self.assertIn(self.answer("--choice", "red,light blue", "--choice", "green", seed=seed), ["red", "light blue", "green"])
            self.assertRegex(self.answer("--grammar", self.path("g.gbnf", GBNF.encode()), seed=seed), r"\A[xy](, [xy])+\Z")
        r = self.ok("run", TINY, "hi", "--json-object", "-n", "3", "--temp", "0")
        self.assertEqual(r.stdout[:1], b"{")

    def test_a_stop_string_may_cut_a_form(self):
        args = ["run", TINY, "-p", "a red star", "--choice", "one two,three", "--temp", "0"]
        r = self.ok(*args, "--stop", "e")
        self.assertIn(b"before its form was complete: a stop string was met", r.stderr)
        self.assertNotIn(b"form", self.ok(*args).stderr)

    def test_json_says_how_it_ended(self):
        r = self.ok("run", TINY, "hi", "--regex", "x{40}y", "-n", "8", "--json", "--logprobs", "1")
        whole = json.loads(r.stdout)
        self.assertEqual(whole["finish_reason"], "length")
        self.assertIn(b"before its form was complete", r.stderr)
        r = json.loads(self.ok("run", TINY, "hi", "--choice", "yes,no", "--json", "--logprobs", "1").stdout)
        self.assertIn(r["text"], ("yes", "no"))
        self.assertEqual(r["finish_reason"], "stop")
        self.assertEqual(len(r["tokens"]), len(r["logprobs"]))

    def test_what_is_refused(self):
        run = ["run", TINY, "hi"]
        self.refused(*run, "--json-schema", '{"properties": {"a/b": {"unevaluatedItems": {}}}}', says="the JSON schema: '/properties/a~1b/unevaluatedItems': cannot be enforced")
        self.refused(*run, "--json-schema", '{"type": "object",}', says="the JSON schema")
        self.refused(*run, "--json-schema", self.path("no.json"), says="no.json")
        bad = self.path("bad.json", b'{"unevaluatedItems": {}}')
        self.refused(*run, "--json-schema", bad, says=[bad, "'/unevaluatedItems'"])
        self.refused(*run, "--regex", "a(?=b)", says="look-around is not supported, at byte 2 of 'a(?=b)'")
        self.refused(*run, "--regex", "a{3}[^\\u0000-\\u{10ffff}]", says="no text can match it")
        bad = self.path("bad.gbnf", b'root ::= "x"\nb ::= c\n')
        self.refused(*run, "--grammar", bad, says=[bad, "'c' is not defined"])
        self.refused(*run, "--grammar", self.path("g.gbnf", b'root ::= "x'), says="line 1")

    def test_usage(self):
        run = ["run", TINY, "hi"]
        self.refused(*run, "--regex", "a", "--json-object", says="at most one of", code=2)
        self.refused(*run, "--choice", "a,,b", says="--choice is 'a,,b'", code=2)
        self.refused(*run, "--choice", "", says="--choice is ''", code=2)
        self.refused("run", TINY, "--batch", "x", "-o", "y", "--json-object", says="response_format", code=2)
        text = carat("help", "--man", "run").stdout.decode()
        for name in ("json-schema", "json-object", "regex", "choice", "grammar"):
            self.assertTrue(re.search(name.replace("-", r"\\?-"), text), name)
            self.assertIn("--" + name, carat("help", "--completion").stdout.decode())


main()
