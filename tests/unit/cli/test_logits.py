"""carat logits: the reference's numbers, and no file that is half written. Usage: test_logits.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import array
import os
import tempfile

from program import TINY, TINY_GGUF, Case, Golden, main


class Numbers(Case):
    def test_logits_equal_the_reference(self):
        g = Golden(TINY + "/golden")
        with tempfile.TemporaryDirectory() as d:
            for model in [TINY, TINY_GGUF]:
                for extra in [[], ["-t", "2", "--chunk", "7"]]:
                    ids, rows, want = g["prompt5.ids"], g["prompt5.rows"], g["prompt5.logits"]
                    out = d + "/logits"
                    self.ok("logits", model, "--ids", ",".join(map(str, ids)), "--exact", "--embed-scale", "exact", "-o",
                            out, *extra)
                    got = array.array("f")
                    with open(out, "rb") as f:
                        got.frombytes(f.read())
                    vocab = len(want) // len(rows)
                    self.assertEqual(len(got), len(ids) * vocab)
                    worst = max(abs(got[r * vocab + v] - want[i * vocab + v]) for i, r in enumerate(rows)
                                for v in range(vocab))
                    self.assertLess(worst, 5e-4)  # tests/golden/README.md

    def test_nothing_half_written(self):
        with tempfile.TemporaryDirectory() as d:
            self.refused("logits", TINY, "--ids", "2,99999", "-o", d + "/x", says="token id 99999")
            self.refused("logits", TINY, "--ids", "2,x", "-o", d + "/x", says="is not an id")
            self.refused("logits", TINY, "--ids", "2", "-o", d + "/no/x", says="No such file")
            self.assertEqual(os.listdir(d), [])


if __name__ == "__main__":
    main()
