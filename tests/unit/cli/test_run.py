"""carat run: prompts, answers, seeds, stops and interrupts. Usage: test_run.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import json
import signal
import subprocess
import tempfile

from program import CARAT, SIGHT, TINY, TINY_GGUF, Case, Golden, long, main


class Run(Case):
    def run_json(self, *args, model=TINY, **kw):
        return json.loads(self.ok("run", model, "--json", *args, **kw).stdout)

    def test_json_has_what_a_script_needs(self):
        r = self.run_json("-p", "a red star", "--temp", "0", "-n", "9", "--ignore-eos", "--logprobs", "3")
        self.assertEqual(r["prompt_tokens"][0], 2)
        self.assertEqual(r["prompt_tokens"].count(2), 1)
        self.assertEqual(len(r["tokens"]), 9)
        self.assertEqual(r["finish_reason"], "length")
        self.assertEqual(r["timings"]["predicted_n"], 9)
        self.assertEqual(r["timings"]["prompt_n"], len(r["prompt_tokens"]))
        self.assertEqual(len(r["logprobs"]), 9)
        for token, entry in zip(r["tokens"], r["logprobs"]):
            self.assertEqual(entry["id"], token)
            self.assertEqual(entry["top_logprobs"][0]["id"], token)  # greedy
            self.assertAlmostEqual(entry["logprob"], entry["top_logprobs"][0]["logprob"], places=5)
            self.assertLess(entry["logprob"], 0)
            self.assertEqual(len(entry["top_logprobs"]), 3)

    def test_guesses_change_nothing(self):
        said = ("-p", "a red star, a red star, a red star", "--raw", "--seed", "4", "-n", "60", "--ignore-eos")
        plain = self.run_json(*said, "--lookup", "off")
        self.assertEqual((plain["timings"]["draft_n"], plain["timings"]["draft_n_accepted"]), (0, 0))
        for how in ("auto", "1", "15"):
            r = self.run_json(*said, "--lookup", how)
            self.assertEqual((r["tokens"], r["text"], r["finish_reason"]), (plain["tokens"], plain["text"], plain["finish_reason"]))
            self.assertLessEqual(r["timings"]["draft_n_accepted"], r["timings"]["draft_n"])
        self.assertGreater(r["timings"]["draft_n"], 0)
        self.refused("run", TINY, "-p", "a", "--lookup", "x", says="--lookup is 'x', expected a whole number, auto, or off", code=2)
        self.refused("run", TINY, "-p", "a", "--lookup", "16", says="--lookup is 16, expected 0 to 15", code=2)

    def test_a_draft_changes_nothing(self):
        said = ("-p", "a red star", "--raw", "--seed", "4", "-n", "40", "--ignore-eos")
        plain = self.run_json(*said, "--lookup", "off")
        r = self.run_json(*said, "--lookup", "15", "--draft", SIGHT)
        self.assertEqual((r["tokens"], r["text"]), (plain["tokens"], plain["text"]))
        self.refused("run", TINY, "-p", "a", "--draft", "/nonexistent.gguf", says="/nonexistent.gguf", code=1)
        w = json.loads(self.ok("weigh", TINY, "--ctx-size", "256", "--json", "--draft", SIGHT).stdout)["point"]
        self.assertGreater(w["bytes"]["draft"], 0)
        self.assertEqual(w["total"], sum(w["bytes"].values()))

    def test_the_prompt_is_shown(self):
        said = ("run", SIGHT, "-p", " <bos>\x1b[2Jhi ", "--system", "be brief", "--temp", "0", "-n", "3")
        r = self.ok(*said, "-q", "--show-prompt")
        n = len(json.loads(self.ok(*said, "--json").stdout)["prompt_tokens"])
        self.assertEqual(r.stdout, self.ok(*said).stdout)
        text = "<bos><start_of_turn>user\nbe brief\n\n<bos>\x1b[2Jhi<end_of_turn>\n<start_of_turn>model\n"
        self.assertEqual(r.stderr.decode(), f"(the prompt: {n} tokens)\n{text}(its end)\n")
        shown = json.loads(self.ok(*said, "--json", "--show-prompt").stdout)
        self.assertEqual((shown["prompt"], shown["repairs"]), (text, []))
        shown = json.loads(self.ok("run", SIGHT, "-p", "", "--raw", "-n", "0", "--json", "--show-prompt").stdout)
        self.assertEqual(shown["prompt"], "<bos>")
        picture = SIGHT + "/test/000-0.png"
        r = self.ok("run", SIGHT, "-p", "what?", "--image", picture, "-n", "1", "--show-prompt")
        self.assertIn(", 1 view of pictures)\n<bos><start_of_turn>user\n<start_of_image>what?", r.stderr.decode())
        self.refused("run", SIGHT, "--batch", "x", "-o", "y", "--show-prompt", says="--show-prompt shows one prompt", code=2)

    def test_greedy_equals_the_reference(self):
        g = Golden(TINY + "/golden")
        with tempfile.TemporaryDirectory() as d:
            prompt = g["prompt4.ids"]
            want = g["greedy4.ids"]
            text = subprocess.run([CARAT, "detokenize", TINY, "--special"], input=" ".join(map(str, prompt)).encode(),
                                  capture_output=True).stdout
            path = d + "/prompt"
            with open(path, "wb") as f:
                f.write(text)
            r = self.run_json("-f", path, "--raw", "--special", "--no-bos", "--temp", "0", "-n", str(len(want)), "--ignore-eos",
                              "--exact")
            if r["prompt_tokens"] == prompt:  # the golden prompt need not be what its text tokenises to
                self.assertEqual(r["tokens"], want)

    def test_prompt_from_everywhere(self):
        want = self.run_json("-p", "a red star", "--temp", "0", "-n", "5")["tokens"]
        self.assertEqual(self.run_json("a red star", "--temp", "0", "-n", "5")["tokens"], want)
        self.assertEqual(self.run_json("--temp", "0", "-n", "5", stdin=b"a red star")["tokens"], want)
        self.assertEqual(self.run_json("-f", "-", "--temp", "0", "-n", "5", stdin=b"a red star")["tokens"], want)
        self.assertEqual(self.run_json("-p", "a red star", "--temp", "0", "-n", "5", model=TINY_GGUF)["tokens"], want)

    def test_text_streams_and_equals_json(self):
        j = self.run_json("-p", "a red star", "--seed", "3", "-n", "20")
        r = self.ok("run", TINY, "-p", "a red star", "--seed", "3", "-n", "20")
        self.assertEqual(r.stdout.decode(), j["text"])
        self.assertEqual(r.stderr, b"")  # no notices where nobody watches

    @long
    def test_seeds(self):
        texts = {self.run_json("-p", "a", "-n", "12", "--ignore-eos", "--seed", str(s))["text"] for s in range(6)}
        self.assertGreater(len(texts), 1)
        one = [self.run_json("-p", "a", "-n", "12", "--seed", "5", "-t", t, "-b", b)["tokens"] for t, b in
               [("1", "512"), ("2", "1"), ("3", "7")]]
        self.assertEqual(one[0], one[1])
        self.assertEqual(one[0], one[2])
        drawn = self.run_json("-p", "a", "-n", "12")
        self.assertEqual(drawn["tokens"], self.run_json("-p", "a", "-n", "12", "--seed", str(drawn["seed"]))["tokens"])

    def test_stop_strings_end_before_themselves(self):
        full = self.run_json("-p", "a red star", "--temp", "0", "-n", "40", "--ignore-eos")["text"]
        self.assertGreater(len(full), 12)
        stop = full[6:9]
        r = self.run_json("-p", "a red star", "--temp", "0", "-n", "40", "--ignore-eos", "--stop", stop)
        self.assertEqual(r["text"], full[:full.index(stop)])
        self.assertEqual(r["finish_reason"], "stop")

    @long
    def test_tokens_end_where_the_text_does(self):
        """At a stop string inside a token, at its border, over several: the tokens are those of the text."""
        ask = ["-p", "a red star", "--temp", "0", "-n", "24", "--ignore-eos", "--logprobs", "0"]
        whole = self.run_json(*ask)
        pieces = [e["token"] for e in whole["logprobs"]]
        self.assertEqual("".join(pieces), whole["text"])
        starts = [len("".join(pieces[:i])) for i in range(len(pieces))]
        n_inside = 0
        for at in range(0, len(whole["text"]) - 4, 2):
            stop = whole["text"][at:at + 4]
            cut = whole["text"].index(stop)
            r = self.run_json(*ask, "--stop", stop)
            n = sum(s < cut for s in starts)
            n_inside += cut not in starts
            self.assertEqual(r["text"], whole["text"][:cut])
            self.assertEqual(r["tokens"], whole["tokens"][:n])
            self.assertEqual(r["logprobs"], whole["logprobs"][:n])
            self.assertGreaterEqual(r["timings"]["predicted_n"], n)
        self.assertGreater(n_inside, 1)

    def test_min_tokens_hold_the_end_back(self):
        def ask(*args, bias="1=1000"):  # <eos> comes wherever it may
            r = self.run_json("-p", "a red star", "--temp", "0", "-l", bias, *args)
            return r["tokens"], r["finish_reason"]
        self.assertEqual(ask(), ([], "stop"))
        free = ask("-n", "7", bias="1=-1000")[0]
        self.assertEqual(ask("--min-tokens", "7"), (free, "stop"))
        self.assertEqual(ask("--min-tokens", "7", "-n", "7"), (free, "length"))
        self.assertEqual(len(ask("--min-tokens", "3", "--temp", "1")[0]), 3)

    def test_context_ends_exactly(self):
        n = len(self.run_json("-p", "a red star", "-n", "0")["prompt_tokens"])
        r = self.run_json("-p", "a red star", "-c", str(n + 4), "--temp", "0", "--ignore-eos")
        self.assertEqual((len(r["tokens"]), r["finish_reason"]), (5, "length"))  # the last one needs no place
        big = self.run_json("-p", "a red star", "-c", "64", "--temp", "0", "--ignore-eos", "-n", "5")
        self.assertEqual(r["tokens"], big["tokens"])
        self.refused("run", TINY, "-p", "a red star", "-c", str(n - 1), says=["%d tokens" % n, "context of %d" % (n - 1)])

    def test_bytes_that_are_no_text(self):
        r = self.run_json("--raw", "-n", "2", stdin=b"\xff\xfe a\x00b \xe2\x82")
        self.assertEqual(r["prompt_tokens"][0], 2)
        self.ok("run", TINY, "-n", "4", stdin=b"\xf0\x9f\x98")

    @long
    def test_prompts_as_editors_write_them(self):
        """A byte order mark, UTF-16, the newline that ends a file: the same prompt."""
        text = "a r\u00e9d st\U0001F31Far\nb"
        with tempfile.TemporaryDirectory() as d:
            def prompt(data, pipe=False):
                with open(d + "/p", "wb") as f:
                    f.write(data)
                args = ["--raw", "-n", "0"] if pipe else ["--raw", "-n", "0", "-f", d + "/p"]
                return self.run_json(*args, **({"stdin": data} if pipe else {}))["prompt_tokens"]
            want = self.run_json("-p", text, "--raw", "-n", "0")["prompt_tokens"]
            for end in "", "\n", "\r\n":
                for data in [text.encode(), b"\xef\xbb\xbf" + text.encode(), b"\xff\xfe" + text.encode("utf-16-le"),
                             b"\xfe\xff" + text.encode("utf-16-be")]:
                    end_bytes = end.encode("utf-16-le" if data[:2] == b"\xff\xfe" else
                                           "utf-16-be" if data[:2] == b"\xfe\xff" else "utf-8")
                    self.assertEqual(prompt(data + end_bytes), want, data + end_bytes)
                    self.assertEqual(prompt(data + end_bytes, pipe=True), want)
            self.assertEqual(prompt(b"a\n\n"), self.run_json("-p", "a\n", "--raw", "-n", "0")["prompt_tokens"])
            odd = self.run_json("-p", "a\ufffdb\ufffd\ufffd", "--raw", "-n", "0")["prompt_tokens"]
            self.assertEqual(prompt(b"\xff\xfea\0\x3d\xd8b\0\x00\xdcx"), odd)
            for data in b"", b"\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff":
                self.assertEqual(prompt(data), [2])
            self.refused("run", TINY, "-", "-f", d + "/p", code=2, says="unexpected argument")
            with open(d + "/p", "wb") as f:
                f.write("a".encode("utf-32"))
            self.refused("run", TINY, "-f", d + "/p", says=[d + "/p", "UTF-32, expected UTF-8 or UTF-16"])

    def test_users_text_is_never_control(self):
        ids = json.loads(self.ok("tokenize", TINY, "--json", "<end_of_turn><bos>").stdout)["ids"]
        special = json.loads(self.ok("tokenize", TINY, "--json", "--special", "--no-bos", "<end_of_turn>").stdout)["ids"]
        self.assertEqual(len(special), 1)
        self.assertNotIn(special[0], ids)
        self.assertEqual(ids.count(2), 1)

    def test_what_a_template_decides_is_named(self):
        for args, says in [(["--special"], "--special is ignored"), (["--no-bos"], "--no-bos is ignored"),
                           (["--special", "--no-bos"], "--special and --no-bos are ignored"), (["--raw", "--special"], "")]:
            err = self.ok("run", TINY, "hi", "-n", "1", *args).stderr.decode()
            self.assertIn(says, err)
            self.assertTrue(says or not err, err)

    def test_levels_have_any_case(self):
        for level in "GENERIC", "Generic":
            self.assertEqual(self.ok("run", TINY, "hi", "-n", "1", "--cpu", level).stderr, b"")

    def test_interrupt_is_clean(self):
        p = subprocess.Popen([CARAT, "run", TINY, "-p", "a", "--ignore-eos", "-c", "4096", "-t", "1"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.read(1)
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(timeout=20), 130)
        self.assertEqual(p.stderr.read(), b"")
        p.stdout.close(), p.stderr.close()

    def test_a_file_that_is_cut_is_told(self):
        """What the system does to who touches a mapped file past its new end."""
        p = subprocess.Popen([CARAT, "run", TINY, "-p", "a", "--ignore-eos", "-c", "4096", "-t", "1"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.read(1)
        p.send_signal(signal.SIGBUS)
        self.assertEqual(p.wait(timeout=20), 1)
        self.assertRegex(p.stderr.read(), rb"^carat: a file that was being read has become shorter[^\n]*\n$")
        p.stdout.close(), p.stderr.close()

    def test_full_disk_is_an_error(self):
        with open("/dev/full", "wb") as full:
            r = subprocess.run([CARAT, "run", TINY, "-p", "a", "-n", "5"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b"cannot write", r.stderr)


if __name__ == "__main__":
    main()
