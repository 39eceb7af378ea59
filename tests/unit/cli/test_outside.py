"""Closed and full outputs, sockets, names that are no text, signals. Usage: test_outside.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

from program import CARAT, DATA, IMAGES, TINY, TINY_GGUF, Case, carat, main


class Outside(Case):
    """What the system gives and takes: closed and full outputs, sockets, names that are no text."""

    def test_every_output_must_arrive(self):
        commands = [["info", TINY], ["info", TINY, "--json"], ["--version"], ["help"], ["run", "--help"], ["tokenize", TINY, "a"],
                    ["detokenize", TINY, "5"], ["weigh", "4b"], ["weigh", "4b", "--json"],
                    ["run", TINY, "a", "-n", "2"], ["run", TINY, "a", "-n", "2", "--json"]]
        for c in commands:
            with open("/dev/full", "wb") as full:
                r = subprocess.run([CARAT, *c], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                                   timeout=60)
            self.assertEqual(r.returncode, 1, c)
            self.assertRegex(r.stderr.decode(), "cannot write the (answer|output)(: No space left on device)?\n$")
        with open("/dev/full", "wb") as full:
            r = subprocess.run([CARAT, "chat", TINY, "-n", "2"], input=b"hello\nhello\n", stdout=full,
                               stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(r.returncode, 1)
        self.assertIn("No space left", r.stderr.decode())

    def test_a_reader_that_leaves_is_told_nothing(self):
        r, w = os.pipe()
        os.close(r)
        for c in [["info", TINY], ["run", TINY, "a", "-n", "2"], ["weigh", "4b"], ["weigh", "--devices"]]:
            p = subprocess.run([CARAT, *c], stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual((p.returncode, p.stderr), (1, b""), c)
        os.close(w)

    def test_closed_outputs_are_no_files(self):
        """The next file to be opened would get the number of stdout."""
        with tempfile.TemporaryDirectory() as d:
            for closed in ">&-", "2>&-", ">&- 2>&-", "<&-":
                r = subprocess.run(["/bin/sh", "-c", f'"$@" {closed}', "sh", CARAT, "chat", TINY, "-n", "2",
                                    "--session", d + "/s"], input=b"hello\n", capture_output=True, timeout=60)
                self.assertEqual(r.returncode, 1 if closed.startswith(">") else 0, closed)
                if os.path.exists(d + "/s"):
                    with open(d + "/s", "rb") as f:
                        self.assertEqual(f.read(8)[:5], b"CARAT", closed)
                    os.remove(d + "/s")

    def test_stdin_of_any_kind(self):
        a, b = socket.socketpair()
        b.sendall(b"hello")
        b.shutdown(socket.SHUT_WR)
        r = subprocess.run([CARAT, "tokenize", TINY], stdin=a, capture_output=True, timeout=60)
        self.assertEqual(r.stdout, self.ok("tokenize", TINY, "hello").stdout, r.stderr)
        a.close(), b.close()
        with tempfile.TemporaryFile() as f:  # from where it stands
            f.write(b"read already, hello")
            f.flush()
            os.lseek(f.fileno(), 14, os.SEEK_SET)
            r = subprocess.run([CARAT, "tokenize", TINY], stdin=f, capture_output=True, timeout=60)
        self.assertEqual(r.stdout, self.ok("tokenize", TINY, "hello").stdout)

    def test_names_that_are_no_text(self):
        with tempfile.TemporaryDirectory() as d:
            name = d.encode() + b"/m\xe9del"
            os.symlink(TINY, name)
            picture = d.encode() + b"/\xe9.png"
            os.symlink(IMAGES + "rgb8.png", picture)
            for c in [["info", name], ["run", name, "a", "-n", "2"], ["weigh", name], ["see", picture]]:
                self.assertIn("\ufffd", json.dumps(json.loads(self.ok(*c, "--json", cwd=d).stdout),
                                                   ensure_ascii=False), c)

    def test_a_models_name_is_no_command_to_the_terminal(self):
        with open(TINY_GGUF, "rb") as f:
            data = f.read()
        with tempfile.TemporaryDirectory() as d:
            with open(d + "/m.gguf", "wb") as f:
                f.write(data.replace(b"tiny-text", b"\x1b[31m\xc2\x9bX\xff", 1))
            self.assertIn("name             ?[31m?X?\n", self.ok("info", d + "/m.gguf").stdout.decode())
            self.assertNotIn(b"\x1b", self.ok("weigh", d + "/m.gguf").stdout)
            self.assertEqual(json.loads(self.ok("info", d + "/m.gguf", "--json").stdout)["name"], "\x1b[31m\x9bX\ufffd")

    def test_an_error_message_is_no_command_to_the_terminal(self):
        """C1 controls (U+009B is a terminal's CSI), marks of direction, line separators, bytes that are no UTF-8."""
        with open(TINY_GGUF, "rb") as f:
            data = f.read()
        name = "a\x9b2J\u202eb\u2066c\u200fd\u2028e".encode() + b"\x9b\x7f"
        self.assertEqual(data.count(b"blk.0.attn_norm.weight"), 1)
        with tempfile.TemporaryDirectory() as d:
            with open(d + "/m.gguf", "wb") as f:
                f.write(data.replace(b"blk.0.attn_norm.weight", name.ljust(22, b"x"), 1))
            shown = self.refused("info", d + "/m.gguf", says="") + self.refused(
                "info", os.fsencode(d) + b"/no\xc2\x9b\xe2\x80\xae.gguf", says="no??.gguf: No such file")
            for c in "\x9b\u202e\u2066\u200f\u2028\ufffd\x7f":
                self.assertNotIn(c, shown)
            self.ok("synth", "270m", "--layers", "1", "--hidden", "64", "--ffn", "64", "--vocab", "700", "-o", d + "/s")
            line = json.dumps({"custom_id": "x\x9b\u202e", "method": "POST", "url": "/v1/completions",
                               "body": {"prompt": "a", "max_tokens": 1}}).encode() + b"\n"
            r = carat("run", d + "/s", "--batch", "-", "-o", d + "/o", stdin=line + line)
            self.assertIn("custom_id 'x??' occurs a second time", r.stderr.decode())

    def test_an_interrupted_synth_leaves_nothing(self):
        for sig in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            with tempfile.TemporaryDirectory() as d:
                p = subprocess.Popen([CARAT, "synth", "1b", "--type", "bf16", "-o", d + "/m.gguf"],
                                     stderr=subprocess.PIPE)
                while not os.listdir(d) and p.poll() is None:
                    time.sleep(0.01)
                p.send_signal(sig)
                self.assertEqual(p.wait(timeout=60), 130)
                p.stderr.close()
                self.assertEqual(os.listdir(d), [])

    def test_arguments_that_would_be_left_out(self):
        for c in [["info", TINY, "x"], ["tokenize", TINY, "a", "b"], ["tokenize", TINY, "-p", "a", "b"],
                  ["tokenize", TINY, "-p", "a", "-f", "x"], ["tokenize", TINY, "--jsonl", "a"],
                  ["tokenize", TINY, "--json", "--pieces", "a"], ["detokenize", TINY, "1", "2"]]:
            self.refused(*c, says="carat " + c[0], code=2)
        self.refused("tokenize", TINY, "--jsonl", "-f", DATA, says="Is a directory")
        self.refused("detokenize", TINY, stdin=b"1 2\x003", says="at byte 3 is not an id")


if __name__ == "__main__":
    main()
