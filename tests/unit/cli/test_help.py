"""Help, other names of options, and what is refused as usage. Usage: test_help.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import re

from program import TINY, Case, main


COMMANDS = ["run", "chat", "decide", "info", "see", "tokenize", "detokenize", "logits", "synth", "merge", "bench", "weigh", "pull", "list", "rm", "help"]


class Help(Case):
    def test_every_command_has_help(self):
        top = self.ok("--help").stdout.decode()
        for c in COMMANDS:
            self.assertIn(c, top)
            text = self.ok(c, "--help").stdout.decode()
            self.assertTrue(text.startswith("usage: carat " + c))
            self.assertEqual(text, self.ok("help", c).stdout.decode())
            self.assertLessEqual(max(map(len, text.splitlines())), 112)

    def test_other_names(self):
        """Aliases mean the same; what an option is called wins over another's alias."""
        same = [self.ok("weigh", "4b", "--quant", "q4_0", "--ctx", "4k", "--no-vision", batch, "64", "--json").stdout
                for batch in ["--batch-size", "--chunk", "--batch", "-b"]]
        self.assertEqual(json.loads(same[0])["point"]["batch"], 64)
        self.assertEqual(len(set(same)), 1)
        self.assertEqual(same[0], self.ok("weigh", "-m", "4b", "--quant", "q4_0", "-c", "4096", "--text-only", "-b64",
                                          "--json").stdout)
        self.refused("run", TINY, "--batch", "64", says="--batch needs -o FILE", code=2)
        for wrong, right in (("runn", "run"), ("rnu", "run"), ("chta", "chat"), ("tokenise", "tokenize"), ("benchmark", "bench")):
            self.refused(wrong, says=f"unknown command '{wrong}'; did you mean {right}?", code=2)
            self.refused("help", wrong, says=f"did you mean {right}?", code=2)
        self.assertNotIn("did you mean", self.refused("frobnicate", says="unknown command", code=2))
        self.refused("chat", TINY, "--chunck", "64", says="did you mean --chunk?", code=2)

    def test_defaults_are_the_librarys(self):
        text = " ".join(self.ok("run", "--help").stdout.decode().split())
        library = json.loads(self.ok("info", TINY, "--json").stdout)["sampling"]
        stated = dict(re.findall(r" --(temp|top-k|top-p|min-p) \w (?:(?! --).)*?\(default: the model's, or ([\d.]+)\)", text))
        self.assertEqual(len(stated), 4)
        for name, key in [("temp", "temperature"), ("top-k", "top_k"), ("top-p", "top_p"), ("min-p", "min_p")]:
            self.assertAlmostEqual(float(stated[name]), library[key], places=6)

    def test_words(self):
        """Of any case; another is refused with those there are."""
        for option, good, says in [("--kv", "Q8_0", "expected f16 or q8_0"), ("--pan-scan", "OFF", "expected auto, off or on"),
                                   ("--sampling-order", "Llama", "expected hf or llama"),
                                   ("--prefix-cache", "NONE", "expected a size like 8G, 512M or 1.5T, or none")]:
            self.ok("run", TINY, "a", "-n", "1", option, good)
            self.refused("run", TINY, "a", "-n", "1", option, "some", says=[f"{option} is 'some'", says], code=2)
        self.refused("run", TINY, "a", "--kv", says="--kv needs a value (f16|q8_0)", code=2)

    def test_version(self):
        self.assertRegex(self.ok("--version").stdout.decode(), r"^carat \d+\.\d+\.\d+ \(kernels: \w+\)$")

    def test_usage_errors_are_two(self):
        for args, says in [
            ([], "commands:"),
            (["fly"], "unknown command 'fly'"),
            (["run"], "which model"),
            (["run", TINY, "--temprature", "1", "-p", "x"], "did you mean --temperature"),
            (["run", TINY, "--zzzzzz"], "unknown option --zzzzzz"),
            (["run", TINY, "-Z"], "unknown option -Z"),
            (["run", TINY, "-p"], "needs a value"),
            (["run", TINY, "-n", "many", "-p", "x"], "'many', expected a whole number"),
            (["run", TINY, "-n", "1.5", "-p", "x"], "expected a whole number"),
            (["run", TINY, "-n", "99999999999999999999", "-p", "x"], "expected -1 to"),
            (["run", TINY, "--temp", "-3", "-p", "x"], "expected 0 to 100"),
            (["run", TINY, "--temp", "nan", "-p", "x"], "expected a number"),
            (["run", TINY, "--top-p", "2", "-p", "x"], "expected 0 to 1"),
            (["run", TINY, "-t", "0", "-p", "x"], "expected 1 to 512"),
            (["run", TINY, "-c", "0", "-p", "x"], "expected 1 to 9000000000000000\n"),
            (["run", TINY, "--top-k", "-1", "-p", "x"], "expected 0 to 1073741824\n"),
            (["run", TINY, "--batch", "in", "-o", "-"], "--output - would be standard output, expected a file's name"),
            (["synth", "270m", "-o", "-"], "--output - would be standard output"),
            (["logits", TINY, "--ids", "2", "-o", "-"], "--output - would be standard output"),
            (["logits", TINY, "--image", "x", "--soft-tokens", "-"], "--soft-tokens - would be standard output"),
            (["run", TINY, "-l", "abc", "-p", "x"], "ID=X"),
            (["run", TINY, "-l", "5=inf", "-p", "x"], "ID=X"),
            (["run", TINY, "-p", "a", "b"], "unexpected argument 'b'"),
            (["run", TINY, "-p", "a", "-f", "b"], "either -p or -f"),
            (["run", TINY, "--json=1", "-p", "x"], "takes no value"),
            (["run", TINY, "--logprobs", "2", "-p", "x"], "needs --json"),
            (["run", TINY, "--embed-scale", "half", "-p", "x"], "expected exact or bf16"),
            (["run", TINY, "--min-tokens", "6", "-n", "5", "-p", "x"], "--min-tokens is 6, but -n only 5"),
            (["run", TINY, "--min-tokens", "-1", "-p", "x"], "expected 0 to"),
            (["chat", TINY, "--min-tokens", "6", "-n", "5"], "--min-tokens is 6, but -n only 5"),
            (["logits", TINY, "--ids", "2"], "needs -o FILE"),
            (["logits", TINY, "-o", "x"], "needs -o FILE and one of"),
            (["synth", "4b"], "needs one size"),
        ]:
            with self.subTest(args=args):
                self.refused(*args, says=says, code=2)


if __name__ == "__main__":
    main()
