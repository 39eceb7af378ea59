"""Files that are no model, and engines that cannot be opened. Usage: test_models.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import os
import resource
import struct
import subprocess
import unittest

from program import CARAT, SANITIZED, TINY, TINY_GGUF, Folder, carat, main


class BadInput(Folder):
    def test_what_is_no_model(self):
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        header = lambda arch: (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 20) + b"general.architecture" +
                               struct.pack("<IQ", 8, len(arch)) + arch)
        with open(TINY_GGUF, "rb") as f:
            whole = f.read()
        for path, says in [
            (self.path("none.gguf"), "No such file"),
            (self.dir.name, "without config.json; a GGUF file is a model by itself: give the path of empty.gguf"),
            (fifo, "FIFO"),
            ("/dev/null", "device"),
            (self.path("empty.gguf", b""), "empty"),
            (self.path("short.gguf", b"GGUF"), "short.gguf"),
            (self.path("text.gguf", b"hello, I am text"), "GGUF"),
            (self.path("llama.gguf", header(b"llama")), "llama"),
            (self.path("gemma2.gguf", header(b"gemma2")), "gemma2"),
            (self.path("gemma3n.gguf", header(b"gemma3n")), "gemma3n"),
            (self.path("gemma4.gguf", header(b"gemma4")), "gemma4"),
            (self.path("half.gguf", whole[:len(whole) // 2]), "half.gguf"),
            (self.path("flip.gguf", whole[:16] + b"\xff" * 8 + whole[24:]), "flip.gguf"),
        ]:
            for args in [["run", path, "-p", "x"], ["info", path], ["logits", path, "--ids", "2", "-o", self.path("o")]]:
                with self.subTest(args=args):
                    self.refused(*args, says=says)

    def test_unknown_level_and_too_long_context(self):
        self.refused("run", TINY, "-p", "x", "--cpu", "sse9", says="sse9")
        r = carat("run", TINY, "-p", "x", env={**os.environ, "CARAT_CPU": "sse9"})
        self.assertEqual(r.returncode, 1)
        self.refused("run", TINY, "-p", "x", "-c", "5000", says=["5000", "4096"])
        self.refused("run", TINY, "-p", "x", "-f", "none", says="either -p or -f", code=2)
        self.refused("run", TINY, "-f", self.path("none"), says="No such file")

    @unittest.skipIf(SANITIZED, "a sanitizer's shadow needs the address space")
    def test_no_memory_is_a_message(self):
        out = self.path("m.gguf")
        self.ok("synth", "270m", "--layers", "3", "--hidden", "256", "--ffn", "256", "--vocab", "2000", "--type", "f32", "-o", out)
        messages = set()
        for limit in range(24 << 20, 420 << 20, 22 << 20):
            r = subprocess.run([CARAT, "run", out, "-p", "x", "-n", "1", "-c", "32768", "-t", "1"], capture_output=True,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
            self.assertIn(r.returncode, (0, 1, 127), (limit, r.stderr))  # 127: too little for the dynamic linker
            messages.add((r.returncode, r.stderr.decode().strip()[:40]))
        self.assertTrue(any(code == 1 for code, _ in messages), messages)


if __name__ == "__main__":
    main()
