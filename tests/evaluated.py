"""What the tests of carat eval share: the little files that tasks are asked from, and a server that stands in for one.

SPDX-License-Identifier: Apache-2.0
"""
import http.server
import json
import sys
import threading


def json_lines(rows):
    """A file of JSON lines, as most tasks have."""
    return "".join(json.dumps(r) + "\n" for r in rows)


def document(rows, under="examples", **more):
    """A file of one JSON value: the rows, under a name beside others or alone (None)."""
    return json.dumps(rows if under is None else {under: list(rows), **more})


class Replier(http.server.BaseHTTPRequestHandler):
    def reply(self, status, body):
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # who asked is gone

    def log_message(self, *args):
        pass


class Listening(http.server.ThreadingHTTPServer):
    request_queue_size = 64  # all that are asked at once
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that was killed is no error
            super().handle_error(request, client_address)

    def close(self):
        self.shutdown()
        self.server_close()


def listen(handler, **fields):
    """A server on a free port with these fields, which its handler finds in self.server, and its URL."""
    s = Listening(("127.0.0.1", 0), handler)
    vars(s).update(fields)
    threading.Thread(target=s.serve_forever, args=(0.02,), daemon=True).start()
    return s, "http://127.0.0.1:%d/v1" % s.server_port
