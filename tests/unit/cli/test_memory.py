"""Memory: what weigh says is where run starts to work. Usage: test_memory.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import resource
import subprocess
import unittest

from program import CARAT, DATA, SANITIZED, Folder, long, main


class Memory(Folder):
    def setUp(self):
        super().setUp()
        self.model = self.path("m.gguf")
        self.ok("synth", "270m", "--layers", "3", "--hidden", "256", "--ffn", "256", "--vocab", "2000", "--type", "f32", "-o",
                self.model)
        self.same = ["-c", "20000", "-t", "1", "--prefix-cache", "none"]
        self.total = json.loads(self.ok("weigh", self.model, *self.same, "--json").stdout)["point"]["total"]

    def test_b49_what_weigh_says_is_the_border(self):
        run = ["run", self.model, "-p", "x", "-n", "1", *self.same, "--max-memory"]
        self.ok(*run, str(self.total))
        self.refused(*run, str(self.total - 1), says=[f"needs {self.total} bytes, but only {self.total - 1} bytes are available"])
        self.refused(*run, "16M", says=["needs ", "16.0 MiB are available", "no context would fit"])
        r = self.ok("run", self.model, "-p", "x", "-n", "1", "-c", "20000", "-t", "1", "--prefix-cache", "64M", "--max-memory",
                    str(self.total + (5 << 20)))
        self.assertIn("the prefix cache is reduced from 64.", r.stderr.decode())
        for bad in ["0", "8", "-1G", "x", "1e99"]:
            self.refused(*run, bad, says=["--max-memory is", "a size like 8G"], code=2)
        self.refused("run", self.model, "-p", "x", "--prefix-cache", "some", says="--prefix-cache is 'some'", code=2)

    @unittest.skipIf(SANITIZED, "a sanitizer's shadow needs the address space")
    def test_b49_ulimits_refuse_and_let_through_exactly(self):
        """Below what is weighed every limit refuses with figures, above it every limit starts: 8 MiB are the program's
        own text, libraries and one thread's stack, which address space holds beside what is resident."""
        for which in [resource.RLIMIT_AS, resource.RLIMIT_DATA]:
            codes = []
            for limit in range(self.total - (12 << 20), self.total + (20 << 20), 4 << 20):
                r = subprocess.run([CARAT, "run", self.model, "-p", "x", "-n", "1", *self.same], capture_output=True,
                                   preexec_fn=lambda: resource.setrlimit(which, (limit, limit)))
                codes.append(r.returncode)
                if r.returncode:
                    self.assertIn("are available (ulimit", r.stderr.decode())
            self.assertEqual(codes, sorted(codes, reverse=True))  # 1, 1, ..., 0, 0: one border
            self.assertEqual((codes[0], codes[-1]), (1, 0))

    @long
    @unittest.skipIf(SANITIZED, "a sanitizer's shadow needs the address space")
    def test_f13_a_lossless_webp_is_refused_before_memory_ends(self):
        """libwebp does not survive every refusal of its own: below the border it is not asked."""
        image = DATA + "/images/in/lossless.webp"

        def see(limit):
            r = subprocess.run([CARAT, "see", image, "--size", "28", "-o", self.path("v")], capture_output=True,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
            return r.returncode, r.stderr.decode()

        low, high = 4 << 20, 512 << 20
        self.assertEqual(see(high)[0], 0)
        while high - low > 1 << 16:
            middle = (low + high) // 2
            low, high = (low, middle) if see(middle)[0] == 0 else (middle, high)
        for limit in range(high - (3 << 20), high + (1 << 20), 1 << 16):
            code, said = see(limit)
            self.assertIn(code, (0, 1), (limit, said))
            if code:
                self.assertIn("memory", said)

    def test_options_of_the_caches(self):
        r = json.loads(self.ok("weigh", self.model, *self.same, "--json").stdout)["point"]["bytes"]
        self.assertEqual(r["kv_kept"], 0)
        for args in [["--prefix-cache", "32M"], ["--image-cache", "3"]]:
            self.ok("run", self.model, "-p", "x", "-n", "1", *args)
        self.refused("run", self.model, "-p", "x", "--image-cache", "0", says="--image-cache is 0", code=2)

    def test_a_tower_that_cannot_be_read_is_told(self):
        self.path("mmproj.gguf", b"nothing of the kind")
        text = self.ok("weigh", self.model, "-c", "1000").stdout.decode()
        self.assertIn("text only: ", text)
        self.assertIn("mmproj.gguf", text)
        o = json.loads(self.ok("weigh", self.model, "-c", "1000", "--json").stdout)["point"]
        self.assertIn("mmproj.gguf", o["note"])
        self.assertEqual(o["bytes"]["vision"], 0)
        self.refused("weigh", self.model, "-c", "1000", "--mmproj", self.path("mmproj.gguf"), says="mmproj.gguf")
        self.path("mmproj-2.gguf", b"nor this")
        text = self.ok("weigh", self.model, "-c", "1000").stdout.decode()
        self.assertIn("none of the 2 vision files beside it fits: ", text)


if __name__ == "__main__":
    main()
