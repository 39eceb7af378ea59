"""carat pull against a stand-in of the hub: which files come, and that they are found. Usage: test_pull.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import resource
import select
import signal
import time
import unittest

from hub_case import REPO, Case, data
from program import CARAT, SANITIZED, TINY, TINY_GGUF, main, on_terminal
from stand_in import COMMIT

class Names(Case):
    def test_a_quantisation_a_file_and_a_url(self):
        files = {"m-Q4_K_M.gguf": data(1000), "m-Q8_0.gguf": data(2000), "sub/m-F16.gguf": data(3000)}
        self.hub.add(REPO, files)
        for args, file in [((REPO + ":q4_k_m",), "m-Q4_K_M.gguf"), ((REPO + ":m-Q8_0.gguf",), "m-Q8_0.gguf"),
                           ((REPO, "--file", "sub/m-F16.gguf"), "sub/m-F16.gguf"),
                           ((self.hub.url() + "/" + REPO + "/resolve/main/m-Q8_0.gguf?download=true",), "m-Q8_0.gguf"),
                           ((self.hub.url() + "/" + REPO + "/blob/" + COMMIT + "/m-Q4_K_M.gguf",), "m-Q4_K_M.gguf")]:
            with self.subTest(args):
                self.assertEqual(self.pull(*args).stdout, self.at(REPO, file) + "\n")
                self.assertEqual(self.read(REPO, file), files[file])

    def test_what_is_no_name_is_refused_without_asking_anyone(self):
        for name in ["", "a", "../../etc", "o/..", "o/r/x.gguf", "/o/r", "o//r", "o/r:", "o/r:../x", "o/r\x1b[2J", "o/" + "r" * 200,
                     "hf.co/o", "https://evil@127.0.0.1/o/r", "https://huggingface.co/o/r/resolve/main/../../x", "-x/y"]:
            with self.subTest(name=name):
                self.fails("pull", "--", name, says="is no name of a model")
        self.fails("pull", "https://huggingface.co/o/r", says="is not the hub that is asked")
        self.fails("pull", "o/r", "--revision", "../x", says="is no revision")
        self.assertEqual(self.hub.seen, [])

    def test_the_hubs_own_spelling_is_kept(self):
        self.hub.add("o/Gemma-3-GGUF", {"m-Q8_0.gguf": data(10)})
        self.hub.repos["O/gemma-3-gguf"] = dict(self.hub.repos["o/Gemma-3-GGUF"], more={"id": "o/Gemma-3-GGUF"})
        self.assertEqual(self.pull("O/gemma-3-gguf").stdout, self.at("o/Gemma-3-GGUF/m-Q8_0.gguf") + "\n")
        self.assertEqual(os.listdir(self.at()), ["o"])
        self.assertEqual([m["name"] for m in self.models()], ["o/Gemma-3-GGUF:Q8_0"])

    def test_short_names(self):
        self.hub.add("ggml-org/gemma-3-4b-it-GGUF", {"gemma-3-4b-it-Q4_K_M.gguf": data(10), "gemma-3-4b-it-Q8_0.gguf": data(20)})
        self.pull("gemma3:4b-it-q8_0")
        self.assertEqual([m["name"] for m in self.models()], ["ggml-org/gemma-3-4b-it-GGUF:Q8_0"])
        listed = json.loads(self.run_("list", "--available", "--json").stdout)["available"]
        self.assertIn("ggml-org/gemma-3-4b-it-GGUF", [a["repository"] for a in listed if "gemma3:4b" in a["names"].split()])
        self.assertTrue(all(a["licence"] for a in listed))

    def test_what_is_not_there_is_said_with_what_is(self):
        self.add()
        self.hub.repos[REPO]["files"]["m-Q8_0.gguf"] = data(5)
        self.fails("pull", REPO + ":Q5_K_S", says="has no Q5_K_S; it has Q8_0, Q4_K_M")
        self.fails("pull", REPO, "--file", "m-Q4_K_N.gguf", says="did you mean m-Q4_K_M.gguf?")
        self.fails("pull", REPO, "--revision", "v9", says="has no revision 'v9'")
        self.fails("pull", "ggml-org/gemma-3-4b-it-GUF", says="did you mean ggml-org/gemma-3-4b-it-GGUF?")
        self.hub.add("o/empty", {"README.md": b"x"})
        self.fails("pull", "o/empty", says="has no model")


class Whole(Case):
    def test_a_pulled_model_runs_by_every_name(self):
        with open(TINY_GGUF, "rb") as f:
            self.hub.add("ggml-org/gemma-3-4b-it-GGUF", {"gemma-3-4b-it-F32.gguf": f.read()}, gguf={"architecture": "gemma3"})
        self.pull("gemma-3-4b-it", "-y")
        for name in ["gemma-3-4b-it", "gemma3:4b", "GGML-org/gemma-3-4b-it-gguf", "ggml-org/gemma-3-4b-it-GGUF:F32",
                     "gemma-3-4b-it-GGUF", "gemma-3-4b-it-GGUF:f32", "gemma-3-4b-it-F32.gguf", "gemma-3-4b-it-F32",
                     "hf.co/ggml-org/gemma-3-4b-it-GGUF"]:
            with self.subTest(name):
                self.assertEqual(json.loads(self.run_("info", name, "--json").stdout)["path"],
                                 self.at("ggml-org/gemma-3-4b-it-GGUF/gemma-3-4b-it-F32.gguf"))
        r = self.run_("run", "gemma-3-4b-it", "a red star", "--raw", "--temp", "0", "-n", "4", "--json")
        direct = self.run_("run", TINY_GGUF, "a red star", "--raw", "--temp", "0", "-n", "4", "--json")
        self.assertEqual(json.loads(r.stdout)["tokens"], json.loads(direct.stdout)["tokens"], r.stderr)
        self.assertEqual(self.run_("tokenize", "gemma-3-4b-it", "a b").stdout, self.run_("tokenize", TINY_GGUF, "a b").stdout)
        self.assertEqual(json.loads(self.run_("weigh", "gemma-3-4b-it", "--json").stdout)["point"],
                         json.loads(self.run_("weigh", TINY_GGUF, "--json").stdout)["point"])

    def test_a_path_wins_and_nothing_says_what_to_do(self):
        self.fails("run", "gemma-3-1b-it", "x", says=["no file 'gemma-3-1b-it', and nothing was pulled under that name",
                                                      "carat pull gemma-3-1b-it would fetch it"])
        self.fails("info", "gemma-3-1b-itt", says="did you mean gemma-3-1b-it?")
        self.fails("info", "./gemma-3-1b-it", says="No such file")
        with open(os.path.join(self.dir.name, "gemma-3-1b-it"), "wb") as f:
            f.write(b"no model")
        self.fails("info", "gemma-3-1b-it", says="gemma-3-1b-it: ", cwd=self.dir.name)

    def test_a_split_file_comes_whole(self):
        parts = {"Q8_0/m-Q8_0-0000%d-of-00003.gguf" % i: data(1000 + i, i) for i in (1, 2, 3)}
        self.hub.add(REPO, {**parts, "mmproj-F16.gguf": data(70), "mmproj-BF16.gguf": data(71), "imatrix.gguf": data(5)})
        out = self.pull(REPO + ":Q8_0").stdout.strip()
        self.assertEqual(out, self.at(REPO, "Q8_0/m-Q8_0-00001-of-00003.gguf"))
        self.assertEqual(self.files(), {*parts, "Q8_0/mmproj-BF16.gguf"})  # where the loader looks for it
        del self.hub.repos[REPO]["files"]["Q8_0/m-Q8_0-00002-of-00003.gguf"]
        self.fails("pull", REPO + ":Q8_0", says="lacks 1 part")

    def test_mmproj_is_chosen(self):
        self.hub.add(REPO, {"m-Q8_0.gguf": data(1), "mmproj-F16.gguf": data(70), "mmproj-F32.gguf": data(71)})
        self.pull(REPO, "--mmproj", "none")
        self.assertEqual(self.files(), {"m-Q8_0.gguf"})
        self.pull(REPO, "--mmproj", "mmproj-F32.gguf")
        self.assertEqual(self.files(), {"m-Q8_0.gguf", "mmproj-F32.gguf"})
        self.fails("pull", REPO, "--mmproj", "mmproj-F64.gguf", says="has no GGUF file 'mmproj-F64.gguf'")

    def folder(self, source, **more):
        files = {}
        for name in os.listdir(source):
            if os.path.isfile(os.path.join(source, name)):
                with open(os.path.join(source, name), "rb") as f:
                    files[name] = f.read()
        return {**files, **more}

    def test_a_folder_of_safetensors(self):
        self.hub.add("o/tiny", self.folder(TINY, **{"pytorch_model.bin": b"x", "consolidated.safetensors": b"y"}))
        self.assertEqual(self.pull("o/tiny").stdout.strip(), self.at("o/tiny"))
        self.assertNotIn("pytorch_model.bin", self.files("o/tiny"))
        self.assertNotIn("consolidated.safetensors", self.files("o/tiny"))
        r = json.loads(self.run_("info", "tiny", "--json").stdout)
        self.assertEqual(r["path"], self.at("o/tiny"))
        self.assertEqual([(m["name"], m["type"]) for m in self.models()], [("o/tiny:safetensors", "safetensors")])
        self.assertEqual(self.run_("rm", "tiny", "-y").returncode, 0)
        self.assertFalse(os.path.exists(self.at("o")))

    def test_an_index_names_what_must_have_come(self):
        files = {"config.json": b"{}", "tokenizer.json": b"{}", "model-00001-of-00002.safetensors": data(10),
                 "model.safetensors.index.json": json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors",
                                                                            "b": "model-00002-of-00002.safetensors"}}).encode()}
        self.hub.add("o/shards", files)
        self.fails("pull", "o/shards", says="has b in model-00002-of-00002.safetensors, which the repository lacks")
        self.assertEqual([m["complete"] for m in self.models()], [False])
        files["model-00002-of-00002.safetensors"] = data(20)
        self.pull("o/shards")
        self.assertEqual(self.files("o/shards"), set(files))

    def test_another_architecture_is_refused_before_a_byte_of_it_comes(self):
        self.add(gguf={"architecture": "llama"})
        self.fails("pull", REPO, says=["architecture 'llama'", "--any"])
        self.assertEqual(self.hub.stored, [])
        self.pull(REPO, "--any")

    def test_what_is_there_is_not_fetched_again(self):
        self.add()
        self.pull(REPO)
        n = len(self.hub.stored)
        self.pull(REPO)
        self.assertEqual(len(self.hub.stored), n)
        os.unlink(self.at(REPO, "carat-manifest.json"))  # known by its bytes, too
        self.pull(REPO)
        self.assertEqual(len(self.hub.stored), n)
        with open(self.at(REPO, "m-Q4_K_M.gguf"), "ab") as f:
            f.write(b"more")
        self.fails("info", REPO, says="its files are not as they were pulled")
        self.assertIn("incomplete", self.run_("list").stdout)
        self.pull(REPO)
        self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), data(300000))


class Best(Case):
    SIZES = {"Q4_K_M": 250, "Q8_0": 290, "BF16": 540, "Q2_K": 200}

    def setUp(self):
        super().setUp()
        self.hub.add(REPO, {"m-%s.gguf" % q: data(n) for q, n in self.SIZES.items()})

    def test_without_a_quantisation_the_best_that_fits_is_taken_and_said(self):
        r = self.pull(REPO)
        self.assertEqual(self.files(), {"m-Q8_0.gguf"})
        self.assertIn("Q8_0 is the best of them that this machine holds", r.stderr)
        rows = [line.split() for line in r.stderr.splitlines()]
        self.assertEqual([row[1] for row in rows if row and row[0].isdigit()], ["Q2_K", "Q4_K_M", "*Q8_0", "BF16"])
        weighed = json.loads(self.run_("weigh", "gemma-3-270m-it", "--quant", "q8_0", "--no-vision", "--ctx", "8192", "--json").stdout)
        total = weighed["point"]["total"] / 2**20
        self.assertIn("%.1f MiB" % total, r.stderr)

    @unittest.skipIf(SANITIZED, "a sanitizer's shadow is memory, too")
    def test_where_memory_is_small_less_is_best_or_none(self):
        def limit(mib):
            return lambda: resource.setrlimit(resource.RLIMIT_DATA, (mib << 20, mib << 20))
        need = {q: json.loads(self.run_("weigh", "gemma-3-270m-it", "--quant", q.lower(), "--no-vision", "--ctx", "8192",
                                        "--json").stdout)["point"]["total"] for q in self.SIZES}
        between = (need["Q4_K_M"] + need["Q8_0"]) // 2 // 2**20 + 8  # what the process holds already
        self.pull(REPO, preexec_fn=limit(between))
        self.assertEqual(self.files(), {"m-Q4_K_M.gguf"})
        self.fails("pull", REPO, says=["none fits", "Q2_K needs", REPO + ":Q2_K pulls it all the same"], preexec_fn=limit(100))
        self.pull(REPO + ":Q2_K", preexec_fn=limit(100))

    def terminal(self, *answers):
        """carat pull at a pseudo-terminal; what it shows and its exit code."""
        pid, fd = on_terminal([CARAT, "pull", REPO], dict(self.env, TERM="xterm"))
        seen, left = b"", list(answers)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            try:
                more = os.read(fd, 65536)
            except OSError:
                more = b""
            if not more:
                break
            seen += more
            if left and (seen.endswith(b"] ") or seen.endswith(b"? ")):
                os.write(fd, left.pop(0))
        os.close(fd)
        return seen.decode(errors="replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_at_a_terminal_it_asks(self):
        for answers, file in [([b"\n"], "m-Q8_0.gguf"), ([b"9\n", b"1\n"], "m-Q2_K.gguf"), ([b"bf16\n"], "m-BF16.gguf")]:
            with self.subTest(answers):
                seen, code = self.terminal(*answers)
                self.assertEqual(code, 0, seen)
                self.assertIn("which one? [Q8_0]", seen)
                self.assertIn(file, self.files())
        before = self.files()
        for no in b"q\n", b"\x04":
            seen, code = self.terminal(no)
            self.assertEqual((code, self.files()), (1, before), seen)
        self.assertEqual(self.terminal(b"\x03")[1], -signal.SIGINT)


if __name__ == "__main__":
    main()
