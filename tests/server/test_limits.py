"""The server where the machine has no more to give: descriptors, and a reader of its log.

SPDX-License-Identifier: Apache-2.0
"""
import fcntl
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time
import unittest

from served import CARAT, TINY, Server, main

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "seed": 1}


class Descriptors(unittest.TestCase):
    """More clients than there can be descriptors: they wait, the others are answered, and nothing spins."""

    def crowd(self, server, n):
        clients = []
        for _ in range(n):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", server.port))
            clients.append(s)
        time.sleep(0.3)
        before = server.busy_seconds()
        time.sleep(1)
        self.assertLess(server.busy_seconds() - before, 0.3)
        clients[0].sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertTrue(select.select([clients[0]], [], [], 5)[0])
        for s in clients:
            s.close()
        self.assertEqual(server.post(CHAT, HELLO).status, 200)
        self.assertEqual(server.stop(), 0)

    def test_a_low_limit_means_fewer_connections(self):
        server = Server("--log", "text", before=["sh", "-c", 'ulimit -n 100 && exec "$@"', "sh"])
        server.wait_for("at most 50 connections at once")
        self.crowd(server, 150)

    def test_none_is_left(self):
        server = Server()
        there = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (there + 5, there + 5))
        self.crowd(server, 50)

    def test_the_usual_limit_is_raised(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        server = Server(before=["sh", "-c", 'ulimit -Sn 64 && exec "$@"', "sh"])
        self.assertEqual(resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0],
                         1152 if hard == resource.RLIM_INFINITY else min(hard, 1152))
        self.assertEqual(server.stop(), 0)


class Log(unittest.TestCase):
    def test_nobody_waits_for_one_who_does_not_read(self):
        for logs in "text", "json":
            r, w = os.pipe()
            fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 8192)
            process = subprocess.Popen([CARAT, "serve", TINY, "--port", "0", "-t", "1", "--log", logs], stderr=w)
            os.close(w)
            said = os.read(r, 4096)
            while b"is loaded" not in said:
                said += os.read(r, 4096) or self.fail(said)
            server = Server.__new__(Server)
            server.port = int(re.search(rb"127.0.0.1:(\d+)", said).group(1))
            for _ in range(200):
                self.assertEqual(server.send("GET", "/health", timeout=5).status, 200)
            said = os.read(r, 65536)
            self.assertEqual(server.send("GET", "/health", timeout=5).status, 200)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(10), 0)
            said += os.read(r, 65536)
            os.close(r)
            lost = int(re.search(rb"(\d+) lines of the log are lost", said).group(1))
            self.assertEqual(said.count(b"/health") + lost, 201)
            self.assertTrue(all(json.loads(line) for line in said.splitlines() if logs == "json"))

    def test_a_line_is_no_command_to_a_terminal(self):
        for logs in "text", "json":
            server = Server("--log", logs)
            for request in b"\x1b[2J /health HTTP/1.1", b"GET\xff /v1\x1b[2J HTTP/1.1", b"M" * 9999 + b" /health HTTP/1.1":
                s = server.raw(request + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                s.recv(4096)
                s.close()
            self.assertEqual(server.get("/health").status, 200)
            self.assertEqual(server.stop(), 0)
            self.assertNotRegex(server.last, "[\x00-\x09\x0b-\x1f\x7f\ufffd]")
            self.assertEqual(server.last.count("req_"), 4, server.last)
            self.assertLess(max(map(len, server.last.split("\n"))), 600)


if __name__ == "__main__":
    main()
