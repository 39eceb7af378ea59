"""carat chat at a terminal: keys, signals, commands. Usage: test_terminal.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
import unittest

from program import CARAT, DATA, TINY, long, main
from terminal import ESCAPES, Case, Terminal


class Keys(Case):
    def test_interrupts_at_the_prompt_give_up_the_line_and_nothing_else(self):
        """Thirty times, with lines between: jumping out of the line editor used to end in a crash."""
        t = self.chat("-n", "2")
        for i in range(30):
            t.type(["", "abc", '"""x\r'][i % 3])
            if i % 3 == 2:
                t.until(b"... ")
            self.assertIn("Ctrl-D or /bye leaves", t.interrupt())
            t.type("hello\r")
            self.assertIn("2 generated", t.until(b">>> "))
        self.assertEqual(t.leave(), 0)

    def test_an_interrupt_stops_an_answer(self):
        t = self.chat("-n", "4000", "-l", "1=-inf", "-l", "11=-inf")  # does not end by itself
        stopped = 0
        for _ in range(10):  # it may be done before the key comes, where others take the machine
            t.type("/clear\r")
            t.until(b">>> ")
            t.type("hello\r")
            t.upto(b"hello\r\n")
            t.answers()
            t.type("\x03")
            stopped += ", interrupted" in t.until(b">>> ")
            if stopped == 2:
                break
        self.assertEqual(stopped, 2)
        self.assertEqual(t.leave("/bye\r"), 0)

    def test_a_conversation_is_written_when_the_program_is_ended(self):
        """Told to end, or its terminal closed; at the prompt, or while it answers."""
        for sig, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            for answering in (False, True):
                with self.subTest(signal=sig, answering=answering):
                    path = f"{self.tmp}/{sig}-{answering}"
                    t = self.chat("-n", "4000" if answering else "2", "-l", "1=-inf", "-l", "11=-inf", "--session", path)
                    t.type("hello\r")
                    if answering:
                        t.upto(b"hello\r\n")
                        t.answers()
                    else:
                        t.until(b">>> ")
                    os.kill(t.pid, sig)
                    self.assertEqual(t.leave(""), code)
                    self.assertEqual(self.note(path)[0], "hello")
                    self.assertEqual(len(self.note(path)), 2)
        for again in (signal.SIGHUP, signal.SIGTERM):  # the kernel, the shell and a manager of sessions each send one
            with self.subTest(again=again):
                path = f"{self.tmp}/hup-{again}"
                t = self.chat("-n", "4000", "-l", "1=-inf", "-l", "11=-inf", "--session", path)
                t.type("hello\r")
                t.upto(b"hello\r\n")
                t.answers()
                os.kill(t.pid, signal.SIGHUP)
                os.kill(t.pid, again)
                self.assertIn(t.leave(""), (129, 128 + again))  # the handler of the later one may run first
                self.assertEqual(self.note(path)[0], "hello")
        path = self.tmp + "/closed"
        t = self.chat("-n", "2", "--session", path)
        t.type("hello\r")
        t.until(b">>> ")
        os.close(t.fd)
        os.waitpid(t.pid, 0)
        t.status = 0
        self.assertEqual(len(self.note(path)), 2)

    def test_letters_of_all_languages_in_any_locale(self):
        text = "h\u00e9llo \u6f22\u5b57 \U0001f600 \u0645"
        for locale in "C.UTF-8", "C":
            path = self.tmp + "/s"
            t = self.chat("-n", "2", "--session", path, locale=locale)
            t.type(text + "\r")
            t.until(b">>> ")
            self.assertEqual(t.leave(), 0)
            self.assertEqual(self.note(path)[0], text, locale)
            os.remove(path)

    def test_editing_history_and_names_of_files(self):
        path = self.tmp + "/s"
        t = self.chat("-n", "2", "--session", path)
        t.type("wrld\x01hello \x1b[Foops\x7f\x7f\x7f\x7f\x1b[D\x1b[D\x1b[Do\r")
        t.until(b">>> ")
        self.assertEqual(t.leave(), 0)
        self.assertEqual(self.note(path)[0], "hello world")
        t = self.chat("-n", "2")
        t.type("\x1b[A")
        t.until(b"hello world")
        t.type("\x15/image " + DATA + "/images/in/size_7\t\r")
        t.upto(b"x200.png")  # not until(): the prompt is shown again where the line is wiped
        t.until(b">>> ")
        self.assertEqual(t.leave(), 0)

    def test_suspended_and_continued(self):
        path = self.tmp + "/s"
        t = self.chat("-n", "2", "--session", path, job_control=True)
        t.type("hel\x1a")
        self.assertIn("STOPPED", t.until(b">>> hel"))
        t.type("lo\r")
        t.until(b">>> ")
        self.assertEqual(t.leave(), 0)
        self.assertEqual(self.note(path)[0], "hello")


class Paste(Case):
    BEGIN, END = "\x1b[200~", "\x1b[201~"

    def test_c06_what_is_pasted_is_one_message(self):
        path = self.tmp + "/s"
        for editor in "", "bind -v\n":  # of ~/.editrc: vi's keys
            with open(self.tmp + "/.editrc", "w") as f:
                f.write(editor)
            t = self.chat("-n", "2", "--session", path)
            self.assertTrue(t.raw.endswith(b"\x1b[?2004h>>> "), t.raw[-30:])
            t.type("See: " + self.BEGIN + "for i in x:\r    print(i)\r\n\t\u6f22\x03" + self.END)
            t.upto("\u6f22".encode())
            time.sleep(0.2)
            while t.read(0.1) and select.select([t.fd], [], [], 0.1)[0]:
                pass
            self.assertNotIn(b"generated", t.seen)  # nothing begins before Enter
            t.raw = b""
            t.type(" ok\r")
            t.until(b">>> ")
            self.assertLess(t.raw.index(b"\x1b[?2004l"), t.raw.index(b"\x1b[?2004h"))  # off while it answers
            self.assertEqual(t.leave(), 0)
            self.assertGreater(t.raw.rindex(b"\x1b[?2004l"), t.raw.rindex(b"\x1b[?2004h"))  # and at the end
            self.assertEqual(self.note(path)[::2], ["See: for i in x:\n    print(i)\n\t\u6f22\x03 ok"])
            os.remove(path)

    @long
    def test_c06_a_paste_is_text_whatever_it_begins_with(self):
        path = self.tmp + "/s"
        t = self.chat("-n", "2", "--session", path)
        pastes = ["/clear", "/bye now", '"""a\rb', "/undo\r/undo", "x" * 1500, "# a\r" * 300]
        for p in pastes:
            t.type(self.BEGIN + p + self.END + "\r")
            t.upto(b"generated")
            t.until(b">>> ")
        t.type("/sh" + self.BEGIN + "ow" + self.END + "\r")  # typed as a command, completed by a paste
        self.assertIn("temp 1", t.until(b">>> "))
        t.type(self.BEGIN + self.END + "\x1b[A\x15hello\r")
        t.upto(b"generated")
        t.until(b">>> ")
        self.assertEqual(t.leave(), 0)
        self.assertEqual(self.note(path)[::2], [p.replace("\r", "\n") for p in pastes] + ["hello"])

    def test_c06_a_terminal_that_cannot_is_not_asked(self):
        t = self.chat("-n", "2", term="dumb")
        self.assertEqual(t.leave(), 0)
        self.assertNotIn(b"2004", t.raw)


class Lines(Case):
    """How an answer is shown: wrapped to the window, and nothing lost. What Markdown becomes is tested in test_view.c."""
    # words of its vocabulary, by chance: " the", " and", " in", " to", " re", " b", "d"
    ANY = ["-n", "120", "--seed", "3", "--temp", "50"]
    ASK = [*ANY, *(f"-l{i}=9999" for i in (291, 302, 321, 323, 322, 289, 427))]

    def run_once(self, *more, ask=ASK, **kw):
        t = Terminal(self.tmp, "-q", "-p", "a red star", *ask, *more, command="run", **kw)  # -q: a slow load shows its progress
        self.addCleanup(t.end)
        self.assertEqual(t.leave(""), 0)
        return t.raw.decode().replace("\r\n", "\n").removesuffix("\n")

    def piped(self, *more, ask=ASK):
        r = subprocess.run([CARAT, "run", TINY, "-t", "1", "-p", "a red star", *ask, *more], capture_output=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r.stdout.decode()

    @long
    def test_answers_are_wrapped_at_words_on_a_terminal_alone(self):
        for more in ([], ["--raw"]):
            text = self.piped(*more)
            self.assertNotIn("\n", text)
            self.assertGreater(len(text.split()), 40)
            for columns in 12, 19, 24, 40, 100:
                shown = self.run_once(*more, columns=columns)
                self.assertEqual(shown.split(), text.split())  # nothing is lost, and no word is broken
                for line in shown.split("\n"):
                    self.assertTrue(len(line) <= columns or " " not in line, line)
                for line, after in zip(shown.split("\n"), shown.split("\n")[1:]):
                    self.assertGreater(len(line) + 1 + len(after.split()[0]), columns)  # nor is one too short

    @long
    def test_plain_is_as_the_model_writes_it(self):
        self.assertEqual(self.run_once("--plain", columns=24), self.piped())
        self.assertNotIn("\n", self.run_once("--plain", columns=24, term="dumb"))
        self.assertIn("\n", self.run_once(columns=24, term="dumb"))  # which has lines, too

    def test_markdown_is_shown_where_it_can_be(self):
        stars = [*self.ANY, *(f"-l{i}=9999" for i in (381, 471, 427, 291))]  # " *", "*", "d", " the"
        raw = self.piped(ask=stars)
        self.assertNotIn("\x1b", raw)
        self.assertRegex(raw, r" \*d+\*[ *]")
        for more, kw in (["--plain"], {}), (["--raw"], {}), ([], {"term": "dumb"}):
            self.assertNotIn("\x1b", self.run_once(*more, ask=stars, columns=80, **kw))
        shown = self.run_once(ask=stars, columns=80)
        self.assertRegex(shown, r"\x1b\[0;3md+ ?\x1b\[0")
        self.assertLess(shown.count("*"), raw.count("*"))
        self.assertEqual(ESCAPES.sub(b"", shown.encode()).decode().replace("*", "").split(), raw.replace("*", "").split())
        self.assertIn("\x1b[0;3m", self.run_once(ask=stars, columns=80, NO_COLOR="1"))  # which is for colours

    def test_the_width_follows_the_window(self):
        t = self.chat(*self.ASK, columns=100)
        longest = []
        for columns in 100, 30:
            termios.tcsetwinsize(t.fd, (24, columns))
            t.type("/clear\r")
            t.until(b">>> ")
            t.raw = b""
            t.type("hello\r")
            t.until(b">>> ")
            answer = ESCAPES.sub(b"", t.raw).decode().replace("\r\n", "\n").split("hello\n", 1)[1].rsplit("\n", 2)[0]
            longest.append(max(len(line) for line in answer.split("\n")))
        self.assertEqual(t.leave(), 0)
        self.assertTrue(90 < longest[0] <= 100 and 20 < longest[1] <= 30, longest)


class Commands(Case):
    def say(self, t, text):
        t.type(text + "\r")
        return t.until(b">>> ")

    def test_what_throws_away_is_never_guessed(self):
        path = self.tmp + "/s"
        t = self.chat("-n", "2", "--session", path)
        self.say(t, "hello")
        for line in "/", "/s", "/nonsense", "/clearall", "/SYSTEM", "/tmp":
            self.assertIn("unknown command", self.say(t, line))
        self.assertIn("did you mean /clear?", self.say(t, "/cleer"))
        self.assertIn("did you mean /retry?", self.say(t, "/rtery"))
        self.assertIn("did you mean /system, /set, /save or /show?", self.say(t, "/s"))
        for line in "/", "/z", "/tmp":
            self.assertNotIn("did you mean", self.say(t, line))
        self.assertIn("NAME VALUE", self.say(t, "/se"))
        self.assertIn("this list", self.say(t, "/?"))
        self.assertIn("1024", self.say(t, "/set top-k 1024") + self.say(t, "/show"))
        self.assertIn("2 messages", self.say(t, "/save"))
        self.assertIn("0 messages are left", self.say(t, "/un"))
        self.assertIn("nothing to undo", self.say(t, "/undo"))
        self.assertEqual(t.leave("/q\r"), 0)

    def test_c30_a_message_may_begin_with_a_slash(self):
        path = self.tmp + "/s"
        t = self.chat("-n", "2", "--session", path)
        messages = ["/etc/fstab: what is this file for?", "// what does this comment do", "/* and this? */", "/1/2 + 1/3",
                    "/3 of the cake", "/path-with.dots", "/dev/null", " /clear", "/system/texts", "//",
                    "/tmp what is this folder for?", "/bye for now", "/quit smoking?", "/clear the table please",
                    "/undo it", "/retry please", "/show me one", "/help me", "/? ?", "/sys is what?", "/cl x", '"""/undo"""',
                    '"""/a""" /b']
        for m in messages:
            self.assertIn("generated", self.say(t, m), m)
        self.assertIn("temp 1", self.say(t, "/show\t "))
        self.assertEqual(t.leave(), 0)
        self.assertEqual(self.note(path)[::2], messages[:-2] + ["/undo", "/a /b"])

    def test_settings_are_checked(self):
        t = self.chat("-n", "2")
        for line, says in (("/set top-k 1.5", "whole number"), ("/set top-k -1", "whole number"),
                           ("/set top-k 1e12", "whole number"), ("/set seed -1", "whole number"),
                           ("/set seed 0.5", "whole number"), ("/set temp nan", "temperature is nan"),
                           ("/set temp 101", "0 to 100"), ("/set temp x", "not a number"), ("/set temp", "NAME VALUE"),
                           ("/set", "NAME VALUE"), ("/set colour 1", "unknown setting")):
            self.assertIn(says, self.say(t, line), line)
        before = self.say(t, "/show")
        self.say(t, "/set temp 0  ")
        self.say(t, "/set seed 42")
        after = self.say(t, "/show")
        self.assertIn("temp 1, top-k 64", before)
        self.assertIn("temp 0, top-k 64", after)
        self.assertIn("seed 42", after)
        self.assertEqual(t.leave(), 0)

    def test_an_answer_stays_until_there_is_another(self):
        path = self.tmp + "/s"
        t = self.chat("-n", "2", "--session", path, "-c", "30", "--seed", "1")
        self.say(t, "hello")  # 16 tokens, and another message does not fit
        t.type("a long message that has no place any more\r")
        t.until(b"[y/N] ")
        self.say(t, "n")
        self.assertIn("2 messages", self.say(t, "/save"))
        first = self.note(path)
        self.say(t, "/retry")
        self.assertIn("2 messages", self.say(t, "/save"))
        again = self.note(path)
        self.assertEqual(first[0], again[0])
        self.assertNotEqual(first[1], again[1])
        self.assertEqual(t.leave(), 0)


if __name__ == "__main__":
    main()
