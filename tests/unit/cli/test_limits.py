"""Memory limits of every kind: a run ends with an answer, or with the message that has both figures, and the border
between the two is where the message says. Usage: test_limits.py CARAT [MODEL]

Without MODEL a made-up one is used, or with --real the one that $CARAT_TEST_MODEL names.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from setting import SANITIZED, long, main  # noqa: E402

CARAT = os.path.abspath(sys.argv[1])
REAL = os.environ.get("CARAT_TEST_MODEL") if "--real" in sys.argv else None
MIB = 1 << 20
UNITS = {"bytes": 1, "MiB": MIB, "GiB": MIB << 10}
FIGURES = re.compile(r"needs (?:about )?([\d.]+) (\w+),(?: but only)? ([\d.]+) (\w+) (?:are|were) available \(([^)]*)\)")

# A request that asks for most memory.
MOST = ["-n", "40", "--ignore-eos", "--json", "--logprobs", "20", "--top-k", "0", "--top-p", "1", "--repeat-penalty", "1.2"]


class Group:
    """A control group of version 1 or 2 below our own."""

    def __init__(self):
        with open("/proc/self/cgroup") as f:
            rows = [line.rstrip("\n").split(":", 2) for line in f]
        for _, controllers, path in rows:
            if "memory" in controllers.split(","):
                self.parent, self.limit = "/sys/fs/cgroup/memory" + path, "memory.limit_in_bytes"
                break
        else:
            self.parent, self.limit = "/sys/fs/cgroup" + rows[-1][2], "memory.max"
        self.path = os.path.join(self.parent, f"carat-test-{os.getpid()}")
        try:
            os.mkdir(self.path)
        except OSError as e:
            raise unittest.SkipTest(f"no control group can be made in {self.parent}: {e.strerror}")
        try:
            self.put(self.limit, 1 << 40)
        except OSError as e:
            self.close()
            raise unittest.SkipTest(f"{self.path} has no {self.limit} to set: {e.strerror}")

    def put(self, name, value):
        with open(os.path.join(self.path, name), "w") as f:
            f.write(str(value))

    def close(self):
        for _ in range(100):  # its last process may not be gone yet
            try:
                return os.rmdir(self.path)
            except OSError:
                time.sleep(0.05)


@unittest.skipIf(SANITIZED, "a sanitizer's shadow needs the address space")
class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.model = REAL or cls.folder.name + "/m.gguf"
        if not REAL:
            subprocess.run([CARAT, "synth", "270m", "--layers", "3", "--hidden", "256", "--ffn", "1024", "--vocab", "2000",
                            "--type", "f32", "-o", cls.model], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_under(self, threads, confine, *more):
        """0 for an answer; else what is missing by the message, in bytes, and who says so."""
        r = subprocess.run([CARAT, "run", self.model, "-p", "The sky is", "-n", "2", "-c", "512", "-t", str(threads),
                            "--prefix-cache", "none", "--no-vision", *more], capture_output=True, stdin=subprocess.DEVNULL,
                           timeout=120, preexec_fn=confine)
        text = r.stderr.decode()
        self.assertIn(r.returncode, (0, 1), text)
        if r.returncode == 0:
            return 0, ""
        figures = FIGURES.search(text)
        self.assertTrue(figures, text)
        self.assertEqual(text.count("\n"), 1, text)
        need, there = (float(figures[i]) * UNITS[figures[i + 1]] for i in (1, 3))
        return need - there, figures[5]

    def border(self, threads, confine, who, slack):
        """From far below, the message leads to the border: `slack` below it is refused, above it is started. Figures
        are told to 0.1 MiB."""
        limit = 24 * MIB if not REAL else 200 * MIB
        missing, said = self.run_under(threads, lambda: confine(limit))
        self.assertIn(who, said)
        self.assertGreater(missing, 0)
        at = int(limit + missing)
        missing, _ = self.run_under(threads, lambda: confine(at - slack))
        self.assertGreater(missing, 0, f"{slack / MIB} MiB below what the message said it starts")
        self.assertLess(missing, 2 * slack + MIB // 5)
        self.assertEqual(self.run_under(threads, lambda: confine(at + slack))[0], 0)
        return at

    def under_ulimit(self, which, who):
        for threads in (1, 2):
            with self.subTest(threads=threads):
                at = self.border(threads, lambda limit: resource.setrlimit(which, (limit, limit)), who, MIB // 4)
                # What is admitted also has room for the request that asks for most.
                for limit in range(at - MIB // 4, at + MIB // 2 + 1, MIB // 8):
                    missing, _ = self.run_under(threads, lambda: resource.setrlimit(which, (limit, limit)), *MOST)
                    if limit >= at + MIB // 4:
                        self.assertEqual(missing, 0)

    def test_address_space(self):
        self.under_ulimit(resource.RLIMIT_AS, "ulimit -v")

    @long
    def test_data(self):
        self.under_ulimit(resource.RLIMIT_DATA, "ulimit -d")

    def test_headers_do_not_fit(self):
        """Below what the program and its libraries need for themselves the dynamic linker fails, with 127; the program alone takes
        over 4 MiB, without which the kernel cannot begin it."""
        codes, without = set(), []
        for limit in range(6 * MIB, 32 * MIB, 2 * MIB):
            r = subprocess.run([CARAT, "run", self.model, "-p", "x", "-t", "2"], capture_output=True, stdin=subprocess.DEVNULL,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
            codes.add(r.returncode)
            if r.returncode == 1 and not FIGURES.search(r.stderr.decode()):
                without.append(r.stderr)
        self.assertIn(without, [[], [b"carat: no memory for the prompt\n"]])  # a few KiB: less than to look at the model
        self.assertTrue(1 in codes and codes <= {1, 127}, codes)

    @long
    def test_control_group(self):
        """What it counts moves a little by itself: processors take pages 32 at a time."""
        group = Group()
        self.addCleanup(group.close)

        def confine(limit):
            group.put(group.limit, limit)
            group.put("cgroup.procs", os.getpid())

        for threads in (1, 2):
            with self.subTest(threads=threads):
                self.border(threads, confine, "the control group", MIB)


if __name__ == "__main__":
    if "--real" in sys.argv and not REAL:
        print("CARAT_TEST_MODEL names no model: skipped")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1]) if REAL else main()
