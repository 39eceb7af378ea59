"""What is made from the tables of options: man pages and completion. Usage: test_man.py CARAT PAGE ...

PAGE: the commands whose pages are installed.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from setting import long, main  # noqa: E402

CARAT, PAGES = os.path.abspath(sys.argv[1]), sys.argv[2:]


def ok(*args):
    return subprocess.run([CARAT, *args], capture_output=True, check=True, timeout=60).stdout.decode()


def commands():
    return re.findall(r"^  ([a-z]+) +\S", ok("help").split("commands:")[1].split("carat COMMAND")[0], re.M)


def options(command):
    """(letter or "", name) of each option in --help."""
    return re.findall(r"^ {2}(?:-(\w), |    )--([\w-]+)", ok(command, "--help"), re.M)


def render(page):
    return subprocess.run(["groff", "-man", "-Tascii", "-ww", "-b", "-rLL=10000n", "-P-cbou"], input=page.encode(),
                          capture_output=True, timeout=60)


class Pages(unittest.TestCase):
    def test_every_command_has_a_page_that_is_installed(self):
        self.assertEqual(PAGES, commands())
        top = ok("help", "--man")
        for c in commands():
            self.assertIn(f"\\fBcarat\\-{c}\\fR(1)", top)

    def test_every_option_is_in_its_page(self):
        for c in commands():
            page, found = ok("help", "--man", c), options(c)
            self.assertGreater(len(found), 1, c)
            for letter, name in found:
                head = (f"\\fB\\-{letter}\\fR, " if letter else "") + "\\fB\\-\\-\\fR\\fB" + name.replace("-", "\\-") + "\\fR"
                self.assertRegex(page, r"(?m)^\.TP\n" + re.escape(head) + r"( \\fI.*\\fR)?\n[^.\n]", (c, name))

    def test_aliases_are_said_where_they_count(self):
        self.assertIn("also \\fB\\-\\-\\fR\\fBchunk\\fR, \\fB\\-\\-\\fR\\fBbatch\\fR\n", ok("help", "--man", "weigh"))
        self.assertIn("also \\fB\\-\\-\\fR\\fBchunk\\fR\n", ok("help", "--man", "run"))  # --batch is another's name

    def test_texts_are_whole(self):
        """Every word of --help stands in the page: nothing was taken for a request of roff."""
        if not shutil.which("groff"):
            self.skipTest("no groff")
        for c in commands():
            r = render(ok("help", "--man", c))
            words = r.stdout.decode().split()
            for word in ok(c, "--help").split("\n\n", 1)[1].split():
                self.assertTrue(any(word.rstrip(":;") .lower() in w.lower() for w in words), (c, word))

    @long
    def test_groff_has_nothing_to_say(self):
        if not shutil.which("groff"):
            self.skipTest("no groff")
        for args in [[]] + [[c] for c in commands()]:
            r = render(ok("help", "--man", *args))
            self.assertEqual((r.returncode, r.stderr), (0, b""), args)
            for part in [b"NAME\n", b"SYNOPSIS\n", b"DESCRIPTION\n", b"EXIT STATUS\n"]:
                self.assertIn(part, r.stdout)

    def test_usage(self):
        for args in [["fly"], ["run", "chat"], ["--completion", "run"], ["--completion", "--man"]]:
            r = subprocess.run([CARAT, "help", *args], capture_output=True, timeout=60)
            self.assertEqual((r.returncode, r.stdout), (2, b""), args)


@unittest.skipUnless(shutil.which("bash"), "no bash")
class Completion(unittest.TestCase):
    def setUp(self):
        self.script = ok("help", "--completion")

    def complete(self, *words):
        """What bash would offer for the last word."""
        with tempfile.NamedTemporaryFile("w") as f:
            f.write(self.script)
            f.flush()
            run = 'set -u; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _carat; printf "%s\\n" "${COMPREPLY[@]-}"'
            r = subprocess.run(["bash", "--norc", "-c", run, "-", f.name, "carat", *words], capture_output=True, timeout=60)
        self.assertEqual(r.stderr, b"")
        return r.stdout.decode().split()

    def test_commands(self):
        self.assertEqual(self.complete(""), commands() + ["--help", "--version"])
        self.assertEqual(self.complete("we"), ["weigh"])
        self.assertEqual(self.complete("help", "b"), ["bench"])

    def test_options(self):
        for c in commands():
            self.assertEqual(self.complete(c, "--"), ["--" + name for _, name in options(c)] + ["--help"])
        self.assertEqual(self.complete("weigh", "--kv-"), ["--kv-heads"])

    def test_values(self):
        self.assertEqual(self.complete("run", "m.gguf", "--kv", ""), ["f16", "q8_0"])
        self.assertEqual(self.complete("chat", "m.gguf", "--cache-type", "q"), ["q8_0"])
        self.assertEqual(self.complete("chat", "m.gguf", "--prefix-cache", ""), ["none"])
        self.assertEqual(self.complete("run", "m.gguf", "--image", "x"), [])  # files, by bash itself


if __name__ == "__main__":
    main()
