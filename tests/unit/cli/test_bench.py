"""carat bench. Usage: test_bench.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import tempfile
import unittest

from program import SANITIZED, TINY, Case, main


@unittest.skipIf(SANITIZED, "it times the machine, which a sanitizer slows beyond the time limit")
class Bench(Case):
    def test_json(self):
        with tempfile.TemporaryDirectory() as d:
            name = d.encode() + b"/m\xe9del"  # a name that is no text
            os.symlink(TINY, name)
            j = json.loads(self.ok("bench", name, "-p", "32", "-n", "4", "-r", "1", "--thread-list", "1,2",
                                   "--json").stdout)
        self.assertEqual(j["model"], d + "/m\ufffddel")
        self.assertEqual([r["threads"] for r in j["results"]], [1, 2])
        for r in j["results"]:
            self.assertGreater(r["prefill_per_second"], 0)
            self.assertGreater(r["read_bandwidth"], 1e8)


if __name__ == "__main__":
    main()
