"""What the tests of the program share: running it, and asserting how it ends. A test's arguments are CARAT DATA.

SPDX-License-Identifier: Apache-2.0
"""
import array
import json
import os
import pty
import subprocess
import sys
import termios
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
import setting  # noqa: E402
from setting import SANITIZED, SLOWER, long, main  # noqa: E402, F401

CARAT, DATA = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
os.environ["CARAT_MODELS"] = "/nonexistent" # what the user has pulled is no part of the tests
TINY = DATA + "/models/tiny-text"
TINY_GGUF = TINY + "/gguf/tiny-text-f32.gguf"
SIGHT = DATA + "/models/tiny-sight"
IMAGES = DATA + "/images/in/"
ONE_THREAD = "run", "chat", "decide", "logits"


def command(*args):
    """The program's command line. Tests that do not say otherwise compute with one thread: beside others on a busy machine
    two of them spend most of their time in waiting for each other."""
    more = ["-t", "1"] if args and args[0] in ONE_THREAD and "-t" not in args else []
    return [CARAT, *args[:1], *more, *args[1:]]


def carat(*args, stdin=b"", timeout=60, **kw):
    """Runs the program; stdin None means an empty one."""
    return subprocess.run(command(*args), input=stdin, capture_output=True, timeout=timeout * SLOWER, **kw)


def on_terminal(argv, env, cwd=None, columns=None):
    """Starts a program behind a pseudo-terminal; its id and the terminal's other side. The child must never return from
    here: it would run the tests once more."""
    pid, fd = pty.fork()
    if pid == 0:
        try:
            if cwd:
                os.chdir(cwd)
            if columns:
                termios.tcsetwinsize(0, (24, columns))
            os.execve(argv[0], argv, env)
        finally:
            os._exit(127)
    return pid, fd


class Golden:
    """Arrays of a golden folder, without numpy."""

    def __init__(self, folder):
        with open(folder + "/manifest.json") as f:
            self.manifest = json.load(f)
        self.folder = folder

    def __getitem__(self, name):
        a = self.manifest["arrays"][name]
        code = {"float32": "f", "int32": "i", "uint8": "B"}[a["dtype"]]
        n = 1
        for d in a["shape"]:
            n *= d
        with open(os.path.join(self.folder, a["file"]), "rb") as f:
            f.seek(a["offset"])
            out = array.array(code)
            out.frombytes(f.read(n * out.itemsize))
        return list(out)


class Case(unittest.TestCase):
    def ok(self, *args, **kw):
        r = carat(*args, **kw)
        self.assertEqual(r.returncode, 0, r.stderr.decode(errors="replace"))
        return r

    def refused(self, *args, says, code=1, **kw):
        """Ends with this code and one clear line that says all of `says`."""
        r = carat(*args, **kw)
        text = r.stderr.decode(errors="replace")
        self.assertEqual(r.returncode, code, text)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, text)
        if code == 1:
            self.assertEqual(text.count("\n"), 1, text)
            self.assertTrue(text.startswith("carat: "), text)
        self.assertEqual(r.stdout, b"")
        return text


class Folder(Case, setting.Folder):
    """Cases with a folder of their own."""
