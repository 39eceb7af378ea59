"""A hub that speaks Hugging Face's protocol, with faults by switch: `hub = Hub(); hub.add("o/r", {"x.gguf": b"..."})`.

It is two servers on two ports of this machine: the hub, which knows repositories, and the storage, to which it redirects
for files in LFS. Both write down what they were asked.

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import http.server
import json
import os
import re
import ssl
import threading
import time
import urllib.parse

CERTIFICATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stand_in.pem")  # for 127.0.0.1, and its key
COMMIT = "f9c28bcd85737ffc5aef028638d3341d49869c27"


class Faults:
    """What goes wrong. Lists are used up: an entry for each request that it concerns, in order."""

    def __init__(self):
        self.ranges = True  # the storage answers parts
        self.cut = []  # bytes after which the connection is closed
        self.api = []  # (status, {header: value}) instead of the description
        self.file = []  # the same instead of a file, before the redirect
        self.api_text = None  # instead of the description
        self.api_change = None  # a function that changes the description
        self.wrong_bytes = False  # the storage's bytes are not those of the hash
        self.size_by = 0  # so many bytes more in the description than there are
        self.longer = 0  # bytes that are sent beyond, without a length
        self.no_length = False
        self.endless = False  # the description never ends
        self.pause = 0.0  # seconds between two pieces of a file
        self.stall = []  # bytes after which nothing more comes
        self.redirect = None  # a function of the usual target's URL
        self.no_hash = False  # neither the description nor the headers state one
        self.no_blobs = False  # the description states no sizes and hashes, the headers do
        self.etag = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):  # whoever hangs up is part of the tests
        pass


class Hub:
    def __init__(self):
        self.repos, self.gated, self.faults, self.tokens = {}, set(), Faults(), set()
        self.scheme = "http"
        self.seen, self.stored = [], []  # (path, headers) of the hub's and the storage's requests
        self.hub, self.storage = self.server(HubHandler), self.server(StorageHandler)

    def server(self, handler):
        s = Server(("127.0.0.1", 0), handler)
        s.stand_in = self
        threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return s

    def secure(self):
        """From now on over TLS, with a certificate of its own (CERTIFICATE)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        for s in self.hub, self.storage:
            s.socket = context.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)
        self.scheme = "https"

    def close(self):
        for s in self.hub, self.storage:
            s.shutdown()
            s.server_close()

    def url(self, server=None):
        return "%s://127.0.0.1:%d" % (self.scheme, (server or self.hub).server_address[1])

    def add(self, repo, files, gated=False, **more):
        """files: {name: bytes}; what ends in .gguf or .safetensors is in LFS."""
        self.repos[repo] = dict(files=files, more=more)
        if gated:
            self.gated.add(repo)

    def description(self, repo):
        siblings = []
        for name, data in self.repos[repo]["files"].items():
            s = {"rfilename": name, "size": len(data) + (self.faults.size_by if in_lfs(name) else 0), "blobId": git_hash(data)}
            if in_lfs(name):
                s["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": s["size"], "pointerSize": 134}
            if self.faults.no_hash or self.faults.no_blobs:
                s = {"rfilename": name}
            siblings.append(s)
        o = {"id": repo, "modelId": repo, "sha": COMMIT, "gated": "manual" if repo in self.gated else False,
             "private": False, "siblings": siblings, **self.repos[repo]["more"]}
        return self.faults.api_change(o) or o if self.faults.api_change else o


def in_lfs(name):
    return name.endswith((".gguf", ".safetensors"))


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    @property
    def here(self):
        return self.server.stand_in

    def say(self, status, data=b"", headers=()):
        self.send_response(status)
        for k, v in dict(headers).items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def piece(self, data):
        """Some of a body, or the end of the connection."""
        faults = self.here.faults
        cut = faults.cut.pop(0) if faults.cut else None
        stall = faults.stall.pop(0) if faults.stall else None
        step = 65536
        for at in range(0, len(data), step):
            part = data[at:at + step]
            for end, is_cut in ((cut, True), (stall, False)):
                if end is not None and at + len(part) > end:
                    self.wfile.write(part[:end - at])
                    self.wfile.flush()
                    if not is_cut:
                        time.sleep(5)
                    self.close_connection = True
                    return
            self.wfile.write(part)
            if faults.pause:
                self.wfile.flush()
                time.sleep(faults.pause)

    def send_file(self, data, etag, headers=()):
        """All of it, or the part that is asked for."""
        faults, at, status = self.here.faults, 0, 200
        m = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if m and faults.ranges and (condition is None or condition == etag):
            at, status = int(m[1]), 206
            if at >= len(data):
                self.say(416, headers={"Content-Range": "bytes */%d" % len(data)})
                return
        if faults.wrong_bytes:
            data = data[:-1] + bytes([data[-1] ^ 1])
        self.send_response(status)
        if faults.etag:
            self.send_header("ETag", etag)
        for k, v in dict(headers).items():
            self.send_header(k, v)
        if status == 206:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (at, len(data) - 1, len(data)))
        if faults.longer or faults.no_length:
            self.send_header("Connection", "close")
            self.close_connection = True
            data += b"x" * faults.longer
        else:
            self.send_header("Content-Length", str(len(data) - at))
        self.end_headers()
        self.piece(data[at:])


class HubHandler(Handler):
    def do_GET(self):
        self.here.seen.append((self.path, dict(self.headers)))
        try:
            self.answer(urllib.parse.unquote(self.path.split("?")[0]))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def known(self, repo):
        if repo in self.here.repos:
            return True
        if self.headers.get("Authorization"):
            self.say(404, b'{"error":"Repository not found"}', {"X-Error-Code": "RepoNotFound"})
        else:  # what it is, or whether it is, nobody without a token is told
            self.say(401, b'{"error":"Invalid username or password."}', {"X-Error-Code": "RepoNotFound"})
        return False

    def answer(self, path):
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if api:
            self.answer_api(*api.groups())
        elif file:
            self.answer_file(*file.groups())
        else:
            self.say(404)

    def answer_api(self, repo, revision):
        faults = self.here.faults
        if faults.api:
            status, headers = faults.api.pop(0)
            self.say(status, b"{}", headers)
        elif faults.endless:
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b'{"siblings":[' + b" " * (1 << 20))
        elif self.known(repo):
            if revision not in ("main", COMMIT):
                self.say(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                return
            text = faults.api_text if faults.api_text is not None else json.dumps(self.here.description(repo)).encode()
            self.say(200, text, {"Content-Type": "application/json"})

    def answer_file(self, repo, revision, name):
        faults, here = self.here.faults, self.here
        if faults.file:
            status, headers = faults.file.pop(0)
            self.say(status, b"{}", headers)
            return
        if not self.known(repo):
            return
        token = self.headers.get("Authorization", "")[len("Bearer "):]
        if repo in here.gated and token not in here.tokens:
            self.say(403 if token else 401, b"{}", {"X-Error-Code": "GatedRepo"})
            return
        files = here.repos[repo]["files"]
        if name not in files:
            self.say(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            return
        data = files[name]
        linked = {"X-Repo-Commit": COMMIT}
        if not in_lfs(name):
            self.send_file(data, '"%s"' % git_hash(data), linked)
            return
        if not faults.no_hash:
            linked.update({"X-Linked-Size": str(len(data)), "X-Linked-ETag": '"%s"' % hashlib.sha256(data).hexdigest()})
        target = here.url(here.storage) + "/%s/%s?signature=abc" % (repo, urllib.parse.quote(name))
        self.say(302, b"", {"Location": faults.redirect(target) if faults.redirect else target, **linked})


class StorageHandler(Handler):
    def do_GET(self):
        self.here.stored.append((self.path, dict(self.headers)))
        m = re.fullmatch(r"/([^/]+/[^/]+)/(.+)", urllib.parse.unquote(self.path.split("?")[0]))
        data = self.here.repos[m[1]]["files"][m[2]]
        try:
            self.send_file(data, '"%s"' % hashlib.md5(data).hexdigest())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
