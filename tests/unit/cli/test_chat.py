"""carat chat without a terminal: sessions, trimming, commands. Usage: test_chat.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import os
import resource
import subprocess
import tempfile

from program import CARAT, SIGHT, TINY, Case, carat, main


class Chat(Case):
    def test_what_is_no_text_does_not_spoil_a_session(self):
        with tempfile.TemporaryDirectory() as d:
            self.ok("chat", TINY, "-n", "2", "--session", d + "/s", "--system", b"gr\xfc\xdfe", stdin=b"caf\xe9\nhello\n")
            r = self.ok("chat", TINY, "-n", "2", "--session", d + "/s", stdin=b"hello\n")
            self.assertIn("resuming after 4 messages", r.stderr.decode())
            self.assertIn("6 messages", r.stderr.decode())

    def test_a_session_that_cannot_be_written_is_told_at_once(self):
        with tempfile.TemporaryDirectory() as d:
            for path in d + "/none/s", TINY + "/config.json/s":
                self.refused("chat", TINY, "--session", path, says="cannot be written")
            r = carat("chat", TINY, "-n", "2", "--session", d + "/s", stdin=b"hello\n",
                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)))
            self.assertEqual(r.returncode, 1, r.stderr)
            self.assertEqual(os.listdir(d), [])

    def test_a_pipe_learns_of_failures(self):
        r = carat("chat", TINY, "-n", "2", "-c", "24", stdin=b"a red star\n" + b"a red star " * 99 + b"\n")
        self.assertEqual(r.returncode, 1)
        self.assertIn("do not fit the context", r.stderr.decode())
        folder = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        r = subprocess.run([CARAT, "chat", TINY], stdin=folder, capture_output=True)
        self.assertEqual(r.returncode, 1)
        self.assertIn("cannot read the next message: Is a directory", r.stderr.decode())

    def test_a_message_of_several_lines(self):
        r = self.ok("chat", TINY, "-n", "2", stdin=b'"""a red\nstar"""\n"""' + b"x\n" * 99)
        self.assertEqual(r.stderr.decode().count("carat:"), 0, r.stderr)
        r = carat("chat", TINY, "-n", "2", stdin=b'"""' + (b"x" * (1 << 20) + b"\n") * 65)
        self.assertEqual(r.returncode, 1)
        self.assertIn("cannot read the next message: Message too long", r.stderr.decode())

    def test_a_base_model_says_so_and_continues(self):
        out = tempfile.TemporaryDirectory()
        self.addCleanup(out.cleanup)
        base = out.name + "/base.gguf"
        self.ok("synth", "270m", "--layers", "2", "--hidden", "64", "--ffn", "64", "--vocab", "700", "-o", base)
        r = self.ok("chat", base, "-n", "4", "--seed", "1", stdin=b"a red star\n/show\n/retry\n/undo\n/nonsense\n/bye\n")
        self.assertIn("base model", r.stderr.decode())
        self.assertIn("unknown command /nonsense", r.stdout.decode())
        self.assertIn("tokens in context", r.stdout.decode())

    def test_a_session_goes_on_later(self):
        with tempfile.TemporaryDirectory() as d:
            file, picture = d + "/s", SIGHT + "/test/000-0.png"
            first = self.ok("chat", SIGHT, "--temp", "0", "--session", file,
                            stdin=f"{picture} What is in this picture?\n".encode()).stdout
            self.assertEqual(first, b"a blue star\n")
            r = self.ok("chat", SIGHT, "--temp", "0", "--session", file, stdin=b"What color is it?\n")
            self.assertEqual(r.stdout, b"blue\n")
            self.assertIn("resuming after 2 messages", r.stderr.decode())
            with open(file, "rb") as f:
                whole = f.read()
            self.refused("chat", TINY, "--session", file, says="another model")
            for name, data in [("cut", whole[:-9]), ("flipped", whole[:777] + bytes([whole[777] ^ 4]) + whole[778:]),
                               ("none", b"")]:
                with open(f"{d}/{name}", "wb") as f:
                    f.write(data)
                self.refused("chat", SIGHT, "--session", f"{d}/{name}", says=name)

    def test_full_contexts_are_trimmed_only_when_asked(self):
        talk = b"What is in this picture?\n" * 12
        r = self.ok("chat", SIGHT, "--temp", "0", "-n", "12", "-c", "128", "--trim", "--system", "Be brief.", stdin=talk)
        self.assertIn("oldest messages left out", r.stderr.decode())
        r = carat("chat", SIGHT, "--temp", "0", "-n", "12", "-c", "128", stdin=talk)
        self.assertEqual(r.returncode, 1)
        self.assertNotIn("left out", r.stderr.decode())
        self.assertIn("do not fit the context of 128", r.stderr.decode())

    def test_many_lines_and_the_end_of_input(self):
        self.ok("chat", TINY, "-n", "2", stdin=b'"""one\ntwo"""\n')
        self.ok("chat", TINY, "-n", "2", stdin=b"")


if __name__ == "__main__":
    main()
