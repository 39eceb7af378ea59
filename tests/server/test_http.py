"""The server as HTTP: whole and broken requests, limits, clients that leave, who may call, the end.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

from served import CARAT, SANITIZED, SIGHT, SLOWER, TINY, Case, Server, at_once, long, main

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "seed": 1}


class Requests(Case):
    options = ("--max-body", "1M")

    def test_answers(self):
        r = self.server.post(CHAT, HELLO)
        self.assertEqual(r.status, 200)
        self.assertEqual(r.json()["usage"]["completion_tokens"], 4)
        self.assertTrue(r.headers["x-request-id"].startswith("req_"))
        self.assertTrue(r.headers["x-carat-numerics"].startswith("fp_"))

    def test_keeps_the_clients_request_id_if_it_is_harmless(self):
        self.assertEqual(self.server.get("/health", **{"X-Request-Id": "abc-1"}).headers["x-request-id"], "abc-1")
        self.assertNotEqual(self.server.get("/health", **{"X-Request-Id": "a b"}).headers["x-request-id"], "a b")

    def test_names_of_ignored_fields(self):
        r = self.server.post(CHAT, HELLO | {"mood": "good"})
        self.assertEqual((r.status, r.headers["x-carat-ignored"]), (200, "mood"))
        self.error(self.server.post(CHAT, HELLO | {"mood": "good"}, **{"X-Strict": "1"}), 400, "mood", param="mood")

    def test_unknown_paths_and_methods(self):
        self.error(self.server.get("/v2"), 404, "/v2", type="not_found_error")
        r = self.server.get(CHAT)
        self.error(r, 405, "takes POST")
        self.assertEqual(r.headers["Allow"], "POST")
        self.assertEqual(self.server.send("HEAD", "/health").status, 200)

    def test_unknown_models(self):
        self.error(self.server.post(CHAT, HELLO | {"model": "gpt-4o"}), 404, "gpt-4o", code="model_not_found")
        self.error(self.server.get("/v1/models/gpt%2F4o"), 404, "gpt/4o")

    def test_names_that_are_cut_or_no_texts(self):
        for method, path in ("POST", "/api/show"), ("POST", "/models/unload"), ("POST", "/models/load"), ("DELETE", "/api/delete"), \
                ("POST", "/api/pull"), ("POST", CHAT), ("POST", "/carat/weigh"):
            for name in "tiny-text\0x", 7, ["tiny-text"]:
                for key in ("model", "name") if path.startswith("/api") else ("model",):
                    r = self.server.send(method, path, HELLO | {key: name})
                    self.assertEqual((r.status, b"expected a" in r.body or b"NUL" in r.body), (400, True), (path, name, r.body))
        self.assertEqual(self.server.post(CHAT, HELLO | {"model": "tiny-text"}).status, 200)
        r = self.server.post(CHAT, HELLO | {"name": "mine"})  # a model's name in Ollama's requests alone
        self.assertEqual((r.status, r.headers["x-carat-ignored"]), (200, "name"))

    def test_bodies_that_are_no_json(self):
        for body in b"{", b"\xff", b'"a', b"[" * 5000, b'{"a":1,"a":2}':
            self.assertEqual(self.server.post(CHAT, body).status, 400, body)

    def test_bodies_that_are_no_request(self):
        for body in b"[]", b"1", b"null", b'"text"', b"{}", b'{"messages": 1}', b'{"model": 7, "messages": []}':
            self.assertEqual(self.server.post(CHAT, body).status, 400, body)
        for path in CHAT, "/api/chat", "/api/generate", "/api/embed", "/carat/weigh", "/tokenize":
            r = self.server.post(path, b"")
            self.assertEqual((r.status, b"no body" in r.body), (400, True), path)

    def test_a_body_that_says_it_is_too_long(self):
        s = self.server.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n")
        self.assertIn(b" 413 ", s.recv(4096))
        s.close()

    def test_a_body_that_does_not_say_it_is_too_long(self):
        s = self.server.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            s.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        s.sendall(b"0\r\n\r\n")
        self.assertIn(b" 413 ", s.recv(4096))
        s.close()

    def test_what_is_refused_unread_is_told_in_the_clients_words_and_logged(self):
        """Every reply has an id, which the log has too."""
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: %s\r\n%s\r\n"
        for path, words in (b"/v1/completions", {"error": {"message"}}), (b"/api/chat", {"error"}), (b"/v1/messages", {"type", "error"}):
            for how, status in (b"Content-Length: 9000000\r\n", 413), (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400):
                own = b"refused-%d-%s" % (status, path.replace(b"/", b"-"))
                s = self.server.raw(head % (path, own, how))
                text, _, body = s.recv(4096).partition(b"\r\n\r\n")
                s.close()
                self.assertTrue(text.startswith(b"HTTP/1.1 %d " % status), text)
                self.assertIn(b"\r\nx-request-id: " + own, text)
                self.assertLessEqual(set(words), set(json.loads(body)), body)
                self.server.wait_for(f"{own.decode()}  POST {path.decode()}  {status} ")
        self.assertRegex(self.server.get("/metrics").body.decode(), r'(?m)status="413".* [1-9]')

    def test_what_makes_models_is_said_not_to_be_offered(self):
        for path in "/api/create", "/api/copy", "/api/push", "/api/blobs/sha256:00":
            r = self.server.post(path, {"model": "a"})
            self.assertEqual(r.status, 404)
            self.assertIn("is not offered", r.json()["error"])

    def test_headers_that_are_too_long(self):
        s = self.server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100000 + b"\r\n\r\n")
        self.assertIn(b" 431 ", s.recv(4096))
        s.close()

    def test_garbage(self):
        for data in b"\0" * 1000, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET / HTTP/9.9\r\n\r\n":
            s = self.server.raw(data)
            s.close()
        self.assertEqual(self.server.get("/health").status, 200)

    def test_connections_are_kept(self):
        c = self.server.connect()
        for _ in range(3):
            c.request("GET", "/health")
            self.assertEqual(c.getresponse().read(), b'{"status":"ok"}')
        c.close()

    def test_pipelined_requests_are_answered_in_order(self):
        one = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a%d\r\n\r\n"
        s = self.server.raw(one % 1 + one % 2 + one % 3)
        data = b""
        while data.count(b"\r\n\r\n{") < 3:
            data += s.recv(4096) or self.fail(data)
        self.assertLess(data.index(b": a1"), data.index(b": a2"))
        self.assertLess(data.index(b": a2"), data.index(b": a3"))
        s.close()

    def test_answers_do_not_depend_on_company(self):
        body = [HELLO | {"seed": i, "max_tokens": 30, "temperature": 1.5} for i in range(12)]
        alone = [self.server.post(CHAT, b).json()["choices"] for b in body]
        together = at_once(12, lambda i: self.server.post(CHAT, body[i]).json()["choices"])
        self.assertEqual(alone, together)

    def test_without_a_seed_answers_differ(self):
        body = {"prompt": "a", "max_tokens": 30, "temperature": 1.5}
        self.assertGreater(len({self.server.post("/v1/completions", body).json()["choices"][0]["text"]
                                for _ in range(4)}), 1)

    def test_a_client_that_leaves_frees_its_place(self):
        long = b'{"prompt": "a", "max_tokens": 8000, "ignore_eos": true}'
        head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(long)
        sockets = [self.server.raw(head + long) for _ in range(40)]
        time.sleep(0.2)  # some run, some wait
        for s in sockets:
            s.close()
        start = time.monotonic()
        self.assertEqual(self.server.post(CHAT, HELLO).status, 200)
        self.assertLess(time.monotonic() - start, 5 * SLOWER)


class Memory(unittest.TestCase):
    def test_a_body_of_too_many_values(self):
        server = Server()
        r = server.post(CHAT, b'{"a":[' + b"0," * (2 << 20) + b"0,0]}")
        self.assertEqual(r.status, 413, r.body)
        self.assertIn("2097152 values", r.json()["error"]["message"])
        self.assertEqual(server.stop(), 0)

    def test_too_many_long_bodies_at_once(self):
        server = Server("--max-body", "1M")
        head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
        held = [server.raw(head + b" " * 999999) for _ in range(8)]  # a byte is missing of each
        time.sleep(0.3)
        s = server.raw(head + b" " * 1000000)
        self.assertIn(b" 503 ", s.recv(4096))
        for one in [s, *held]:
            one.close()
        time.sleep(0.3)
        self.assertEqual(server.post(CHAT, HELLO).status, 200)
        self.assertEqual(server.stop(), 0)


class Hostile(unittest.TestCase):
    """Requests that cost their sender nothing must not cost the others anything."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(model=SIGHT)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    @long
    def test_b40_a_picture_of_a_few_bytes_and_many_pixels(self):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        rows = zlib.compress(b"\0" * (20000 * 2501), 9)
        png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 1, 0, 0, 0, 0)) + chunk(b"IDAT", rows) + \
            chunk(b"IEND", b"")
        url = "data:image/png;base64," + base64.b64encode(png).decode()
        before = self.server.busy_seconds()
        r = self.server.post(CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]})
        self.assertEqual(r.status, 400)
        self.assertIn("20000 x 20000 pixels", r.json()["error"]["message"])
        self.assertLess(self.server.busy_seconds() - before, 2 * SLOWER)

    @long
    def test_b02_a_text_that_no_context_holds_is_refused_before_it_is_tokenised(self):
        before = self.server.busy_seconds()
        for text in "a" * 20000000, "hello " * 3000000:
            r = self.server.post(CHAT, {"messages": [{"role": "user", "content": text}]})
            self.assertEqual((r.status, r.json()["error"]["code"]), (400, "context_length_exceeded"))
            self.assertRegex(r.json()["error"]["message"], r"at least \d+ tokens, but the context holds \d+")
            r = self.server.post("/v1/completions", {"prompt": text})
            self.assertEqual(r.json()["error"]["code"], "context_length_exceeded")
        self.assertLess(self.server.busy_seconds() - before, 2 * SLOWER)  # a fifth of a second; tokenising takes three

    def test_requests_that_a_proxy_might_read_otherwise(self):
        post = b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\n"
        behind = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for headers in [b"Content-Length: 2\r\nContent-Length: 40\r\n", b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", b"Transfer-Encoding : chunked\r\nContent-Length: 2\r\n",
                        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"Transfer-Encoding: xchunked\r\n",
                        b"Transfer-Encoding: gzip, chunked\r\n", b"Host: evil.example\r\n",
                        b"HTTP/1.0"]:  # which has no encodings
            first = post + headers + b"\r\n{}"
            if headers == b"HTTP/1.0":
                first = post.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            s = self.server.raw(first + behind, timeout=5)
            data = b""
            try:
                while piece := s.recv(4096):
                    data += piece
            except ConnectionError:
                pass
            s.close()
            self.assertTrue(data.startswith(b"HTTP/1.1 400 "), (headers, data))
            self.assertEqual(data.count(b"HTTP/1.1"), 1, (headers, data))

    def test_encoded_bodies(self):
        self.assertEqual(self.server.send("POST", CHAT, b"\x1f\x8b", {"Content-Encoding": "gzip"}).status, 415)


class Access(unittest.TestCase):
    def test_keys(self):
        with tempfile.NamedTemporaryFile("w+") as keys:
            keys.write("# ours\n  one \n\ntwo\n")
            keys.flush()
            server = Server("--keys", keys.name)
            models = "/v1/models"
            for headers in {"Authorization": "Bearer one"}, {"authorization": "bearer two"}, {"x-api-key": "two"}:
                self.assertEqual(server.get(models, **headers).status, 200, headers)
            for headers in {}, {"Authorization": "Bearer on"}, {"Authorization": "one"}, {"x-api-key": "# ours"}, \
                    {"x-api-key": ""}, {"Authorization": "Basic b25l"}:
                r = server.get(models, **headers)
                self.assertEqual((r.status, r.json()["error"]["type"]), (401, "authentication_error"), headers)
            self.assertEqual(server.get("/health").status, 200)
            keys.seek(0)
            keys.truncate()
            keys.write("three\n")
            keys.flush()
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("keys were read again")
            self.assertEqual(server.get(models, **{"x-api-key": "one"}).status, 401)
            self.assertEqual(server.get(models, **{"x-api-key": "three"}).status, 200)
            keys.seek(0)
            keys.truncate()
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("the old ones count")
            self.assertEqual(server.get(models, **{"x-api-key": "three"}).status, 200)
            self.assertEqual(server.stop(), 0)

    def test_files_of_keys(self):
        """A byte order mark is no part of a key; keys that would not count are refused; nobody waits for a pipe."""
        models = "/v1/models"
        with tempfile.TemporaryDirectory() as d:
            path = d + "/keys"
            with open(path, "wb") as f:
                f.write(b"\xef\xbb\xbfone\r\ntwo")
            server = Server("--keys", path)
            for key in "one", "two":
                self.assertEqual(server.get(models, **{"x-api-key": key}).status, 200)
            with open(path, "w") as f:
                f.writelines(f"key{i}\n" for i in range(1025))
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("1025 keys, expected at most 1024")
            os.unlink(path)
            os.mkfifo(path)
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("not a file, which alone is read again")
            self.assertEqual(server.get(models, **{"x-api-key": "one"}).status, 200)
            self.assertEqual(server.stop(), 0)

    def test_hosts_and_origins(self):
        server = Server("--host-name", "box.example", "--origin", "https://app.example")
        for host in "localhost", "127.0.0.1:1", "[::1]:8080", "box.example:80", "192.168.1.7", "a.localhost":
            self.assertEqual(server.get("/health", Host=host).status, 200, host)
        for host in "evil.example", "localhost.evil.example", "[::1", "box.example.", ":80", "localhost:80:evil", "localhost/evil", \
                "[::1].evil.example", "localhost:x":
            self.assertEqual(server.get("/health", Host=host).status, 403, host)
        for origin in "http://localhost:3000", "https://app.example", "http://127.0.0.1", "http://127.0.0.1:%d" % server.port:
            r = server.get("/health", Origin=origin)
            self.assertEqual((r.status, r.headers["Access-Control-Allow-Origin"]), (200, origin))
            self.assertIsNone(r.headers["Access-Control-Allow-Credentials"])
        for origin in "http://evil.example", "null", "https://app.example.evil", "http://app.example", "http://localhost.evil", "http://127.0.0.1:80@evil.example":
            r = server.get("/health", Origin=origin)
            self.assertEqual((r.status, r.headers["Access-Control-Allow-Origin"]), (403, None), origin)
        r = server.send("OPTIONS", CHAT, headers={"Origin": "https://app.example", "Access-Control-Request-Headers": "x-a"})
        self.assertEqual((r.status, r.headers["Access-Control-Allow-Headers"]), (204, "x-a"))
        self.assertEqual(server.stop(), 0)

    def test_unix_socket_and_several_addresses(self):
        with tempfile.TemporaryDirectory() as d:
            server = Server("--listen", "127.0.0.1", "--listen", "unix:" + d + "/s")
            s = socket.socket(socket.AF_UNIX)
            s.connect(d + "/s")
            s.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            self.assertIn(b"200 OK", s.recv(4096))
            s.close()
            other = Server("--listen", "unix:" + d + "/s", wait=False, ready=False)
            self.assertEqual(other.process.wait(20), 1)  # it is not taken from one that lives
            self.assertIn("Address already in use", other.said())
            other.log.close()
            self.assertNotEqual(server.stop(signal.SIGKILL), 0)
            server = Server("--listen", "127.0.0.1", "--listen", "unix:" + d + "/s")
            self.assertEqual(server.stop(), 0)

    def activated(self, fd):
        """carat serve with a descriptor as systemd gives it."""
        start = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); "
                 "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execv(sys.argv[2], sys.argv[2:])")
        return subprocess.Popen([sys.executable, "-c", start, str(fd), CARAT, "serve", TINY, "-t", "1"], pass_fds=[fd],
                                stderr=subprocess.PIPE)

    def test_sockets_of_systemd(self):
        """They block, and must not here; what is no such socket is refused."""
        with socket.create_server(("127.0.0.1", 0)) as s:
            process = self.activated(s.fileno())
            for _ in range(3):
                c = http.client.HTTPConnection(*s.getsockname(), timeout=10)
                c.request("GET", "/v1/models")
                self.assertEqual(c.getresponse().status, 200)
                c.close()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(20), 0)
            self.assertIn(b"listening on 1 socket of systemd", process.stderr.read())
            process.stderr.close()
        with open("/dev/null") as null:
            process = self.activated(null.fileno())
            self.assertEqual(process.wait(20), 1)
            self.assertIn(b"descriptor 3 (LISTEN_FDS) is no socket that listens", process.stderr.read())
            process.stderr.close()

    def test_ports_that_are_none(self):
        for address in "127.0.0.1:65536", "127.0.0.1:99999999999", "127.0.0.1:", "127.0.0.1:8a", "[::1]:70000":
            server = Server("--listen", address, wait=False, ready=False)
            self.assertEqual(server.process.wait(20), 1, address)
            self.assertIn("is no address", server.said())
            server.log.close()


class End(unittest.TestCase):
    @long
    def test_running_answers_finish_and_new_ones_are_refused(self):
        server = Server()
        # Long enough that the requests below find it running, and done before the grace ends.
        n = 300 if SANITIZED else 3000
        body = b'{"prompt": "a", "max_tokens": %d, "ignore_eos": true}' % n
        s = server.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        while b'"ready"' not in server.get("/ready").body:
            time.sleep(0.01)
        time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping")
        r = server.get("/ready")
        self.assertEqual((r.status, r.json()["status"]), (503, "draining"))
        self.assertEqual(server.get("/health").status, 200)
        r = server.post(CHAT, HELLO)
        self.assertEqual((r.status, r.headers["Retry-After"]), (503, "5"))
        data = b""
        while chunk := s.recv(65536):
            data += chunk
        self.assertIn(b"200 OK", data)
        self.assertIn(b'"completion_tokens":%d' % n, data)
        self.assertEqual(server.stop(), 0)

    @long
    def test_the_grace_ends(self):
        server = Server("--grace", "0.2")
        body = b'{"prompt": "a", "max_tokens": 8000, "ignore_eos": true}'
        s = server.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        time.sleep(0.2)
        start = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - start, 5 * SLOWER)
        s.close()

    def test_a_model_that_cannot_be_loaded(self):
        server = Server(model="/nowhere.gguf", wait=False, ready=False)
        self.assertEqual(server.process.wait(20), 1)
        self.assertIn("/nowhere.gguf", server.said())
        server.log.close()

    def test_an_address_that_is_taken(self):
        server = Server()
        other = os.popen(f"'{server.process.args[0]}' serve '{server.process.args[2]}' --port {server.port} 2>&1")
        self.assertIn("cannot listen on 127.0.0.1", other.read())
        other.close()
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    main()
