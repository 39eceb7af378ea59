"""carat logits: the reference's numbers, and no file that is half written. Usage: test_logits.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import array
import os
import resource
import signal
import subprocess
import tempfile
import time

from program import CARAT, DATA, IMAGES, TINY, TINY_GGUF, Case, Golden, carat, main

VL = DATA + "/models/tiny-vl"


class Numbers(Case):
    def test_logits_equal_the_reference(self):
        g = Golden(TINY + "/golden")
        with tempfile.TemporaryDirectory() as d:
            for model in [TINY, TINY_GGUF]:
                for extra in [[], ["-t", "2", "--chunk", "7"]]:
                    ids, rows, want = g["prompt5.ids"], g["prompt5.rows"], g["prompt5.logits"]
                    out = d + "/logits"
                    self.ok("logits", model, "--ids", ",".join(map(str, ids)), "--exact", "--embed-scale", "exact", "-o",
                            out, *extra)
                    got = array.array("f")
                    with open(out, "rb") as f:
                        got.frombytes(f.read())
                    vocab = len(want) // len(rows)
                    self.assertEqual(len(got), len(ids) * vocab)
                    worst = max(abs(got[r * vocab + v] - want[i * vocab + v]) for i, r in enumerate(rows)
                                for v in range(vocab))
                    self.assertLess(worst, 5e-4)  # tests/golden/README.md

    def test_nothing_half_written(self):
        with tempfile.TemporaryDirectory() as d:
            self.refused("logits", TINY, "--ids", "2,99999", "-o", d + "/x", says="token id 99999")
            self.refused("logits", TINY, "--ids", "2,x", "-o", d + "/x", says="is not an id")
            self.refused("logits", TINY, "--ids", "2", "-o", d + "/no/x", says="No such file")
            self.assertEqual(os.listdir(d), [])

    def test_a_full_disk_is_named_and_leaves_nothing(self):
        """A file that ulimit -f lets grow no further stands for the disk; its signal does not end the program."""
        with tempfile.TemporaryDirectory() as d:
            limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            self.refused("logits", TINY, "--ids", "2," * 60, "-o", d + "/x", says=["cannot be written", "File too large"],
                         preexec_fn=limit)
            self.refused("logits", VL, "--image", IMAGES + "rgb8.png", "--soft-tokens", d + "/x", says="File too large",
                         preexec_fn=limit)
            self.refused("synth", "270m", "--layers", "1", "-o", d + "/x", says="File too large", preexec_fn=limit)
            r = carat("chat", TINY, "-n", "2", "--session", d + "/x", stdin=b"hello\n", preexec_fn=limit)
            self.assertEqual(r.returncode, 1)
            self.assertIn("File too large", r.stderr.decode())
            self.assertEqual(os.listdir(d), [])

    def test_ended_from_outside_it_leaves_nothing(self):
        ids = "2," + ",".join(str(20 + i % 400) for i in range(4000))
        for sig in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            with tempfile.TemporaryDirectory() as d:
                p = subprocess.Popen([CARAT, "logits", TINY, "-t", "1", "-b", "8", "--ids", ids, "-o", d + "/x"],
                                     stderr=subprocess.PIPE)
                while not os.listdir(d) and p.poll() is None:
                    time.sleep(0.005)
                p.send_signal(sig)
                self.assertEqual(p.wait(timeout=60), 130)
                p.stderr.close()
                self.assertEqual(os.listdir(d), [])


if __name__ == "__main__":
    main()
