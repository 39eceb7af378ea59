"""carat quantize --target-size. Usage: test_quantize_size.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import os

from program import DATA, main
from quantizing import Quantizing, size, types_of


class Size(Quantizing):
    def test_a_size_is_kept_and_more_room_loses_less(self):
        model = self.path("m.gguf")
        self.ok("synth", "1b", "--layers", "2", "--hidden", "256", "--ffn", "512", "--vocab", "4000", "--type", "f32", "-o", model)
        errors = []
        for target in (1_100_000, 1_400_000, 1_900_000, 3_000_000):
            out = self.quantize("--target-size", size(target), model=model)
            self.assertLessEqual(os.path.getsize(out), target)
            self.assertGreater(os.path.getsize(out), 0.97 * target)
            errors.append(self.lost(model, out))
        self.assertEqual(errors, sorted(errors, reverse=True))
        for target, some in (8_000_000, "BF16"), (99_000_000, "F32"):  # more than all of it in Q8_0 needs
            out = self.quantize("--target-size", size(target), model=model)
            self.assertLessEqual(os.path.getsize(out), target)
            self.assertIn(some, {t for n, t in types_of(out).items() if "norm" not in n})
            errors.append(self.lost(model, out))
        self.assertLess(errors[-2], errors[-3])
        self.assertEqual(errors[-1], 0)
        self.ok("run", out, "hi", "-n", "2")
        # no worse than a mix that is as large
        for plain in "q4_k_m", "q2_k,token_embd=q2_k", "q6_k":
            mix = self.quantize("--type", plain, model=model, name="mix.gguf")
            out = self.quantize("--target-size", size(os.path.getsize(mix)), model=model)
            self.assertLessEqual(os.path.getsize(out), os.path.getsize(mix))
            self.assertLess(self.lost(model, out), 1.001 * self.lost(model, mix))
        r = self.ok("quantize", model, self.path("x.gguf"), "--target-size", "1.1M", "-t", "1")
        self.assertRegex(r.stderr.decode(), r"\d+ matrices in two bits or fewer without an importance matrix")
        fixed = types_of(self.quantize("--target-size", "2M", "--tensor", "attn_k=q8_0", model=model))
        self.assertEqual({t for n, t in fixed.items() if "attn_k.weight" in n}, {"Q8_0"})
        listed = self.ok("quantize", model, self.path("x.gguf"), "--target-size", "2M", "--list").stdout.decode().splitlines()
        self.assertEqual(len(listed), len(fixed))
        self.assertRegex(listed[0], r"^\S+ +F32 +[A-Z0-9_]+ +\d+ x \d+ ")
        self.refused("quantize", model, self.path("y.gguf"), "--target-size", "2M", "--tensor", "token_embd=f32",
                     says=["the smallest file has", "at most 2.1 MB"])
        self.assertFalse(os.path.exists(self.path("y.gguf")))

    def test_the_bound_is_to_the_byte(self):
        """Head, directory and gaps are counted as they are written: of a folder's model too, whose keys are made for it."""
        model = self.path("m.gguf")
        self.ok("synth", "1b", "--layers", "2", "--hidden", "256", "--ffn", "512", "--vocab", "4000", "--type", "f32", "-o", model)
        importances = self.path("importances.gguf")
        self.ok("imatrix", model, "--text", self.path("text.txt", b"One two three four. " * 100), "-o", importances)
        folder = os.path.join(DATA, "models", "tiny-text")
        for name, source, args in ("a file", model, []), ("with importances", model, ["--imatrix", importances]), ("a folder", folder, []):
            with self.subTest(name):
                whole = self.quantize("--type", "q8_0", *args, model=source, name="mix.gguf")
                most = os.path.getsize(whole)
                reached = os.path.getsize(self.quantize("--target-size", str(most), *args, model=source))
                self.assertLessEqual(reached, most)
                self.assertGreaterEqual(reached, most - 96)  # all of it in Q8_0 again, without the key that names a mix
                again = os.path.getsize(self.quantize("--target-size", str(reached), *args, model=source))
                self.assertEqual(again, reached)
                less = os.path.getsize(self.quantize("--target-size", str(reached - 1), *args, model=source))
                self.assertLess(less, reached)


if __name__ == "__main__":
    main()
