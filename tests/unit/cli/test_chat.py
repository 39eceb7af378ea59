"""carat chat without a terminal: sessions, trimming, commands. Usage: test_chat.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import tempfile

from program import CARAT, IMAGES, SIGHT, TINY, Case, carat, long, main


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

    @long
    def test_a_pipe_learns_of_failed_commands(self):
        """One line on stderr for each, nothing between the answers, and the exit code."""
        with tempfile.TemporaryDirectory() as d:
            for line, says in (("/image nope.png", "/image nope.png: no such file"), ("/image", "/image FILE"),
                               ("/save /none/s", "/none/s: "), ("/save", "/save FILE"), ("/set temp abc", "'abc' is not a number"),
                               ("/set temp 1000", "temperature is 1000"), ("/set top-k -1", "whole number"), ("/set x 1", "unknown setting"),
                               ("/nonsense", "unknown command /nonsense"), ("/retry", "no answer to retry"), ("/undo", "nothing to undo"),
                               (f"/image {IMAGES}no.png {IMAGES}rgb8.png", "no such file")):
                r = carat("chat", SIGHT, "--temp", "0", "-n", "4", "-q", cwd=d, stdin=line.encode() + b"\nWhat is it?\n")
                self.assertEqual(r.returncode, 1, line)
                said = r.stderr.decode()
                self.assertIn(says, said)
                self.assertTrue(said.startswith("carat: ") and said.count("\n") == 1, said)
                self.assertEqual(r.stdout.count(b"\n"), 1, r.stdout)

    def test_a_message_with_a_nul_is_not_answered_in_part(self):
        talk = ["chat", SIGHT, "--temp", "0", "-n", "2", "-q"]
        whole = self.ok(*talk, stdin=b"one\ntwo\n").stdout
        for text in b"hello\0world", b"\0", b'"""a\0b"""', b'"""a\nb\0"""', b"/clear\0", b'"""\nb"""\0':
            r = carat(*talk, stdin=b"one\n" + text + b"\ntwo\n")
            self.assertEqual(r.returncode, 1, text)
            self.assertEqual(r.stderr.decode(), "carat: the message has a NUL byte: it is not sent\n")
            self.assertEqual(r.stdout, whole)

    @long
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
        r = carat("chat", base, "-n", "4", "--seed", "1", stdin=b"a red star\n/show\n/retry\n/undo\n/nonsense\n/bye\n")
        self.assertEqual(r.returncode, 1)
        self.assertIn("base model", r.stderr.decode())
        self.assertIn("carat: unknown command /nonsense", r.stderr.decode())
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

    def test_c24_a_session_has_its_pictures(self):
        with tempfile.TemporaryDirectory() as d:
            file = d + "/s"
            os.mkdir(d + "/was")
            for name in "a.png", "b.png":
                shutil.copy(SIGHT + "/test/000-0.png", f"{d}/was/{name}")
            talk = f"/image {d}/was/a.png\nWhat is in this picture?\n{d}/was/b.png What is in this picture?\n"
            first, second = self.ok("chat", SIGHT, "--temp", "0", "--session", file, stdin=talk.encode()).stdout.splitlines()[1:]
            self.assertEqual(first, b"a blue star")
            shutil.copy(file, d + "/t")
            shutil.copy(SIGHT + "/test/001-1.png", d + "/was/b.png")  # another picture by that name
            os.remove(d + "/was/a.png")
            os.rename(d + "/was", d + "/moved")
            trace = []
            if shutil.which("strace"):
                trace = ["strace", "-f", "-e", "trace=open,openat,stat,newfstatat", "-o", d + "/trace"]
            r = subprocess.run([*trace, CARAT, "chat", SIGHT, "--temp", "0", "--session", file], capture_output=True,
                               input=b"What color is it?\n/undo\n/retry\n/undo\n/undo\n/retry\n",
                             env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # it does not work under strace
            self.assertEqual((r.returncode, r.stdout), (1, b"blue\n" + second + b"\n"), r.stderr)
            self.assertIn("carat: /retry: there is no answer to retry\n", r.stderr.decode())
            if trace:
                with open(d + "/trace") as f:
                    self.assertNotIn(d + "/was", f.read())  # what a file names is not opened
            r = self.ok("chat", SIGHT, "--temp", "0", "--session", d + "/t", stdin=b"/undo\n/retry\n")
            self.assertEqual(r.stdout, first + b"\n")
            r = self.ok("chat", SIGHT, "--temp", "0", "--session", d + "/t", stdin=b"What is it?\n")
            self.assertIn("4 messages", r.stderr.decode())

    def note(self, path):
        with open(path, "rb") as f:
            data = f.read()
        return json.JSONDecoder().raw_decode(data[data.index(b'{"system"'):].decode("latin-1"))[0]

    def test_what_is_saved_is_the_conversation_as_it_is(self):
        """Also where that is none any more."""
        with tempfile.TemporaryDirectory() as d:
            file = d + "/s"
            talk = ["chat", TINY, "-n", "2", "--session", file]
            self.ok(*talk, stdin=b"hello\nred star\n")
            size = os.path.getsize(file)
            self.ok(*talk, stdin=b"/undo\n")
            self.assertEqual(len(self.note(file)["turns"]), 2)
            self.ok(*talk, stdin=b"/clear\n")
            self.assertEqual(self.note(file)["turns"], [])
            self.assertLess(os.path.getsize(file), size)  # nothing of it is left in the file
            r = self.ok(*talk, stdin=b"/show\nhello\n/undo\n/show\n")
            self.assertIn("resuming after 0 messages, 0 tokens", r.stderr.decode())
            self.assertEqual(r.stdout.count(b"\n  0 of "), 2, r.stdout)
            self.assertEqual(self.note(file)["turns"], [])
            self.ok(*talk, stdin=b"hello\n/system Be brief.\n")
            self.assertEqual((self.note(file)["system"], self.note(file)["turns"]), ("Be brief.", []))
            r = self.ok(*talk, "--system", "Be rude.", stdin=b"hello\n")
            self.assertIn("--system is ignored", r.stderr.decode())
            self.assertEqual(self.note(file)["system"], "Be brief.")
            self.ok(*talk, stdin=b"/system\n")
            self.assertEqual(self.note(file)["system"], None)
            self.ok(*talk, "--system", "Be kind.", stdin=b"hello\n")  # it begins a conversation: the file has none
            self.assertEqual(self.note(file)["system"], "Be kind.")
            self.ok("chat", TINY, "-n", "2", "--session", d + "/t", stdin=b"hello\n/save\n/clear\n")
            self.assertEqual(self.note(d + "/t")["turns"], [])
            self.ok("chat", TINY, "-n", "2", "--session", d + "/none", stdin=b"")
            self.assertEqual(sorted(os.listdir(d)), ["s", "t"])

    def test_the_context_that_is_shown_is_the_conversations(self):
        r = self.ok("chat", TINY, "--temp", "0", "-n", "4",
                    stdin=b"hello\n/show\nred star\n/show\n/undo\n/show\n/retry\n/show\n/clear\n/show\n")
        first, second, undone, again, cleared = map(int, re.findall(rb"(\d+) of \d+ tokens", r.stdout))
        self.assertTrue(first <= undone < second, (first, undone, second))  # with the end of the answer's turn
        self.assertEqual((again, cleared), (first, 0))

    def test_the_prompt_is_what_was_sent(self):
        talk = ("chat", SIGHT, "-q", "--temp", "0", "-n", "2", "--system", "S")
        r = self.ok(*talk, "--show-prompt", stdin=b"hi\n/prompt\nred\n/prompt\n/undo\n/prompt\n")
        prompts = re.findall(r"\(the prompt: \d+ tokens\)\n.*?\(its end\)\n", r.stdout.decode(), re.S)
        sent = re.findall(r"\(the prompt: \d+ tokens\)\n.*?\(its end\)\n", r.stderr.decode(), re.S)
        self.assertEqual(prompts[:2], sent)
        self.assertEqual(prompts[2], sent[0])
        self.assertTrue(sent[1].endswith("<end_of_turn>\n<start_of_turn>user\nred<end_of_turn>\n<start_of_turn>model\n(its end)\n"))
        self.assertEqual(re.sub(r"\(the prompt.*?end\)\n", "", r.stdout.decode(), flags=re.S),
                         self.ok(*talk, stdin=b"hi\nred\n").stdout.decode() + "")
        r = carat(*talk, stdin=b"/prompt\n")
        self.assertEqual((r.returncode, r.stderr), (1, b"carat: /prompt: nothing has been asked yet\n"))

    def test_save_replaces_sessions_alone(self):
        with tempfile.TemporaryDirectory() as d:
            for name, data in ("notes", b"my notes"), ("short", b"CARAT"), ("empty", b""):
                with open(f"{d}/{name}", "wb") as f:
                    f.write(data)
            r = carat("chat", TINY, "-n", "2", "-q", cwd=d, stdin=b"hello\n/save notes\n/save short\n/save empty\n/save a\n/save a\n")
            self.assertEqual(r.returncode, 1)
            self.assertEqual(r.stderr.decode().count(": not a saved session; the file is left unchanged"), 2, r.stderr)
            with open(d + "/notes", "rb") as f:
                self.assertEqual(f.read(), b"my notes")
            self.assertEqual(sorted(os.listdir(d)), ["a", "empty", "notes", "short"])
            self.assertEqual(len(self.note(d + "/a")["turns"]), 2)
            self.assertEqual(len(self.note(d + "/empty")["turns"]), 2)

    def test_a_session_belongs_to_one_conversation(self):
        with tempfile.TemporaryDirectory() as d:
            self.ok("chat", TINY, "-n", "2", "--session", d + "/s", stdin=b"hello\n")
            os.symlink("s", d + "/link")
            first = subprocess.Popen([CARAT, "chat", TINY, "-n", "2", "--session", d + "/s"], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            first.stdin.write(b"hello\n")
            first.stdin.flush()
            first.stdout.readline()  # it is open by now
            for name in "/s", "/./s", "/link":
                self.refused("chat", TINY, "-q", "--session", d + name, says=d + name + ": cannot be locked: another carat chat has it open")
            r = carat("chat", TINY, "-n", "2", "-q", stdin=f"hello\n/save {d}/s\n/save {d}/t\n".encode())
            self.assertIn("another carat chat has it open", r.stderr.decode())
            self.assertEqual(r.returncode, 1)
            first.communicate(b"/save\n")
            self.assertEqual(first.returncode, 0)
            self.assertEqual(sorted(os.listdir(d)), ["link", "s", "t"])
            killed = subprocess.Popen([CARAT, "chat", TINY, "-n", "2", "--session", d + "/s"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            killed.stdin.write(b"hello\n")
            killed.stdin.flush()
            killed.stdout.readline()
            killed.kill()
            killed.communicate()
            self.ok("chat", TINY, "-n", "2", "--session", d + "/s", stdin=b"hello\n")
            self.assertEqual(len(self.note(d + "/s")["turns"]), 6)
            self.assertEqual(sorted(os.listdir(d)), ["link", "s", "t"])

    def test_a_session_with_another_template_says_so(self):
        with tempfile.TemporaryDirectory() as d:
            talk = ["chat", TINY, "-n", "2", "-q", "--session", d + "/s"]
            self.ok(*talk, "--chat-template", "gemma", stdin=b"hello\n")
            self.assertEqual(self.ok(*talk, "--chat-template", "gemma", stdin=b"").stderr, b"")
            r = self.ok(*talk, "--chat-template", "chatml", stdin=b"hello\n")
            self.assertEqual(r.stderr.decode(), f"({d}/s was saved with the chat template gemma: its messages are now rendered "
                                                "anew, with chatml)\n")
            self.assertEqual(self.note(d + "/s")["template"], "chatml")
            self.assertIn("chatml: its messages are now rendered anew, with none",
                          self.ok(*talk, "--chat-template", "none", stdin=b"").stderr.decode())

    def test_quiet_hides_nothing_that_changes_an_answer(self):
        with tempfile.TemporaryDirectory() as d:
            shutil.copy(SIGHT + "/test/000-0.png", d + "/star.png")
            os.mkfifo(d + "/pipe.png")
            for args, text, says in (([TINY], "What is in star.png?", "(this model has no vision tower: star.png is sent as text)"),
                                     ([SIGHT, "--no-vision"], "What is in star.png?",
                                      "(opened without vision, as --no-vision asks: star.png is sent as text)"),
                                     ([SIGHT], "What is in star2.png?", "(star2.png: no such file; sent as text)"),
                                     ([SIGHT], "What is in pipe.png?", "(pipe.png: not a file; sent as text)"),
                                     ([SIGHT], "/image star.png\n/clear\nWhat is it?",
                                      "(the picture that waited for a message is dropped: /image gives it again)")):
                r = self.ok("chat", *args, "-q", "-n", "2", cwd=d, stdin=text.encode() + b"\n")
                self.assertEqual(r.stderr.decode(), says + "\n")
            self.assertIn("/image: opened without vision, as --no-vision asks",
                          carat("chat", SIGHT, "--no-vision", "-q", cwd=d, stdin=b"/image star.png\n").stderr.decode())
            self.assertIn("not a file", carat("chat", SIGHT, "-q", cwd=d, stdin=b"/image pipe.png\n").stderr.decode())

    def test_c24_what_a_session_was_saved_with(self):
        with tempfile.TemporaryDirectory() as d:
            file = d + "/s"
            self.ok("chat", TINY, "-n", "2", "--session", file, "--system", "Be brief.", stdin=b"hello\n")
            self.refused("chat", TINY, "--session", file, "--kv", "q8_0", "-q",
                         says="saved with f16 keys and values, but this engine's are q8_0: open it with --kv f16")
            self.refused("chat", TINY, "--session", file, "--exact", "-q", says="open it without --exact")
            for system, says in (("Be brief.", False), ("Be rude.", True)):
                r = self.ok("chat", TINY, "--session", file, "--system", system, stdin=b"")
                self.assertEqual("--system is ignored: " + file + " has its own system text" in r.stderr.decode(), says)

    def test_f13_a_sessions_note_is_checked(self):
        """A note that names files, or bytes that are not there, is refused and reads nothing."""
        def forged(change):
            blob = whole[h["blob"]:h["blob"] + h["len"]]
            note = blob.index(b'{"system"')
            new = change(blob[note:])
            self.assertNotEqual(new, blob[note:])
            out = bytearray(whole[:h["blob"]] + blob[:note] + new)
            out[56:64] = struct.pack("<Q", note + len(new))
            out += bytes(-(note + len(new)) % 8) + whole[h["blob"] + (h["len"] + 7) // 8 * 8:-32]
            return bytes(out) + hashlib.sha256(out).digest()
        with tempfile.TemporaryDirectory() as d:
            self.ok("chat", SIGHT, "--temp", "0", "-n", "4", "--session", d + "/s",
                    stdin=f"{SIGHT}/test/000-0.png What is it?\n".encode())
            with open(d + "/s", "rb") as f:
                whole = f.read()
            labelled, length = struct.unpack_from("<QQ", whole, 48)
            layers = struct.unpack_from("<I", whole, 16)[0]
            h = {"blob": 96 + (layers + 7) // 8 * 8 + labelled * 8, "len": length}
            size = re.search(rb'"bytes": (\d+)', whole).group(0)
            for change, says in [(lambda n: n.replace(b", " + size, b""), "saved by an older Carat, without its pictures"),
                                 (lambda n: n.replace(size, b'"bytes": 99999999'), "99999999 bytes of"),
                                 (lambda n: n.replace(size, b'"bytes": -1'), "-1 bytes of"),
                                 (lambda n: n.replace(size, b'"bytes": 9'), "000-0.png: "),
                                 (lambda n: n[:-7], "bytes of"), (lambda n: n[n.index(b"\0"):], "not valid JSON"),
                                 (lambda n: n[:n.index(b"\0")], "bytes of 0"), (lambda n: b"{}", "has no messages")]:
                with open(d + "/f", "wb") as f:
                    f.write(forged(change))
                self.refused("chat", SIGHT, "-q", "--session", d + "/f", says=["/f: ", says])

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
