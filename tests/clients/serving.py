"""What the tests of clients share: servers, and what is asked. A test's arguments are CARAT DATA, as served.py has them; the real
models are named by CARAT_TEST_MODEL and CARAT_TEST_CHAT_MODEL.

serving.py CARAT DATA COMMAND... runs a test of another language: $CARAT_URL is a server with all models, $CARAT_NARROW_URL one with a
key, one place and a place to wait, $CARAT_PICTURE a file.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server"))
from served import SIGHT, TINY, Server  # noqa: E402

BASE, CHAT = os.environ["CARAT_TEST_MODEL"], os.environ["CARAT_TEST_CHAT_MODEL"]
KEY = "one-of-ours"

PICTURE = os.path.join(SIGHT, "test", "000-0.png")
PICTURE64 = base64.b64encode(open(PICTURE, "rb").read()).decode()

WATER = {"type": "object", "required": ["area", "amount"],
         "properties": {"area": {"type": "string"}, "amount": {"type": "integer", "description": "How many"}}}
IRRIGATE = {"name": "irrigate", "description": "Waters the plants", "parameters": WATER}
TOOL = {"type": "function", "function": IRRIGATE}
OTHER = {"type": "function", "function": {"name": "air_quality", "description": "Air quality of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
# The chat model calls for the first and answers the second in words, both with a clear margin.
WATERING = "Give the balcony plants 468 liters of water."
WATERED = {"area": "balcony", "amount": 468}
TALK = "Was ist die Hauptstadt von Deutschland?"

PERSON = {"type": "object", "additionalProperties": False, "required": ["name", "age", "kind"], "properties": {
    "name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
    "kind": {"enum": ["cat", "dog", "human"]}}}


def is_person(v):
    return v.keys() == {"name", "age", "kind"} and len(v["name"]) <= 20 and 0 <= v["age"] <= 150 and \
        v["kind"] in ("cat", "dog", "human") and isinstance(v["age"], int)


def all_models():
    return Server("chat=" + CHAT, "base=" + BASE, "sight=" + SIGHT, "text=" + TINY, "--parallel", "4", "--log", "none", model=None)


class Narrow:
    """A server that asks for a key, answers one request at a time and lets one wait."""

    def __init__(self):
        self.keys = tempfile.NamedTemporaryFile("w")
        self.keys.write(KEY + "\n")
        self.keys.flush()
        self.server = Server("text=" + TINY, "--parallel", "1", "--queue", "1", "--keys", self.keys.name, "--log", "none",
                             model=None)
        self.url = "http://127.0.0.1:%d" % self.server.port

    def get(self, path):
        return self.server.get(path, Authorization="Bearer " + KEY)

    def busy(self):
        return [s["is_processing"] for s in self.get("/slots").json()].count(True)

    def wait_until_idle(self, seconds=10):
        """Long before an answer of 8000 tokens would have ended of itself."""
        until = time.monotonic() + seconds
        while self.busy():
            if time.monotonic() > until:
                raise AssertionError("a client has left, and its place is not free")
            time.sleep(0.01)

    def fill(self):
        """Two requests without an end: one runs, one waits. A function that ends them."""
        body = json.dumps({"prompt": "a", "max_tokens": 8000, "ignore_eos": True}).encode()
        head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: %s\r\nContent-Length: %d\r\n\r\n" % (KEY, len(body))
        sockets = []
        for _ in range(2):
            sockets.append(self.server.raw(head.encode() + body))
            while not self.busy():
                time.sleep(0.01)
        time.sleep(0.3)  # the second one has come, too

        def end():
            for s in sockets:
                s.close()
            self.wait_until_idle()
        return end

    def stop(self):
        self.keys.close()
        return self.server.stop()


class Case(unittest.TestCase):
    """Cases that share two servers: one with all models, a narrow one."""

    @classmethod
    def setUpClass(cls):
        cls.server = all_models()
        cls.narrow = Narrow()
        cls.url = "http://127.0.0.1:%d" % cls.server.port

    @classmethod
    def tearDownClass(cls):
        for server in cls.server, cls.narrow:
            code = server.stop()
            assert code == 0, code

    def full(self, call):
        """What call() raises while the queue is full."""
        end = self.narrow.fill()
        try:
            call()
        except Exception as e:
            return e
        finally:
            end()
        raise AssertionError("the queue is full, and the call was answered")

    def pieces(self, parts):
        """More than one, or nothing was streamed."""
        self.assertGreater(len(parts), 1)
        return "".join(parts)


def main():
    unittest.main(argv=sys.argv[:1])


def run(command):
    server, narrow = all_models(), Narrow()
    env = dict(os.environ, CARAT_URL="http://127.0.0.1:%d" % server.port, CARAT_NARROW_URL=narrow.url, CARAT_KEY=KEY,
               CARAT_PICTURE=PICTURE)
    try:
        return subprocess.run(command, env=env).returncode
    finally:
        for s in server, narrow:
            code = s.stop()
            assert code == 0, code


if __name__ == "__main__":
    sys.exit(run(sys.argv[3:]))
