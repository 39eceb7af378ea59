"""carat chat behind a pseudo-terminal, for the tests that type. A test's arguments are CARAT DATA.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import select
import signal
import tempfile
import termios
import time
import unittest

from program import CARAT, SLOWER, TINY, on_terminal

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """The program behind a pseudo-terminal."""

    def __init__(self, state, *args, locale="C.UTF-8", job_control=False, model=TINY, term="xterm", cwd=None, command="chat",
                 columns=None, **more):
        env = dict(os.environ, TERM=term, XDG_STATE_HOME=state, HOME=state, LC_ALL=locale, **more)
        env = {k: v for k, v in env.items() if k != "NO_COLOR" or "NO_COLOR" in more}
        chat = [CARAT, command, model, "-t", "1", *args]
        if job_control:  # a stopped program needs a shell that waits for it
            chat = ["/bin/sh", "-mc", '"$@"; echo STOPPED; fg >/dev/null', "sh", *chat]
        self.pid, self.fd = on_terminal(chat, env, cwd, columns)
        self.seen = self.raw = b""
        self.status = None

    def read(self, seconds):
        """More of what it shows; False when nothing more will come."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:  # the other side is closed
            data = b""
        self.raw += data
        self.seen = ESCAPES.sub(b"", self.seen + data)  # a sequence may come in pieces
        return bool(data)

    def hears_keys(self):
        """Is the line editor there? It shows its prompt a little before, when Ctrl-D is still the terminal's."""
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def until(self, end, seconds=20):
        """What it has shown since the last call, up to where it ends with `end` and waits for keys."""
        deadline = time.monotonic() + seconds * SLOWER
        while not (self.seen.endswith(end) and self.hears_keys()) and time.monotonic() < deadline and self.read(0.02):
            pass
        seen, self.seen = self.seen, b""
        if not seen.endswith(end):
            raise AssertionError("%r did not come, but %r" % (end, seen[-2000:]))
        return seen.decode(errors="replace")

    def upto(self, text, seconds=20):
        """Waits for a text and drops what was shown until then."""
        deadline = time.monotonic() + seconds * SLOWER
        while text not in self.seen and time.monotonic() < deadline and self.read(0.1):
            pass
        before, found, self.seen = self.seen.partition(text)
        if not found:
            raise AssertionError("%r did not come, but %r" % (text, before[-2000:]))

    def answers(self):
        """Waits for the beginning of an answer."""
        while not re.sub(rb"\x1b[^A-Za-z]*$", b"", self.seen):
            if not self.read(1):
                raise AssertionError("no answer")

    def type(self, keys):
        os.write(self.fd, keys.encode() if isinstance(keys, str) else keys)

    def interrupt(self):
        """Ctrl-C at the prompt."""
        self.type("\x03")
        return self.until(b">>> ")

    def leave(self, keys="\x04", seconds=20):
        """Types the keys and returns the exit code."""
        self.type(keys)
        deadline = time.monotonic() + seconds * SLOWER
        while time.monotonic() < deadline and self.read(0.1):
            pass
        return self.end()

    def end(self):
        if self.status is None:
            for _ in range(200 * SLOWER):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    break
                time.sleep(0.05)
            else:
                os.kill(self.pid, signal.SIGKILL)
                _, status = os.waitpid(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)
            os.close(self.fd)
        return self.status


class Case(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.tmp = tmp.name

    def chat(self, *args, **kw):
        t = Terminal(self.tmp, *args, **kw)
        self.addCleanup(t.end)
        t.until(b">>> ")
        return t

    def note(self, path):
        """The messages of a saved session."""
        with open(path, "rb") as f:
            data = f.read()
        start = data.index(b'{"system"')
        note = json.JSONDecoder().raw_decode(data[start:].decode("latin-1"))[0]
        return [("".join(p.get("text", "") for p in t["content"])).encode("latin-1").decode() for t in note["turns"]]
