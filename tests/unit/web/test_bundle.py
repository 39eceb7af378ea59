"""web/dist is what `make web` makes of web/src: found out without Node, by the hashes that the build wrote down.
Usage: test_bundle.py ROOT

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import unittest

WEB = os.path.abspath(sys.argv[1]) + "/web"
BESIDE = ("build.mjs", "package.json", "package-lock.json")


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def hash_of_sources(web):
    """As web/build.mjs computes it: lines of hash and path, by path."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(web + "/src") for name in names]
    rows = [(os.path.relpath(p, web).replace(os.sep, "/"), sha256(p)) for p in paths + [f"{web}/{name}" for name in BESIDE]]
    return hashlib.sha256("".join(f"{digest}  {path}\n" for path, digest in sorted(rows)).encode()).hexdigest()


def faults(web):
    with open(web + "/dist/built-from.json", encoding="utf-8") as f:
        built = json.load(f)
    found = [] if built["sources"] == hash_of_sources(web) else ["the sources have changed since `make web`"]
    there = sorted(set(os.listdir(web + "/dist")) - {"built-from.json"})
    if there != sorted(built["files"]):
        found.append(f"web/dist has {there}")
    return found + [f"dist/{name} is not as it was built" for name in there if built["files"].get(name) != sha256(f"{web}/dist/{name}")]


class Bundle(unittest.TestCase):
    def test_the_bundle_is_current(self):
        self.assertEqual(faults(WEB), [])

    def test_a_change_is_noticed(self):
        with tempfile.TemporaryDirectory() as d:
            web = d + "/web"
            shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("node_modules"))
            for name, says in (("src/main.tsx", "sources"), ("package-lock.json", "sources"), ("dist/page.js", "dist/page.js")):
                with open(f"{web}/{name}", "a", encoding="utf-8") as f:
                    f.write("\n")
                self.assertTrue(any(says in fault for fault in faults(web)), name)
                shutil.copyfile(f"{WEB}/{name}", f"{web}/{name}")
                self.assertEqual(faults(web), [])
            with open(web + "/src/more.ts", "w", encoding="utf-8"):
                pass
            self.assertNotEqual(faults(web), [])

    def test_versions_are_exact(self):
        with open(WEB + "/package.json", encoding="utf-8") as f:
            package = json.load(f)
        for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
            self.assertRegex(version, r"^\d+\.\d+\.\d+$", name)

    def test_licences_are_there(self):
        with open(WEB + "/dist/licences.txt", encoding="utf-8") as f:
            text = f.read()
        for name in ("preact", "@preact/signals", "@preact/signals-core", "marked", "dompurify", "highlight.js"):
            self.assertTrue(re.search(rf"^{re.escape(name)} \d", text, re.M), name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
