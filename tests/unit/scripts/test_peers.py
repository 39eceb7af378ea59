"""scripts/bench_peers.py and the programs of bench/, with programs in the place of carat and its peers. Usage: test_peers.py ROOT

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(sys.argv.pop(1))

# Each answers as the real one does, with round numbers; the q8_0 cache and a second round are faster.
CARAT = """
import json, sys
a = sys.argv[1:]
if a[0] == "bench" and "--parallel" in a:
    print(json.dumps({"kernels": "avx512", "one_per_second": 10, "all_per_second": 60, "ratio": 6, "gap_alone_seconds": 0.1, "gap_longest_seconds": 0.4}))
elif a[0] == "bench":
    fast = 2 if "q8_0" in a else 1
    lora = 0.5 if "--lora" in a and not a[a.index("--lora") + 1].endswith("=0") else 1
    print(json.dumps({"kernels": "avx512", "results": [{"prefill_per_second": 300 * lora, "decode_per_second": 20 * fast * lora,
                      "decode_bytes_per_second": 9e9, "read_bandwidth": 1e10}]}))
elif a[0] in ("pack", "synth"):
    open(a[a.index("-o") + 1], "w").close()
elif a[0] == "serve":
    sys.exit(3)
"""
LLAMA_BENCH = """
import json, sys
if "-o" in sys.argv:
    print(json.dumps([{"n_prompt": 512, "avg_ts": 100}, {"n_prompt": 0, "avg_ts": 16}]))
"""
BATCHED = """
print("loading")
print('{"pl": 1, "speed_tg": 8}')
print('{"pl": 8, "speed_tg": 20}')
"""
GUESSES = """
import sys
draft = len(sys.argv) > 6
print("model, 2 threads, avx512\\n                in   out  plain/s  with/s  ratio  right")
for task in ("prose", "edit", "json") if sys.argv[2] == "all" else (sys.argv[2],):
    print("%-12s %5d %5d  %7.1f %7.1f  %5.2f  %5d of %d" % (task, 30, 40, 10, 9.9 if draft else 30, 0.99 if draft else 3, 0 if draft else 20, 30))
"""
VISION = """
print("x: 27 layers of 1152, 4096 patches, avx512 kernels, 2 threads")
print("an image         4.00 s (best of 3; median 5.00), 5.46 Tflop, 1092 Gflop/s, 40 % of 2730 Gflop/s of TDPBF16PS")
print("beside f32       smallest cosine of a token 0.999998; f32 takes 20.00 s")
"""


class Peers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        os.mkdir(self.dir + "/bench")
        for name, text in (("carat", CARAT), ("llama-bench", LLAMA_BENCH), ("llama-batched-bench", BATCHED), ("bench/bench_guesses", GUESSES),
                           ("bench/bench_vision", VISION)):
            self.program(name, text)

    def program(self, name, text):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(f"#!{sys.executable} -SE\n{text}")
        os.chmod(f"{self.dir}/{name}", stat.S_IRWXU)

    def run_script(self, script, *args):
        return subprocess.run([sys.executable, "-SE", f"{ROOT}/{script}", self.dir + "/carat", *args], capture_output=True, text=True, timeout=100)

    def peers(self, *args, code=0, models=("small.gguf", "big.gguf")):
        r = self.run_script("scripts/bench_peers.py", "--work", self.dir, *args, *models)
        self.assertEqual(r.returncode, code, r.stderr)
        return r.stdout

    def rows(self, *args, **kw):
        return {(r["work"], r["model"]): r for r in json.loads(self.peers("--json", *args, **kw))["rows"]}

    def test_every_row_has_its_ratio(self):
        rows = self.rows("--llama", self.dir, "--rounds", "1", "--rows", "prefill,deep,cache,parallel,start,lookup,draft,image,neighbours")
        expected = {("prefill 512", "big.gguf"): 3, ("decode, one answer", "small.gguf"): 1.25, ("decode, of the read bandwidth", "small.gguf"): 0.9,
                    ("prefill 512 at depth 16384", "small.gguf"): 3, ("decode at depth 16384, q8_0 cache", "big.gguf"): 2,
                    ("8 answers at once", "big.gguf"): 3, ("longest gap, a prompt of 4,000 arrives", "small.gguf"): None,
                    ("prompt lookup, prose, 40 tokens dictated", "small.gguf"): 3, ("prompt lookup, json, 40 tokens dictated", "big.gguf"): 3,
                    ("a draft that knows nothing, prose, 40 tokens dictated", "big.gguf"): 0.99, ("an image, the 4B's tower", "mmproj-4b.gguf"): 4,
                    ("decode beside two busy neighbours", "small.gguf"): None}
        for key, ratio in expected.items():
            self.assertEqual(rows[key]["ratio"], ratio, key)
        self.assertNotIn(("prefill 512 at depth 16384", "big.gguf"), rows)  # minutes: only where it is asked for
        for kind in "GGUF", "pack":
            self.assertGreater(rows[f"start to first token, {kind}", "big.gguf"]["ratio"], 0)
        self.assertEqual(rows["8 answers at once", "big.gguf"]["peer"], "llama.cpp 20.0 tok/s, 2.50 × one (8.0)")
        self.assertFalse([f for f in os.listdir(self.dir) if f.startswith("tmp")], "left behind")

    def test_a_table(self):
        text = self.peers("--llama", self.dir, "--rows", "prefill", "--rounds", "3", "--threads", "1")
        self.assertRegex(text, r"^.+, \d+ processors, load [\d.]+ before; \w+ \d{4}; 1 threads, avx512 kernels, medians of 3 alternating rounds\n\n\| work ")
        self.assertIn("| prefill 512 | big.gguf | ≥ 72 % of the VNNI peak | 300.0 tok/s (300.0, 300.0, 300.0) | llama.cpp 100.0 (100.0, 100.0, 100.0) | 3.00 |", text)

    def test_peers_that_are_missing_are_said(self):
        rows = self.rows("--rows", "prefill,parallel,start", "--rounds", "1")
        self.assertEqual(rows["prefill 512", "big.gguf"]["peer"], "llama-bench is not there")
        self.assertIsNone(rows["prefill 512", "big.gguf"]["ratio"])
        self.assertEqual(rows["8 answers at once", "big.gguf"]["peer"], "llama-batched-bench is not there")
        self.assertEqual(rows["start to first token, pack", "big.gguf"]["peer"], "llama-bench is not there")

    def test_a_row_that_fails_is_said_and_the_others_go_on(self):
        self.program("llama-bench", "import sys\nsys.exit('illegal instruction')")
        rows = self.rows("--llama", self.dir, "--rows", "prefill,imagegap,image", "--rounds", "1", code=1)
        self.assertRegex(rows["prefill", ""]["measured"], "not measured: llama-bench ended with 1: illegal instruction")
        self.assertRegex(rows["imagegap", ""]["measured"], "not measured: .*the server does not come up")
        self.assertEqual(rows["an image, the 4B's tower", "mmproj-4b.gguf"]["ratio"], 4)

    def test_refused(self):
        for args, says in ((("--rows", "prefil"), "--rows has 'prefil'"), (("--rounds", "0"), "at least 1"), (("--source", self.dir), "llama.cpp's source")):
            r = self.run_script("scripts/bench_peers.py", *args, "m.gguf")
            self.assertEqual(r.returncode, 2)
            self.assertIn(says, r.stderr)

    def test_an_adapter(self):
        rows = json.loads(self.run_script("bench/adapter_speed.py", "m.gguf", "a.gguf", "--rounds", "1", "--json").stdout)
        self.assertEqual([(r["way"], r["prefill_ratio"], r["decode_ratio"]) for r in rows],
                         [("without", 1, 1), ("with the adapter", 0.5, 0.5), ("loaded with scale 0", 1, 1)])

    def test_embeddings(self):
        self.program("carat", "import sys, time\ntime.sleep(0.02 * len(open(sys.argv[sys.argv.index('-f') + 1]).read().splitlines()))")
        r = self.run_script("bench/embed_speed.py", "m.gguf", "--texts", "21", "--rounds", "1", "--json")
        self.assertEqual(r.returncode, 0, r.stderr)
        (name, rates), = json.loads(r.stdout).items()
        self.assertEqual(name, "Carat, m.gguf")
        self.assertTrue(5 < rates[0] < 500, rates)  # 50, but for others on the machine
        self.program("carat", "import sys\nsys.exit('no such model')")
        r = self.run_script("bench/embed_speed.py", "m.gguf", "--texts", "3", "--rounds", "1")
        self.assertEqual(r.returncode, 1)
        self.assertIn("no such model", r.stderr)


if __name__ == "__main__":
    unittest.main()
