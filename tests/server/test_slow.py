"""What takes seconds to show: slow senders, slow readers, a silent stream; and TLS.

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import warnings

from served import CARAT, SANITIZED, Server, main

HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "seed": 1}


def resident(server):
    with open(f"/proc/{server.process.pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS"))


class Slow(unittest.TestCase):
    def test_headers_a_byte_at_a_time(self):
        """200 of them do no harm, and none has more than ten seconds."""
        server = Server("--log", "none")
        sockets = [server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: ") for _ in range(200)]
        start = time.monotonic()
        while time.monotonic() < start + 13:
            for s in sockets:
                try:
                    s.send(b"a")
                except OSError:
                    pass
            begin = time.monotonic()
            self.assertEqual(server.post("/v1/chat/completions", HELLO).status, 200)
            self.assertLess(time.monotonic() - begin, 2)
            time.sleep(0.5)
        for s in sockets:
            s.setblocking(False)
            with self.assertRaises((ConnectionError, AssertionError)):
                assert s.recv(10) != b""
            s.close()
        self.assertEqual(server.stop(), 0)

    def test_a_reader_that_takes_nothing(self):
        """The others go on, and the server's memory does not grow with what is not read."""
        server = Server("--log", "none", "--parallel", "2")
        body = json.dumps({"prompt": "a", "max_tokens": 4000, "ignore_eos": True, "stream": True}).encode()
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", server.port))
        s.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.assertEqual(server.post("/v1/chat/completions", HELLO).status, 200)
        before = resident(server)
        for _ in range(5):
            self.assertEqual(server.post("/v1/chat/completions", HELLO).status, 200)
        time.sleep(2)
        if not SANITIZED:  # whose memory is not the program's
            self.assertLess(resident(server) - before, 8 << 20)
        s.close()
        self.assertEqual(server.stop(), 0)

    def test_a_stream_that_is_silent_is_kept_alive(self):
        """While others have the only place, a stream begins after five seconds all the same."""
        server = Server("--log", "none", "--parallel", "1")
        body = json.dumps({"prompt": "a", "max_tokens": 4000, "ignore_eos": True, "stream": True}).encode()
        request = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        before = [server.raw(request) for _ in range(20)]
        time.sleep(0.3)
        start = time.monotonic()
        s = server.raw(request)
        self.assertIn(b"200", s.recv(13))
        self.assertTrue(4 < time.monotonic() - start < 9)
        for one in [s, *before]:
            one.close()
        self.assertEqual(server.stop(), 0)


class Tls(unittest.TestCase):
    def test_https(self):
        with tempfile.TemporaryDirectory() as d:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", d + "/k", "-out", d + "/c"],
                           check=True, capture_output=True)
            server = Server("--tls-cert", d + "/c", "--tls-key", d + "/k")
            context = ssl.create_default_context(cafile=d + "/c")
            c = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=20)
            for stream in False, True:
                c.request("POST", "/v1/chat/completions", json.dumps(HELLO | {"stream": stream}))
                r = c.getresponse()
                self.assertEqual(r.status, 200)
                self.assertTrue(r.read())
            c.close()
            old = ssl.create_default_context(cafile=d + "/c")
            old.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python calls it deprecated
                old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            with self.assertRaises((ssl.SSLError, ConnectionError)), server.raw() as s:
                old.wrap_socket(s, server_hostname="localhost")
            s = server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")  # no TLS
            s.settimeout(15)
            self.assertNotIn(b"200", s.recv(100))
            s.close()
            self.assertEqual(server.stop(), 0)

    def test_a_key_that_does_not_fit(self):
        with tempfile.TemporaryDirectory() as d:
            for name in "ab":
                subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                                "/CN=x", "-keyout", d + "/k" + name, "-out", d + "/c" + name], check=True, capture_output=True)
            server = Server("--tls-cert", d + "/ca", "--tls-key", d + "/kb", wait=False, ready=False)
            self.assertEqual(server.process.wait(20), 1)
            self.assertIn("belong together", server.said())
            server.log.close()

class Waiting(unittest.TestCase):
    def test_an_evaluation_says_what_it_waits_for(self):
        """A server that takes questions and answers none."""
        with tempfile.TemporaryDirectory() as d, socket.create_server(("127.0.0.1", 0)) as s:
            data = os.path.join(d, "t.json")
            with open(data, "w") as f:
                json.dump({"examples": [{"input": "i", "target": "x"}, {"input": "j", "target": "x"}]}, f)
            url = "http://127.0.0.1:%d/v1" % s.getsockname()[1]
            r = subprocess.run([CARAT, "eval", "bigbench-text", "m", "--url", url, "--data", data, "--timeout", "12"], capture_output=True, timeout=60)
            self.assertEqual(r.returncode, 1)
            self.assertIn(b"waiting for %s: 2 requests under way, no answer for 10 s; each may take 12 s (--timeout)" % url.encode(), r.stderr)
            self.assertIn(b"no whole answer within 12 s", r.stderr)


if __name__ == "__main__":
    main()
