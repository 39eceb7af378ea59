"""carat pull where the hub, the network or the disk are not as they should be. Usage: test_faults.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os
import resource
import signal
import subprocess
import time

from hub_case import REPO, Case, data
from program import CARAT, long, main
from stand_in import CERTIFICATE, COMMIT

class Resuming(Case):
    def test_a_cut_connection_is_continued_where_it_was(self):
        whole = self.add(1 << 20)
        self.hub.faults.cut = [300000, 200000]
        self.pull(REPO)
        self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), whole)
        ranges = [h.get("Range") for h in self.asked("m-Q4_K_M", self.hub.stored)]
        self.assertEqual(ranges, [None, "bytes=300000-", "bytes=500000-"])
        self.assertTrue(all("If-Range" in h for h in self.asked("m-Q4_K_M", self.hub.stored)[1:]))

    def test_without_ranges_it_begins_again(self):
        whole = self.add(1 << 20)
        self.hub.faults.cut = [300000]
        self.hub.faults.ranges = False
        r = self.pull(REPO)
        self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), whole)
        self.assertIn("does not continue; it begins again", r.stderr)

    def test_ctrl_c_keeps_what_has_come_and_the_next_pull_goes_on(self):
        whole = self.add(4 << 20)
        self.hub.faults.pause = 0.02
        for sig in signal.SIGINT, signal.SIGTERM:
            p = subprocess.Popen([CARAT, "pull", REPO], env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
            part, had = self.at(REPO, "m-Q4_K_M.gguf.part"), os.path.getsize(self.at(REPO, "m-Q4_K_M.gguf.part")) if self.files() else 0
            end = time.monotonic() + 20
            while not (os.path.exists(part) and os.path.getsize(part) > had + 200000) and time.monotonic() < end:
                time.sleep(0.01)
            p.send_signal(sig)
            out, err = p.communicate(timeout=20)
            self.assertEqual((p.returncode, out), (130, b""), err)
            self.assertIn(b"what has arrived is kept", err)
            self.assertEqual(self.files(), {"m-Q4_K_M.gguf.part", "m-Q4_K_M.gguf.part.json"})
        had = os.path.getsize(part)
        self.hub.faults.pause = 0
        self.pull(REPO)
        self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), whole)
        self.assertEqual(self.hub.stored[-1][1]["Range"], "bytes=%d-" % had)
        self.assertEqual([m["complete"] for m in self.models()], [True])
        self.assertEqual(self.files(), {"m-Q4_K_M.gguf"})

    def test_what_is_not_finished_is_seen_and_can_be_removed(self):
        self.add(1 << 20)
        self.hub.repos[REPO]["files"]["mmproj-F16.gguf"] = data(5)
        self.hub.faults.cut = [300000]
        self.hub.faults.api = []
        self.hub.faults.file = [(200, {})]  # an empty answer where a megabyte was announced
        self.fails("pull", REPO + ":Q4_K_M", says="were announced and 2 are sent")
        self.assertEqual((self.models(), self.files()), ([], set()))  # nothing came: nothing is left to be seen
        self.hub.faults.redirect = lambda url: url if not self.hub.stored else "https://127.0.0.1:1/x"
        self.fails("pull", REPO + ":Q4_K_M", says="127.0.0.1")
        self.assertEqual([(m["name"], m["complete"]) for m in self.models()], [(REPO + ":Q4_K_M", False)])
        self.assertIn("incomplete", self.run_("list").stdout)
        self.fails("run", REPO, "x", says=["its files are not as they were pulled", "carat pull %s:Q4_K_M fetches what is missing" % REPO])
        self.assertEqual(self.files(), {"m-Q4_K_M.gguf.part", "m-Q4_K_M.gguf.part.json"})
        self.assertEqual(self.run_("rm", REPO, "-y").returncode, 0)
        self.assertFalse(os.path.exists(self.at("o")))

    def test_one_that_is_not_finished_hides_none_that_is(self):
        self.add(1 << 20)
        self.pull(REPO)
        self.hub.repos[REPO]["files"]["m-Q8_0.gguf"] = data(1 << 20, 8)
        self.hub.faults.cut = [300000]
        self.hub.faults.redirect = lambda url: url if len(self.hub.stored) < 2 else "https://127.0.0.1:1/x"
        self.fails("pull", REPO + ":Q8_0", says="127.0.0.1")
        self.assertEqual({m["type"]: m["complete"] for m in self.models()}, {"Q4_K_M": True, "Q8_0": False})
        name = REPO.split("/")[1]
        self.fails("info", name, says=self.at(REPO, "m-Q4_K_M.gguf"))  # that is no model, but it is opened
        self.fails("rm", name, "-y", says="means several models")

    def part(self, content, note):
        os.makedirs(self.at(REPO), exist_ok=True)
        with open(self.at(REPO, "m-Q4_K_M.gguf.part"), "wb") as f:
            f.write(content)
        if note is not None:
            with open(self.at(REPO, "m-Q4_K_M.gguf.part.json"), "w") as f:
                f.write(note)

    @long
    def test_a_part_of_something_else_is_not_continued(self):
        whole = self.add()
        own = json.dumps({"of": hashlib.sha256(whole).hexdigest(), "etag": ""})
        other = json.dumps({"of": "0" * 64, "etag": ""})
        for content, note, continued in [(whole[:1000], own, "bytes=1000-"), (whole[:1000], other, None), (whole[:1000], None, None),
                                         (whole[:1000], "{", None), (whole + b"more", own, None), (whole, own, "none")]:
            with self.subTest(note=note, n=len(content)):
                self.dir.cleanup(), os.makedirs(self.dir.name)
                self.hub.stored.clear()
                self.part(content, note)
                self.pull(REPO)
                self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), whole)
                ranges = [h.get("Range") for _, h in self.hub.stored]
                self.assertEqual(ranges, [] if continued == "none" else [continued])

    def test_a_part_with_wrong_bytes_is_found_out(self):
        whole = self.add()
        self.part(b"x" * 1000, json.dumps({"of": hashlib.sha256(whole).hexdigest(), "etag": ""}))
        self.fails("pull", REPO, says=["its SHA-256 is", "thrown away"])
        self.assertEqual(self.files(), set())
        self.pull(REPO)

    def test_where_the_hub_states_no_hash_only_a_strong_tag_lets_it_continue(self):
        whole = self.add(1 << 20)
        self.hub.faults.no_hash = True
        for etag, want in [(True, "bytes=300000-"), (False, None)]:
            with self.subTest(etag=etag):
                self.dir.cleanup(), os.makedirs(self.dir.name)
                self.hub.stored.clear()
                self.hub.faults.etag, self.hub.faults.cut = etag, [300000]
                r = self.pull(REPO)
                self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), whole)
                self.assertIn("states no hash", r.stderr)
                self.assertEqual(self.hub.stored[1][1].get("Range"), want)

    @long
    def test_two_pulls_at_once_take_turns(self):
        whole = self.add(2 << 20)
        self.hub.faults.pause = 0.02
        ps = [subprocess.Popen([CARAT, "pull", REPO], env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
              for _ in range(2)]
        ends = [p.communicate(timeout=50) for p in ps]
        self.assertEqual([p.returncode for p in ps], [0, 0], ends)
        self.assertEqual(sum(b"waiting for another pull" in e for _, e in ends), 1, ends)
        self.assertEqual(len(self.hub.stored), 1)
        self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), whole)

    @long
    def test_one_that_stalls_is_given_up_and_continued(self):
        whole = self.add(1 << 20)
        self.hub.faults.stall = [300000]
        self.pull(REPO, env={"HF_HUB_DOWNLOAD_TIMEOUT": "1"})
        self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), whole)


class Hostile(Case):
    def test_a_wrong_hash_is_thrown_away_and_said(self):
        self.add()
        self.hub.faults.wrong_bytes = True
        self.fails("pull", REPO, says=["its SHA-256 is", "the hub states", "thrown away"])
        self.assertEqual((self.files(), self.models()), (set(), []))

    def test_small_files_are_checked_by_gits_hash(self):
        self.hub.add("o/t", {"config.json": b'{"a":1}', "model.safetensors": data(10)})
        self.hub.faults.wrong_bytes = True
        self.fails("pull", "o/t", says="config.json: its SHA-1 is")

    def test_lengths_that_lie(self):
        self.add()
        for fault, value, says in [("size_by", 5, "were announced and"), ("size_by", -5, "were announced and"),
                                   ("longer", 100, "more was sent than")]:
            with self.subTest(fault=fault, value=value):
                setattr(self.hub.faults, fault, value)
                self.fails("pull", REPO, says=says)
                setattr(self.hub.faults, fault, 0)
        self.hub.faults.no_hash = self.hub.faults.no_length = True
        self.fails("pull", REPO, says="does not say how long it is")

    def test_an_endless_description_is_not_read(self):
        self.add()
        self.hub.faults.endless = True
        self.fails("pull", REPO, says="longer than 33554432 bytes")

    @long
    def test_descriptions_that_make_no_sense(self):
        self.add()
        for text, says in [(b"", "empty"), (b"[]", "expected an object"), (b"{}", "'siblings' is missing"), (b"<html>", ""),
                           (b'{"siblings":[1]}', "a sibling is"), (b'{"siblings":[{}]}', "no 'rfilename'"),
                           (b'{"siblings":[{"rfilename":"a.gguf","size":-1}]}', "size"),
                           (b'{"siblings":[{"rfilename":"a.gguf","size":1e300}]}', "size"),
                           (b'{"siblings":[{"rfilename":"a.gguf","size":9223372036854775807}]}', "size"),
                           (b'{"siblings":[{"rfilename":"a.gguf","lfs":{"sha256":"zz"}}]}', "hexadecimal"),
                           (b'{"siblings":[{"rfilename":"a.gguf"},{"rfilename":"a.gguf"}]}', "listed twice"),
                           (b'{"sha":"../../x","siblings":[]}', "expected a commit"), (b"[" * 100000, "")]:
            with self.subTest(text[:60]):
                self.hub.faults.api_text = text
                self.fails("pull", REPO, says=says)
        self.assertFalse(os.path.exists(self.at("o")))

    def test_names_that_lead_out_are_left_out(self):
        names = ["../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", ".evil.gguf", "a/.git/evil.gguf", "x\0.gguf", "e\x1b[2J.gguf",
                 "a\\b.gguf", "carat-manifest.json", "x.gguf.part", "n" * 300 + ".gguf", "a//b.gguf", "-rf.gguf", ""]
        self.hub.add(REPO, {"m-Q8_0.gguf": data(10), **{n: data(10) for n in names}})
        r = self.pull(REPO)
        self.assertIn("%d files of %s have names that no file here can have" % (len(names), REPO), r.stderr)
        self.assertEqual(self.files(), {"m-Q8_0.gguf"})
        self.assertEqual(sorted(os.listdir(self.dir.name)), ["store"])
        for n in names[:4]:
            self.fails("pull", REPO, "--file", n, says="has no file")

    def test_links_in_the_store_are_not_followed(self):
        outside = self.path("outside")
        os.makedirs(outside)
        os.makedirs(self.at())
        os.symlink(outside, self.at("o"))
        self.add()
        self.fails("pull", REPO, says="a link, expected a folder of the store")
        os.unlink(self.at("o"))
        os.makedirs(self.at(REPO))
        os.symlink(self.path("outside/victim", b"precious"), self.at(REPO, "m-Q4_K_M.gguf.part"))
        self.fails("pull", REPO, says="m-Q4_K_M.gguf.part: cannot open")
        self.assertEqual(os.listdir(outside), ["victim"])
        with open(self.path("outside/victim"), "rb") as f:
            self.assertEqual(f.read(), b"precious")

    def test_a_full_disk_is_seen_before(self):
        self.add()
        self.hub.faults.api_change = lambda o: [s.update(size=1 << 47, lfs=dict(s["lfs"], size=1 << 47))
                                                for s in o["siblings"] if "lfs" in s] and None
        self.fails("pull", REPO + ":Q4_K_M", says=["140737.49 GB are to come", "are free on this disk"])
        self.assertEqual(self.hub.stored, [])

    def test_a_disk_that_fills_up_meanwhile(self):
        whole = self.add()
        self.fails("pull", REPO, says="m-Q4_K_M.gguf.part: cannot",
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)))
        self.pull(REPO)
        self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), whole)


class Access(Case):
    TOKEN = "hf_secret"

    @long
    def test_the_token_goes_to_the_hub_alone(self):
        self.add(gated=True)
        self.hub.tokens.add(self.TOKEN)
        self.path("token", b" hf_secret\n")
        for how, env in [((), {"HF_TOKEN": self.TOKEN}), (("--token-file", self.path("token")), {}), ((), {"HF_HOME": self.dir.name}),
                         ((), {"HF_TOKEN_PATH": self.path("token")})]:
            with self.subTest(how=how, env=env):
                self.hub.seen.clear(), self.hub.stored.clear()
                r = self.pull(REPO, *how, env=env)
                self.assertTrue(self.hub.seen and all(h.get("Authorization") == "Bearer hf_secret" for _, h in self.hub.seen))
                self.assertTrue(self.hub.stored and not any("Authorization" in h for _, h in self.hub.stored))
                self.assertNotIn(self.TOKEN, r.stderr + r.stdout)
                self.run_("rm", REPO, "-y")

    def test_the_token_stays_with_the_hub_where_a_redirect_comes_back(self):
        self.add()
        self.hub.faults.redirect = lambda url: url.replace("127.0.0.1", "localhost")
        self.pull(REPO, env={"HF_TOKEN": self.TOKEN})
        self.assertFalse(any("Authorization" in h for _, h in self.hub.stored))

    def test_a_gated_one_says_what_to_do(self):
        self.add(gated=True)
        self.fails("pull", REPO, says=["is gated: accept its terms at " + self.hub.url() + "/" + REPO, "$HF_TOKEN or --token-file"])
        text = self.fails("pull", REPO, says=["is gated", "this token has no access"], env={"HF_TOKEN": "hf_other"})
        self.assertNotIn("hf_other", text)
        self.assertEqual((self.models(), os.path.exists(self.at("o"))), ([], False))
        self.fails("pull", "o/private", says="has no such repository, or it is private and needs a token")
        self.fails("pull", "o/private", says="has no repository o/private", env={"HF_TOKEN": self.TOKEN})

    def test_tokens_that_are_none(self):
        self.add()
        self.fails("pull", REPO, says="no token", env={"HF_TOKEN": "a\r\nX-Evil: 1"})
        self.fails("pull", REPO, "--token-file", self.path("none"), says="No such file")
        self.fails("pull", REPO, "--token-file", self.path("empty", b"\n"), says="an empty token")
        self.assertEqual(self.hub.seen, [])

    @long
    def test_http_to_others_only_where_it_is_asked_for(self):
        self.add()
        self.fails("pull", REPO, "--endpoint", "http://example.invalid", says="--insecure-http allows it")
        self.hub.faults.redirect = lambda url: "http://example.invalid/x"
        self.fails("pull", REPO, says="--insecure-http allows it")
        self.hub.faults.redirect = lambda url: "file:///etc/passwd"
        self.fails("pull", REPO, says="no URL of a hub")
        self.hub.faults.redirect = lambda url: "https://127.0.0.1:1/x"
        self.fails("pull", REPO, says="127.0.0.1")
        for endpoint in "ftp://x", "nonsense", "http://user:pw@127.0.0.1", "https://":
            self.fails("pull", REPO, "--endpoint", endpoint, says="expected https://HOST")
        self.hub.faults.redirect = lambda url: self.hub.url() + "/" + REPO + "/resolve/" + COMMIT + "/m-Q4_K_M.gguf"
        self.fails("pull", REPO, says="more than 10 redirects")

    def test_a_certificate_must_be_trusted(self):
        whole = self.add()
        self.hub.secure()
        self.env["HF_ENDPOINT"] = self.hub.url()
        self.fails("pull", REPO, says="127.0.0.1: ")
        self.assertEqual(self.hub.seen, [])
        for name in "SSL_CERT_FILE", "CURL_CA_BUNDLE":
            self.pull(REPO, env={name: CERTIFICATE})
            self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), whole)
            self.run_("rm", REPO, "-y")

    def test_a_proxy_is_asked(self):
        self.add()
        r = self.fails("pull", REPO, says="", env={"http_proxy": "http://127.0.0.1:1", "no_proxy": ""})
        self.assertEqual(self.hub.seen, [], r)
        self.pull(REPO, env={"http_proxy": self.hub.url(self.hub.storage), "no_proxy": "127.0.0.1"})

    def test_no_connection_is_said_at_once(self):
        begin = time.monotonic()
        self.fails("pull", REPO, "--endpoint", "http://127.0.0.1:1", says="127.0.0.1: ")
        self.assertLess(time.monotonic() - begin, 5)


class Patience(Case):
    def test_a_busy_hub_is_asked_again_when_it_says(self):
        self.add()
        self.hub.faults.api = [(429, {"Retry-After": "1"}), (503, {})]
        self.hub.faults.file = [(500, {})]
        begin = time.monotonic()
        self.pull(REPO)
        self.assertGreater(time.monotonic() - begin, 1)
        self.assertEqual(len(self.asked("/api/")), 3)

    def test_one_that_asks_for_too_much_is_told(self):
        self.add()
        self.hub.faults.api = [(429, {"Retry-After": "3600"})]
        self.fails("pull", REPO, says="asks to come back in 3600 s")

    def test_other_answers_are_no_reason_to_ask_again(self):
        self.add()
        self.hub.faults.api = [(418, {"X-Error-Message": "a tea\x1bpot"})] * 2
        self.fails("pull", REPO, says="answers 418: a tea?pot")
        self.assertEqual(len(self.hub.seen), 1)

    def test_waiting_can_be_interrupted(self):
        self.add()
        self.hub.faults.api = [(429, {"Retry-After": "60"})]
        p = subprocess.Popen([CARAT, "pull", REPO], env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not self.hub.seen:
            time.sleep(0.01)
        time.sleep(0.1)
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(10), 130)
        p.stderr.close()

    def test_sizes_and_hashes_may_come_with_the_file(self):
        whole = self.add()
        self.hub.faults.no_blobs = True
        r = self.pull(REPO)
        self.assertEqual(self.read(REPO, "m-Q4_K_M.gguf"), whole)
        self.assertNotIn("states no hash", r.stderr)
        self.hub.faults.wrong_bytes = True
        self.run_("rm", REPO, "-y")
        self.fails("pull", REPO, says="its SHA-256 is")


if __name__ == "__main__":
    main()
