"""What the tests of carat run --batch share: lines of questions, and what became of them. Their arguments are CARAT DATA.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from setting import SANITIZED, SLOWER, long, main  # noqa: E402, F401

CARAT, DATA = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
TINY, SIGHT = DATA + "/models/tiny-text", DATA + "/models/tiny-sight"
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


def line(i, url=TEXT, **body):
    return json.dumps({"custom_id": str(i), "method": "POST", "url": url, "body": body})


def chat(i, content="a red star", **body):
    return line(i, CHAT, messages=[{"role": "user", "content": content}], **body)


def text(i, prompt="a red star", **body):
    return line(i, TEXT, prompt=prompt, **body)


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
