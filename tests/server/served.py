"""What the tests of the server share: a server on a port of its own, and requests to it. A test's arguments are CARAT DATA.

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from setting import SANITIZED, SLOWER, Folder, long, main  # noqa: E402, F401

CARAT, DATA = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
TINY = DATA + "/models/tiny-text"
SIGHT = DATA + "/models/tiny-sight"


class Reply:
    def __init__(self, r):
        self.status, self.headers, self.body = r.status, r.headers, r.read()

    def json(self):
        return json.loads(self.body)

    def events(self):
        """The JSON of a stream's events, [DONE] left out."""
        lines = [l[6:] for l in self.body.decode().split("\n") if l.startswith("data: ")]
        return [json.loads(l) for l in lines if l != "[DONE]"]


class Server:
    """carat serve, listening on a free port of this machine; `before` is what starts it: a program and its arguments."""

    def __init__(self, *args, model=TINY, wait=True, ready=True, env=None, cwd=None, before=()):
        self.log = tempfile.TemporaryFile()
        threads = [] if "-t" in args else ["-t", "1"]  # two wait for each other on a busy machine
        self.process = subprocess.Popen([*before, CARAT, "serve", *([model] if model else []), "--port", "0", *threads, *args],
                                        stderr=self.log, stdout=subprocess.DEVNULL, env=env, cwd=cwd)
        self.port = ready and self.wait_for(r"listening on https?://[^ :]+:(\d+)")
        if wait:
            self.wait_for("is loaded")

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def wait_for(self, pattern, seconds=60):
        until = time.monotonic() + seconds * SLOWER
        while time.monotonic() < until:
            found = re.search(pattern, self.said())
            if found:
                return int(found.group(1)) if found.groups() else True
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"'{pattern}' was not said:\n{self.said()}")

    def busy_seconds(self):
        """Of a processor, so far."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * SLOWER)

    def send(self, method, path, body=None, headers=None, timeout=60):
        c = self.connect(timeout)
        try:
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            c.request(method, path, body, headers or {})
            return Reply(c.getresponse())
        finally:
            c.close()

    def get(self, path, **headers):
        return self.send("GET", path, headers=headers)

    def post(self, path, body, **headers):
        return self.send("POST", path, body, headers)

    def raw(self, data=b"", timeout=60):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout * SLOWER)
        s.sendall(data)
        return s

    def stop(self, how=signal.SIGTERM, seconds=60):
        """Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(seconds * SLOWER)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.last = self.said()
            self.log.close()


class Case(unittest.TestCase):
    """Cases that share one server, started with `options`."""
    options, model = (), TINY

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options, model=cls.model)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        assert code == 0, (code, cls.server.last)

    def error(self, reply, status, says="", **fields):
        self.assertEqual(reply.status, status, reply.body)
        e = reply.json()["error"]
        self.assertIn(says, e["message"])
        for name, value in fields.items():
            self.assertEqual(e[name], value, e)
        return e


def at_once(n, work):
    """work(i) on n threads; their results in order."""
    out = [None] * n

    def one(i):
        out[i] = work(i)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return out
