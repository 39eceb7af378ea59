"""bench_vision measures the kernels that CARAT_CPU names. Usage: test_bench.py BENCH_VISION DATA

SPDX-License-Identifier: Apache-2.0
"""
import os
import subprocess
import sys

BENCH, DATA = sys.argv[1:3]


def bench(level):
    return subprocess.run([BENCH, DATA + "/models/tiny-vl/gguf/mmproj-tiny-vl-f32.gguf", "1", "1"], capture_output=True, text=True,
                          env=dict(os.environ, CARAT_CPU=level))


r = bench("generic")
assert r.returncode == 0 and "generic kernels, 1 threads" in r.stdout, (r.stdout, r.stderr)
r = bench("abacus")
assert r.returncode == 2 and "abacus" in r.stderr and not r.stdout, (r.stdout, r.stderr)
