"""carat list and carat rm: what was pulled, and removing it. Usage: test_store.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os

from hub_case import REPO, Case, data
from program import main
from stand_in import COMMIT

class Removing(Case):
    def setUp(self):
        super().setUp()
        self.hub.add(REPO, {"m-Q4_K_M.gguf": data(10), "m-Q8_0.gguf": data(20), "mmproj-F16.gguf": data(30)})
        self.pull(REPO + ":Q4_K_M"), self.pull(REPO + ":Q8_0")

    def test_what_another_model_needs_stays(self):
        r = self.run_("rm", REPO + ":Q8_0", "-y")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(self.files(), {"m-Q4_K_M.gguf", "mmproj-F16.gguf"})
        self.run_("rm", REPO, "-y")
        self.assertFalse(os.path.exists(self.at("o")))
        self.assertTrue(os.path.isdir(self.at()))

    def test_a_name_that_means_several_is_refused(self):
        for command in ("rm", "-y"), ("info",):
            text = self.fails(command[0], REPO, *command[1:], says="means several models")
            self.assertIn(REPO + ":Q4_K_M", text)
            self.assertIn(REPO + ":Q8_0", text)
        self.assertEqual(len(self.models()), 2)

    def test_the_name_it_was_pulled_under_is_no_longer_ambiguous(self):
        self.run_("rm", REPO + ":Q8_0", "-y")
        self.pull(REPO, "-y")  # takes the best, Q8_0
        self.assertEqual({m["type"]: m["asked"] for m in self.models()}, {"Q4_K_M": "", "Q8_0": REPO})
        self.run_("rm", REPO, "-y")
        self.assertEqual([m["type"] for m in self.models()], ["Q4_K_M"])

    def test_files_that_a_newer_commit_has_no_more_go(self):
        self.hub.repos[REPO]["files"] = {"new-Q8_0.gguf": data(21), "m-Q4_K_M.gguf": data(10)}
        self.pull(REPO + ":Q8_0")
        self.assertEqual(self.files(), {"m-Q4_K_M.gguf", "mmproj-F16.gguf", "new-Q8_0.gguf"})
        self.pull(REPO + ":Q4_K_M")
        self.assertEqual(self.files(), {"m-Q4_K_M.gguf", "new-Q8_0.gguf"})

    def test_nobody_is_asked_where_nobody_is(self):
        self.fails("rm", REPO + ":Q8_0", says="-y removes without asking", code=2)
        self.assertEqual(len(self.models()), 2)

    def test_only_what_was_pulled_goes(self):
        mine = self.at(REPO, "notes.txt")
        with open(mine, "w") as f:
            f.write("mine")
        for name in "../x", "/etc/passwd", self.at(REPO), ".", "", "o", "%s:../x" % REPO:
            with self.subTest(name):
                self.fails("rm", "-y", "--", name, says="nothing was pulled under the name")
        self.run_("rm", REPO + ":Q8_0", REPO + ":Q4_K_M", "-y")
        self.assertEqual(self.files(), {"notes.txt"})

    def test_a_manifest_that_leads_out_is_not_believed(self):
        victim = self.path("victim", b"precious")
        manifest = json.loads(self.read(REPO, "carat-manifest.json"))
        for change in [lambda m: m["files"][0].update(file="../../../victim"), lambda m: m.update(path="../../../victim"),
                       lambda m: m["files"][0].update(file=victim), lambda m: m.update(tag="../x"),
                       lambda m: m["files"][0].update(size=-1), lambda m: m["files"][0].update(sha256="x"),
                       lambda m: m.update(files=[])]:
            m = json.loads(json.dumps(manifest))
            change(m["models"][0])
            with open(self.at(REPO, "carat-manifest.json"), "w") as f:
                json.dump(m, f)
            r = self.run_("list")
            self.assertEqual(r.returncode, 0)
            self.assertIn("left out", r.stderr)
            self.fails("rm", REPO + ":Q8_0", "-y", says="nothing was pulled")
        self.assertTrue(os.path.exists(victim))

    def test_a_link_is_removed_and_not_what_it_leads_to(self):
        victim = self.path("victim", data(20))
        os.unlink(self.at(REPO, "m-Q8_0.gguf"))
        os.symlink(victim, self.at(REPO, "m-Q8_0.gguf"))
        self.run_("rm", REPO + ":Q8_0", "-y")
        self.assertTrue(os.path.exists(victim))
        self.assertNotIn("m-Q8_0.gguf", self.files())


class Listing(Case):
    def test_where_models_are_kept(self):
        self.add(10)
        for env, folder in [({"CARAT_MODELS": self.path("a") + "//"}, "a"), ({"CARAT_MODELS": "", "XDG_DATA_HOME": self.path("b")}, "b/carat/models"),
                            ({"CARAT_MODELS": ""}, ".local/share/carat/models")]:
            self.assertEqual(self.pull(REPO, env=env).stdout.strip(), self.path(folder) + "/" + REPO + "/m-Q4_K_M.gguf")
        self.fails("list", says="expected an absolute path", env={"CARAT_MODELS": "models"})

    def test_a_table_and_json(self):
        self.assertIn("nothing was pulled", self.run_("list").stderr)
        whole = self.add()
        self.pull(REPO)
        row = self.run_("list").stdout.splitlines()[1].split()
        self.assertEqual(row[:4], [REPO + ":Q4_K_M", "293.0", "KiB", "Q4_K_M"])
        self.assertEqual(row[-1], self.at(REPO, "m-Q4_K_M.gguf"))
        m, = self.models()
        self.assertEqual(m["commit"], COMMIT)
        self.assertEqual(m["files"], [{"file": "m-Q4_K_M.gguf", "bytes": 300000, "sha256": hashlib.sha256(whole).hexdigest()}])


if __name__ == "__main__":
    main()
