"""carat run --batch: its files, memory and disk, and being killed and started again. Usage: test_batch_files.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import fcntl
import json
import os
import random
import resource
import signal
import subprocess
import time
import unittest

from batching import CARAT, DATA, SANITIZED, SLOWER, TINY, Case, chat, long, main, text


class Refused(Case):
    def refused(self, *args, says, code=1):
        r = subprocess.run([CARAT, "run", TINY, *args], capture_output=True, timeout=60 * SLOWER, stdin=subprocess.DEVNULL)
        err = r.stderr.decode()
        self.assertEqual(r.returncode, code, err)
        self.assertIn(says, err)
        self.assertEqual(r.stdout, b"")

    def test_usage(self):
        self.write([text("a")])
        b = ["--batch", self.src]
        self.refused(*b, says="needs -o FILE", code=2)
        self.refused("-o", self.out, "-p", "x", says="need --batch", code=2)
        self.refused("--parallel", "2", "-p", "x", says="need --batch", code=2)
        self.refused(*b, "-o", self.out, "-p", "x", says="from its lines", code=2)
        self.refused(*b, "-o", self.out, "--raw", says="cannot be used with --batch", code=2)
        self.refused(*b, "-o", self.out, "--parallel", "0", says="expected 1 to 256", code=2)
        self.refused("--batch", self.dir + "/none", "-o", self.out, says="none: cannot be opened")
        self.refused("--batch", self.dir, "-o", self.out, says="is a directory, expected a file")
        self.refused(*b, "-o", self.dir, says="cannot be opened for writing")
        self.refused(*b, "-o", self.src, says="input and output are the same file")

    def test_a_file_of_somebody_else_is_left_alone(self):
        self.write([text("a", max_tokens=2)])
        for content in [b"my notes", b"my notes\n", b'{"custom_id": "x"}\n', b'{"custom_id": 5, "response": null}\n', b"[1]\n",
                        b'{"id":"batch_x', b"\0" * 50]:
            with open(self.out, "wb") as f:
                f.write(content)
            self.refused("--batch", self.src, "-o", self.out, says="is not a line of batch output")
            with open(self.out, "rb") as f:
                self.assertEqual(f.read(), content)

    @long
    @unittest.skipIf(SANITIZED, "a sanitizer reserves more than the limit")
    def test_where_one_answer_fits_a_batch_does(self):
        """Under every limit of memory: as many answers at once as the engine can take, down to one; but for the little
        that trying takes."""
        self.write([text(i, max_tokens=2) for i in range(9)])
        model, taken, n_fit = DATA + "/models/odd-text", set(), 0
        for kib in range(30000, 90000, 500):
            if 8 in taken:
                break
            def limit():
                resource.setrlimit(resource.RLIMIT_AS, (kib << 10, kib << 10))
            run = lambda *extra: subprocess.run([CARAT, "run", model, "--batch", self.src, "-o", self.out, "--json", "-t", "1", *extra],
                                                capture_output=True, timeout=60 * SLOWER, preexec_fn=limit)
            one = run("--parallel", "1")
            if os.path.exists(self.out):
                os.remove(self.out)
            if one.returncode != 0:
                self.assertEqual(n_fit, 0, kib)  # it fits from some limit on
                continue
            n_fit += 1
            if n_fit < 2:
                continue
            many = run()
            self.assertEqual(many.returncode, 0, (kib, many.stderr))
            n = json.loads(many.stdout)["parallel"]
            taken.add(n)
            self.assertEqual(b"memory allows %d answer" % n in many.stderr, n < 8, many.stderr)
            os.remove(self.out)
        self.assertTrue(taken > {8}, taken)

    @long
    @unittest.skipIf(SANITIZED, "a sanitizer reserves more than the limit")
    def test_a_line_that_memory_is_too_short_for(self):
        """It is reported and left out; the others have their answers."""
        with open(self.src, "wb") as f:
            f.write(text("a", max_tokens=2).encode() + b"\n" + text("b", max_tokens=2).encode() + b"\n")
            f.write(text("big", "X").encode().replace(b"X", b"x" * (20 << 20)) + b"\n" + text("c", max_tokens=2).encode() + b"\n")
        for mib in (50, 80, 107, 130, 170):  # for the line itself, its tree, its copies; at last it is told to be too long
            def limit():
                resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))
            r = subprocess.run([CARAT, "run", DATA + "/models/odd-text", "--batch", self.src, "-o", self.out, "-t", "1"],
                               capture_output=True, timeout=60 * SLOWER, preexec_fn=limit)
            self.assertEqual(r.returncode, 1, (mib, r.stderr))
            self.assertRegex(r.stderr, rb"in.jsonl:3: .*(no memory|at least \d+ tokens, but the context holds)")
            got = self.answers()
            self.assertEqual(set(got) - {"big"}, {"a", "b", "c"}, (mib, r.stderr))
            self.assertTrue(all(got[k]["response"]["status_code"] == 200 for k in "abc"))
            os.remove(self.out)

    def test_two_batches_cannot_share_a_file(self):
        self.write([text("a", max_tokens=2)])
        with open(self.out, "wb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            self.refused("--batch", self.src, "-o", self.out, says="another batch is writing it")

    @unittest.skipIf(SANITIZED, "a sanitizer reserves more than the limit")
    def test_a_full_disk(self):
        self.write([text(i, max_tokens=4) for i in range(40)])
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        self.batch(code=1, preexec_fn=limit)
        self.assertIn("out.jsonl: cannot be written: File too large", self.stderr)
        self.assertLess(len(self.answers()), 40)  # whole lines, not half of one
        self.batch()
        self.assertEqual(len(self.answers()), 40)
        self.refused("--batch", self.src, "-o", "/dev/full", says="No space left on device")


class Killed(Case):
    N = 120

    def start(self, *extra):
        return subprocess.Popen(self.command("--seed", "11", *extra), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def whole_lines(self):
        try:
            with open(self.out, "rb") as f:
                return f.read().count(b"\n")
        except FileNotFoundError:
            return 0

    def texts(self):
        return {k: [c.get("text", c.get("message", {}).get("content")) for c in r["response"]["body"]["choices"]]
                for k, r in self.answers().items() if r["response"]["status_code"] == 200}

    def prepare(self):
        lines = [(chat if i % 3 == 0 else text)(i, f"a red star {i % 50}", max_tokens=4 + i % 13, n=1 + i % 2, temperature=1)
                 for i in range(self.N)]
        lines[70] = chat(70, tools=[{}])  # one that fails
        self.write(lines)
        self.batch("--seed", "11", code=1)
        want = self.texts()
        self.assertEqual((len(want), len(self.answers())), (self.N - 1, self.N))
        os.remove(self.out)
        return want

    def wait_for(self, p, n):
        while p.poll() is None and self.whole_lines() < n:
            time.sleep(0.002)

    @long
    def test_kill_9_and_again(self):
        want = self.prepare()
        rng = random.Random(time.time_ns())
        for _ in range(2):
            if os.path.exists(self.out):
                os.remove(self.out)
            kills = 0
            while True:
                p = self.start()
                before = self.whole_lines()
                self.wait_for(p, before + rng.randrange(0, 50))
                time.sleep(rng.random() * 0.01)
                p.kill()
                p.stderr.close()
                if p.wait() != -signal.SIGKILL:
                    break
                kills += 0 < self.whole_lines() < self.N
                if rng.random() < 0.7 and self.whole_lines():  # as if the last write had been torn, anywhere in it
                    with open(self.out, "rb+") as f:
                        whole = f.read()
                        last = whole.rfind(b"\n", 0, whole.rfind(b"\n")) + 1
                        f.truncate(rng.randrange(last, whole.rfind(b"\n") + 1))
                    with open(self.out, "rb") as f:
                        rows = f.read().split(b"\n")[:-1]
                    self.assertEqual(len({json.loads(r)["custom_id"] for r in rows}), len(rows))
            self.assertGreaterEqual(kills, 2)
            self.batch("--seed", "11", code=1)
            self.assertEqual(set(self.answers()), {str(i) for i in range(self.N)})
            self.assertEqual(self.texts(), want)  # and what was answered is what it would have been

    def test_interrupt(self):
        want = self.prepare()
        for sig in [signal.SIGINT, signal.SIGTERM]:
            p = self.start("--parallel", "4")
            self.wait_for(p, self.whole_lines() + 20)
            self.assertIsNone(p.poll())
            p.send_signal(sig)
            err = p.communicate(timeout=30 * SLOWER)[1].decode()
            self.assertEqual(p.returncode, 130, err)
            self.assertIn("run the same command again to resume", err)
            self.assertLess(len(self.answers()), self.N)
        self.batch("--seed", "11", code=1)
        self.assertEqual(self.texts(), want)

    def test_a_pipe_that_stays_open(self):
        """Answers do not wait for the next question, and Ctrl-C does not wait for one either."""
        self.src = "-"
        p = subprocess.Popen(self.command("-q"), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for i in range(3):
            p.stdin.write(text(i, max_tokens=2).encode() + b"\n")
            p.stdin.flush()
            self.wait_for(p, i + 1)
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(timeout=30 * SLOWER), 130)
        p.stdin.close(), p.stderr.close()
        self.assertEqual(set(self.answers()), {"0", "1", "2"})

    @long
    def test_a_torn_line_at_every_byte(self):
        self.write([text("a", max_tokens=1), text("b", max_tokens=1)])
        self.batch()
        with open(self.out, "rb") as f:
            whole = f.read()
        first = whole.index(b"\n") + 1
        self.write([])  # nothing to do: only the file is put in order
        for cut in range(len(whole) + 1):
            if cut % 29 and abs(cut - first) > 3 and cut < len(whole) - 3:
                continue
            with open(self.out, "wb") as f:
                f.write(whole[:cut])
            self.batch()
            with open(self.out, "rb") as f:
                self.assertEqual(f.read(), whole[:cut][:whole[:cut].rfind(b"\n") + 1])


if __name__ == "__main__":
    main()
