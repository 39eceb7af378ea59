"""carat bench kernels. Usage: test_bench_kernels.py CARAT DATA ROOT

ROOT: the sources, whose tables of kernels and types the command's rows are compared with.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import sys
import unittest

ROOT = sys.argv.pop(3)

from program import Case, long, main  # noqa: E402

NO_FUNCTIONS = {"isa", "form", "is_bf16_for_many", "mul_scratch", "piece_tokens", "tiled_tokens", "attend_is_16_bit", "set_layout",
                "mul_peak", "attend_peak", "set_peak"}


def source(name):
    with open(f"{ROOT}/src/{name}", encoding="utf-8") as f:
        return re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)


def slots():
    """The fields of ct_kernels that are functions, and all of its fields."""
    body = re.search(r"typedef struct ct_kernels \{(.*?)\} ct_kernels;", source("kernels/kernels.h"), re.S)[1]
    functions = re.findall(r"\(\*(\w+)", body) + re.findall(r"ct_mul_fn \*(\w+)", body)
    others = set()
    for field in re.sub(r"\w+ \(\*\w+(\[\w+\])?\)\([^)]*\)|ct_mul_fn[^;]*", "", body).split(";"):
        others |= set(re.findall(r"(\w+)(?:\[\w+\])*\s*(?:,|$)", field.strip()))
    return functions, others


def types():
    text = source("quant/type_list.h").split("#define CT_FORMS_32")[0]
    return re.findall(r"X\((\w+),\s+\w+,\s+\d+", text)


class Kernels(Case):
    def rows(self, *args):
        return json.loads(self.ok("bench", "kernels", *args, "--json", "--quiet").stdout)["kernels"]

    def test_every_kernel_is_measured(self):
        """Every function of the table by every level, every type's product with one token and with many."""
        functions, others = slots()
        self.assertEqual(others - NO_FUNCTIONS, set(), "is this field of ct_kernels a kernel?")
        self.assertIn("mul", functions)
        self.assertGreater(len(functions), 12)
        self.assertGreater(len(types()), 25)
        rows = self.rows("--list")
        for level in {r["level"] for r in rows}:
            mine = [r for r in rows if r["level"] == level]
            for name in functions:
                if name != "acts_tiled":  # some levels have none
                    self.assertIn(name, {r["kernel"] for r in mine}, level)
            products = {(r["type"], r["work"]) for r in mine if r["kernel"] == "mul"}
            self.assertEqual(products, {(t, work) for t in types() for work in ("1 token", "512 tokens")}, level)
            for kernel in "attend", "kv_put":
                self.assertEqual({r["type"] for r in mine if r["kernel"] == kernel}, {"f16", "f32", "q8_0"}, level)
            for kernel in "set_attend", "set_put":
                self.assertEqual({r["form"] for r in mine if r["kernel"] == kernel}, {"f32", "bf16"}, level)
            self.assertEqual({r["form"] for r in mine if r["kernel"] == "acts"}, {"f32", "bf16", "q8", "grid"}, level)

    def test_every_fast_product_has_a_limit(self):
        """What a level above generic multiplies with is named, and has a peak."""
        rows = self.rows("--list", "--all-forms")
        for r in rows:
            if r["level"] != "generic" and r["unit"] == "operations" and r["kernel"] != "peak" and r["same_as"] != "generic":
                self.assertTrue(r["limit"], r)
                self.assertTrue(any(p["kernel"] == "peak" and p["type"] == r["limit"] for p in rows), r)
            if r["unit"] == "bytes":
                self.assertEqual(r["limit"], "a plain read")

    @long
    def test_tiles_of_activations(self):
        r = self.carat_or_skip("amx_plain")
        self.assertIn("acts_tiled", {x["kernel"] for x in r})

    def carat_or_skip(self, level):
        try:
            return self.rows("--list", "--cpu", level)
        except AssertionError as e:
            if "not on this machine" in str(e):
                self.skipTest("no AVX-512")
            raise

    @long
    def test_figures(self):
        """By one thread and by two: something positive, beside something positive; levels that share a function say so."""
        rows = self.rows("mul", "q4_0", "-t", "2")
        self.assertEqual({r["type"] for r in rows if r["kernel"] == "mul"}, {"Q4_0"})
        self.assertEqual({r["threads"] for r in rows}, {1, 2})
        for r in rows:
            self.assertGreater(r["per_second"], 1e6, r)
            if r["limit"]:
                self.assertGreater(r["limit_per_second"], 1e6, r)
                self.assertLess(r["per_second"], 20 * r["limit_per_second"], r)
        for r in self.rows("rmsnorm_add", "-t", "1"):
            self.assertEqual(r["threads"], 1)
            self.assertGreater(r["per_second"], 1e6)

    def test_text(self):
        text = self.ok("bench", "kernels", "rmsnorm_add", "--cpu", "generic", "-t", "1", "--quiet").stdout.decode()
        self.assertRegex(text, r"generic\n +1 thread\n")
        self.assertRegex(text, r"rmsnorm_add +rows +[\d.]+ Gval/s +\d+ %   of a copy\n")
        listed = self.ok("bench", "kernels", "--list", "--cpu", "generic").stdout.decode()
        self.assertIn("mul Q4_0 q8                  1 token      beside a plain read\n", listed)
        self.assertNotIn("Gop/s", listed)

    def test_refused(self):
        self.refused("bench", "kernels", "nothing", says="no kernel has 'nothing' in its name")
        self.refused("bench", "kernels", "--cpu", "abacus", says="'abacus' is unknown")
        self.refused("bench", "kernels", "--prompt", "3", says="--prompt", code=2)
        self.refused("bench", "x.gguf", "--all-forms", says="--all-forms is for carat bench kernels", code=2)


if __name__ == "__main__":
    main()
