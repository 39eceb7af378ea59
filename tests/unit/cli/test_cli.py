"""The program from outside: what it prints, what it refuses, its exit codes. Usage: test_cli.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import array
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

CARAT, DATA = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
TINY = DATA + "/models/tiny-text"
TINY_GGUF = TINY + "/gguf/tiny-text-f32.gguf"
SIGHT = DATA + "/models/tiny-sight"
IMAGES = DATA + "/images/in/"
COMMANDS = ["run", "chat", "info", "see", "tokenize", "detokenize", "logits", "synth", "bench", "weigh",
            "help"]
SANITIZED = "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ


def carat(*args, stdin=b"", timeout=60, **kw):
    """Runs the program; stdin None means an empty one."""
    return subprocess.run([CARAT, *args], input=stdin, capture_output=True, timeout=timeout, **kw)


class Golden:
    """Arrays of a golden folder, without numpy."""

    def __init__(self, folder):
        with open(folder + "/manifest.json") as f:
            self.manifest = json.load(f)
        self.folder = folder

    def __getitem__(self, name):
        a = self.manifest["arrays"][name]
        code = {"float32": "f", "int32": "i", "uint8": "B"}[a["dtype"]]
        n = 1
        for d in a["shape"]:
            n *= d
        with open(os.path.join(self.folder, a["file"]), "rb") as f:
            f.seek(a["offset"])
            out = array.array(code)
            out.frombytes(f.read(n * out.itemsize))
        return list(out)


class Case(unittest.TestCase):
    def ok(self, *args, **kw):
        r = carat(*args, **kw)
        self.assertEqual(r.returncode, 0, r.stderr.decode(errors="replace"))
        return r

    def refused(self, *args, says, code=1, **kw):
        """Ends with this code and one clear line that says all of `says`."""
        r = carat(*args, **kw)
        text = r.stderr.decode(errors="replace")
        self.assertEqual(r.returncode, code, text)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, text)
        if code == 1:
            self.assertEqual(text.count("\n"), 1, text)
            self.assertTrue(text.startswith("carat: "), text)
        self.assertEqual(r.stdout, b"")
        return text


class Help(Case):
    def test_every_command_has_help(self):
        top = self.ok("--help").stdout.decode()
        for c in COMMANDS:
            self.assertIn(c, top)
            text = self.ok(c, "--help").stdout.decode()
            self.assertTrue(text.startswith("usage: carat " + c))
            self.assertEqual(text, self.ok("help", c).stdout.decode())
            self.assertLessEqual(max(map(len, text.splitlines())), 112)

    def test_other_names(self):
        """Aliases mean the same; what an option is called wins over another's alias."""
        same = [self.ok("weigh", "4b", "--quant", "q4_0", "--ctx", "4k", "--no-vision", batch, "64", "--json").stdout
                for batch in ["--batch-size", "--chunk", "--batch", "-b"]]
        self.assertEqual(json.loads(same[0])["point"]["batch"], 64)
        self.assertEqual(len(set(same)), 1)
        self.assertEqual(same[0], self.ok("weigh", "-m", "4b", "--quant", "q4_0", "-c", "4096", "--text-only", "-b64",
                                          "--json").stdout)
        self.refused("run", TINY, "--batch", "64", says="--batch needs -o FILE", code=2)
        self.refused("chat", TINY, "--chunck", "64", says="did you mean --chunk?", code=2)

    def test_version(self):
        self.assertRegex(self.ok("--version").stdout.decode(), r"^carat \d+\.\d+\.\d+ \(kernels: \w+\)$")

    def test_usage_errors_are_two(self):
        for args, says in [
            ([], "commands:"),
            (["fly"], "unknown command 'fly'"),
            (["run"], "which model"),
            (["run", TINY, "--temprature", "1", "-p", "x"], "did you mean --temperature"),
            (["run", TINY, "--zzzzzz"], "unknown option --zzzzzz"),
            (["run", TINY, "-Z"], "unknown option -Z"),
            (["run", TINY, "-p"], "needs a value"),
            (["run", TINY, "-n", "many", "-p", "x"], "'many', expected a whole number"),
            (["run", TINY, "-n", "1.5", "-p", "x"], "expected a whole number"),
            (["run", TINY, "-n", "99999999999999999999", "-p", "x"], "expected -1 to"),
            (["run", TINY, "--temp", "-3", "-p", "x"], "expected 0 to 100"),
            (["run", TINY, "--temp", "nan", "-p", "x"], "expected a number"),
            (["run", TINY, "--top-p", "2", "-p", "x"], "expected 0 to 1"),
            (["run", TINY, "-t", "0", "-p", "x"], "expected 1 to 512"),
            (["run", TINY, "-c", "0", "-p", "x"], "expected 1 to"),
            (["run", TINY, "-l", "abc", "-p", "x"], "ID=X"),
            (["run", TINY, "-l", "5=inf", "-p", "x"], "ID=X"),
            (["run", TINY, "-p", "a", "b"], "unexpected argument 'b'"),
            (["run", TINY, "-p", "a", "-f", "b"], "one prompt"),
            (["run", TINY, "--json=1", "-p", "x"], "takes no value"),
            (["run", TINY, "--logprobs", "2", "-p", "x"], "needs --json"),
            (["run", TINY, "--embed-scale", "half", "-p", "x"], "expected exact or bf16"),
            (["logits", TINY, "--ids", "2"], "needs -o FILE"),
            (["logits", TINY, "-o", "x"], "needs -o FILE and one of"),
            (["synth", "4b"], "needs one size"),
        ]:
            with self.subTest(args=args):
                self.refused(*args, says=says, code=2)


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

    def test_users_text_is_never_control(self):
        ids = json.loads(self.ok("tokenize", TINY, "--json", "<end_of_turn><bos>").stdout)["ids"]
        special = json.loads(self.ok("tokenize", TINY, "--json", "--special", "--no-bos", "<end_of_turn>").stdout)["ids"]
        self.assertEqual(len(special), 1)
        self.assertNotIn(special[0], ids)
        self.assertEqual(ids.count(2), 1)

    def test_interrupt_is_clean(self):
        p = subprocess.Popen([CARAT, "run", TINY, "-p", "a", "--ignore-eos", "-c", "4096", "-t", "1"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.read(1)
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(timeout=20), 130)
        self.assertEqual(p.stderr.read(), b"")
        p.stdout.close(), p.stderr.close()

    def test_full_disk_is_an_error(self):
        with open("/dev/full", "wb") as full:
            r = subprocess.run([CARAT, "run", TINY, "-p", "a", "-n", "5"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b"cannot write", r.stderr)


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
            self.refused("logits", TINY, "--ids", "2,x", "-o", d + "/x", says="is no id")
            self.refused("logits", TINY, "--ids", "2", "-o", d + "/no/x", says="No such file")
            self.assertEqual(os.listdir(d), [])


def write_bmp(path, rgb, side):
    """Pixels [side][side][3], side a multiple of four, as an uncompressed BMP: bottom row first, blue first."""
    rows = [bytes(b for x in range(side) for b in rgb[(y * side + x) * 3:(y * side + x) * 3 + 3][::-1])
            for y in reversed(range(side))]
    with open(path, "wb") as f:
        f.write(struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + 3 * side * side, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0,
                            0, 0) + b"".join(rows))


class Pictures(Case):
    def ask(self, pictures, text, *extra):
        args = [a for p in pictures for a in ("--image", SIGHT + "/test/" + p)]
        return self.ok("run", SIGHT, *args, "-p", text, "--temp", "0", "--pan-scan", "off", *extra).stdout.decode()

    def test_what_the_reference_says(self):
        with open(SIGHT + "/test.jsonl") as f:
            for q in [json.loads(line) for line in f][:8]:
                self.assertEqual(self.ask([p.split("/")[1] for p in q["images"]], q["text"]), q["answer"])

    def test_order_is_kept_with_and_without_marks(self):
        q = "What are they?"
        self.assertEqual(self.ask(["001-0.png", "001-1.png"], "<image> and <image> " + q), "triangle, 0")
        self.assertEqual(self.ask(["001-1.png", "001-0.png"], "<image> and <image> " + q), "0, triangle")
        j = json.loads(self.ask(["001-0.png"], "What is in this picture?", "--json"))
        self.assertEqual(j["prompt_tokens"].count(512), 16)
        self.refused("run", SIGHT, "--image", IMAGES + "rgb8.png", "-p", "<image> <image>", says="1 pictures for 2 marks")

    def test_logits_equal_the_reference(self):
        for model in ["tiny-vl", "vl-small-window"]:
            g = Golden(DATA + f"/models/{model}/golden")
            pixels, side = g["images_u8_hwc"], g.manifest["arrays"]["images_u8_hwc"]["shape"][1]
            with tempfile.TemporaryDirectory() as d:
                for i in range(3):
                    write_bmp(f"{d}/{i}.bmp", pixels[i * side * side * 3:(i + 1) * side * side * 3], side)
                for n in [1, len(g.manifest["prompts"]) - 1]:
                    images = [a for i in g.manifest["prompts"][n]["images"] for a in ("--image", f"{d}/{i}.bmp")]
                    want = g[f"prompt{n}.logits"]
                    self.ok("logits", DATA + "/models/" + model, "--ids", ",".join(map(str, g[f"prompt{n}.ids"])), *images,
                            "--exact", "--embed-scale", "exact", "--chunk", "7", "-o", d + "/out", "--soft-tokens",
                            d + "/soft")
                    got = array.array("f")
                    with open(d + "/out", "rb") as f:
                        got.frombytes(f.read())
                    self.assertEqual(len(got), len(want))
                    self.assertLess(max(abs(x - y) for x, y in zip(got, want)), 5e-4)  # tests/golden/README.md
                    soft, all_soft = array.array("f"), g["projector.output"]
                    with open(d + "/soft", "rb") as f:
                        soft.frombytes(f.read())
                    each = len(all_soft) // g.manifest["arrays"]["projector.output"]["shape"][0]
                    want = [x for i in g.manifest["prompts"][n]["images"] for x in all_soft[i * each:(i + 1) * each]]
                    self.assertEqual(len(soft), len(want))
                    self.assertLess(max(abs(x - y) for x, y in zip(soft, want)), 1e-4)

    def test_what_cannot_be_seen(self):
        with tempfile.TemporaryDirectory() as d:
            with open(d + "/text.png", "w") as f:
                f.write("I am not a picture.\n")
            open(d + "/empty.jpg", "w").close()
            with open(IMAGES + "rgb8.png", "rb") as f:
                whole = f.read()
            with open(d + "/cut.png", "wb") as f:
                f.write(whole[:len(whole) // 2])
            for name, says in [("text.png", "text.png"), ("empty.jpg", "empty"), ("cut.png", "cut.png"),
                               ("none.png", "No such file"), (".", "directory")]:
                self.refused("run", SIGHT, "--image", f"{d}/{name}", "-p", "What?", says=says)
                self.refused("see", f"{d}/{name}", "-o", d + "/out", says=says)
            with open(d + "/x.tif", "wb") as f:
                f.write(b"II*\0" + bytes(60))
            self.refused("see", d + "/x.tif", says="x.tif: a TIFF, expected JPEG, PNG, WebP, GIF or BMP")
            self.assertEqual(sorted(os.listdir(d)), ["cut.png", "empty.jpg", "text.png", "x.tif"])
            with open(d + "/wrong.txt", "wb") as f:  # told by its bytes, not by its name
                f.write(whole)
            self.ok("run", SIGHT, "--image", d + "/wrong.txt", "-p", "What?", "-n", "1")
        self.refused("run", TINY, "--image", IMAGES + "rgb8.png", "-p", "What?", says="cannot see")
        self.refused("run", SIGHT, "--no-vision", "--image", IMAGES + "rgb8.png", "-p", "What?",
                     says="without its vision tower")

    def test_see_writes_the_views(self):
        with tempfile.TemporaryDirectory() as d:
            j = json.loads(self.ok("see", IMAGES + "size_1200x500.png", "-o", d + "/v", "--json").stdout)
            self.assertEqual(j["views"], [f"{d}/v-{i}.png" for i in range(3)])
            for v in j["views"]:
                with open(v, "rb") as f:
                    self.assertEqual(struct.unpack(">II", f.read(24)[16:]), (896, 896))
            self.ok("see", IMAGES + "size_1200x500.png", "-o", d + "/w", "--pan-scan", "off", "--size", "64")
            self.assertEqual(sorted(os.listdir(d)), ["v-0.png", "v-1.png", "v-2.png", "w-0.png"])

    def test_chat_takes_files(self):
        talk = f"/image {SIGHT}/test/000-0.png\nWhich one is it?\nWhat color is it?\n/retry\n/undo\n/show\n" \
               f"{SIGHT}/test/001-1.png Is it a digit or a shape?\n/image /none.png\n"
        r = self.ok("chat", SIGHT, "--temp", "0", "-n", "20", stdin=talk.encode())
        said = r.stdout.decode()
        self.assertIn("goes with your next message", said)
        self.assertIn("a digit", said)
        self.assertIn("/none.png: ", said)

    def test_info_shows_the_tower(self):
        j = json.loads(self.ok("info", SIGHT, "--json").stdout)
        self.assertEqual((j["vision"], j["vision_layers"], j["tokens_per_image"], j["image_size"]), (True, 4, 16, 112))
        text = self.ok("info", DATA + "/models/tiny-vl/gguf/tiny-vl-f32.gguf").stdout.decode()
        self.assertIn("mmproj-tiny-vl-f32.gguf", text)


class Info(Case):
    def test_info(self):
        j = json.loads(self.ok("info", TINY_GGUF, "--json").stdout)
        self.assertEqual((j["layers"], j["hidden"], j["heads"], j["kv_heads"], j["head_dim"], j["window"]),
                         (12, 96, 4, 2, 32, 16))
        self.assertEqual(j["global_layers"], 2)
        self.assertEqual(j["sampling"], {"temperature": 1.0, "top_k": 64, "top_p": j["sampling"]["top_p"], "min_p": 0.0})
        text = self.ok("info", TINY).stdout.decode()
        self.assertIn("12: 10 local with a window of 16, 2 global", text)
        self.assertNotIn("\x1b", text)


class Tokens(Case):
    def test_jsonl_equals_the_reference(self):
        with open(DATA + "/models/tiny-tokenizer/cases.jsonl") as f:
            cases = [json.loads(line) for line in f]
        keep = [c for c in cases if "text" in c and "ids" in c]
        self.assertGreater(len(keep), 10)
        lines = "".join(json.dumps({"text": c["text"], "add_special": c.get("add_special", False),
                                    "parse_special": bool(c.get("parse_special", True))}) + "\n" for c in keep)
        for source in ["", "/tokenizer.json", "/tokenizer.model"]:
            out = self.ok("tokenize", DATA + "/models/tiny-tokenizer" + source, "--jsonl", stdin=lines.encode()).stdout
            got = [json.loads(x)["ids"] for x in out.decode().splitlines()]
            for c, ids in zip(keep, got):
                self.assertEqual(ids, c["ids"], c)
            self.assertEqual(len(got), len(keep))

    def test_round_trip(self):
        for text in [b"a red star", b" two  spaces\n\n\tand tabs", "h\u00e9llo \U0001f600".encode(), b"\xff\x00\xfe"]:
            ids = self.ok("tokenize", TINY, stdin=text).stdout
            self.assertEqual(self.ok("detokenize", TINY, stdin=ids).stdout, text)

    def test_bad_lines_say_which(self):
        for line, says in [(b"{", "line 2"), (b"[]", "line 2"), (b'{"text":5}', "'text' is missing or no string"),
                           (b'{"text":"a","add_special":3}', "'add_special' is an integer")]:
            r = carat("tokenize", TINY, "--jsonl", stdin=b'{"text":"a"}\n' + line + b"\n")
            self.assertEqual(r.returncode, 1)
            self.assertIn(says, r.stderr.decode())


class Folder(Case):
    """Cases with a folder of their own."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, name, data=None):
        p = os.path.join(self.dir.name, name)
        if data is not None:
            with open(p, "wb") as f:
                f.write(data)
        return p


class BadInput(Folder):
    def test_what_is_no_model(self):
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        header = lambda arch: (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 20) + b"general.architecture" +
                               struct.pack("<IQ", 8, len(arch)) + arch)
        with open(TINY_GGUF, "rb") as f:
            whole = f.read()
        for path, says in [
            (self.path("none.gguf"), "No such file"),
            (self.dir.name, "without config.json; a GGUF file is a model by itself: give the path of empty.gguf"),
            (fifo, "FIFO"),
            ("/dev/null", "device"),
            (self.path("empty.gguf", b""), "empty"),
            (self.path("short.gguf", b"GGUF"), "short.gguf"),
            (self.path("text.gguf", b"hello, I am text"), "GGUF"),
            (self.path("llama.gguf", header(b"llama")), "llama"),
            (self.path("gemma2.gguf", header(b"gemma2")), "gemma2"),
            (self.path("gemma3n.gguf", header(b"gemma3n")), "gemma3n"),
            (self.path("gemma4.gguf", header(b"gemma4")), "gemma4"),
            (self.path("half.gguf", whole[:len(whole) // 2]), "half.gguf"),
            (self.path("flip.gguf", whole[:16] + b"\xff" * 8 + whole[24:]), "flip.gguf"),
        ]:
            for args in [["run", path, "-p", "x"], ["info", path], ["logits", path, "--ids", "2", "-o", self.path("o")]]:
                with self.subTest(args=args):
                    self.refused(*args, says=says)

    def test_unknown_level_and_too_long_context(self):
        self.refused("run", TINY, "-p", "x", "--cpu", "sse9", says="sse9")
        r = carat("run", TINY, "-p", "x", env={**os.environ, "CARAT_CPU": "sse9"})
        self.assertEqual(r.returncode, 1)
        self.refused("run", TINY, "-p", "x", "-c", "5000", says=["5000", "4096"])
        self.refused("run", TINY, "-p", "x", "-f", "none", says="one prompt", code=2)
        self.refused("run", TINY, "-f", self.path("none"), says="No such file")

    @unittest.skipIf(SANITIZED, "a sanitizer's shadow needs the address space")
    def test_no_memory_is_a_message(self):
        out = self.path("m.gguf")
        self.ok("synth", "270m", "--layers", "3", "--hidden", "256", "--ffn", "256", "--vocab", "2000", "--type", "f32", "-o", out)
        messages = set()
        for limit in range(24 << 20, 420 << 20, 22 << 20):
            r = subprocess.run([CARAT, "run", out, "-p", "x", "-n", "1", "-c", "32768", "-t", "1"], capture_output=True,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
            self.assertIn(r.returncode, (0, 1, 127), (limit, r.stderr))  # 127: too little for the dynamic linker
            messages.add((r.returncode, r.stderr.decode().strip()[:40]))
        self.assertTrue(any(code == 1 for code, _ in messages), messages)


class Memory(Folder):
    def setUp(self):
        super().setUp()
        self.model = self.path("m.gguf")
        self.ok("synth", "270m", "--layers", "3", "--hidden", "256", "--ffn", "256", "--vocab", "2000", "--type", "f32", "-o",
                self.model)
        self.same = ["-c", "20000", "-t", "1", "--prefix-cache", "none"]
        self.total = json.loads(self.ok("weigh", self.model, *self.same, "--json").stdout)["point"]["total"]

    def test_b49_what_weigh_says_is_the_border(self):
        run = ["run", self.model, "-p", "x", "-n", "1", *self.same, "--max-memory"]
        self.ok(*run, str(self.total))
        self.refused(*run, str(self.total - 1), says=[f"needs {self.total} bytes, {self.total - 1} bytes are there"])
        self.refused(*run, "16M", says=["needs ", "16.0 MiB are there", "no context would fit"])
        r = self.ok("run", self.model, "-p", "x", "-n", "1", "-c", "20000", "-t", "1", "--prefix-cache", "64M", "--max-memory",
                    str(self.total + (5 << 20)))
        self.assertIn("the prefix cache gets", r.stderr.decode())
        for bad in ["0", "8", "-1G", "x", "1e99"]:
            self.refused(*run, bad, says=["--max-memory is", "a size like 8G"], code=2)
        self.refused("run", self.model, "-p", "x", "--prefix-cache", "some", says="--prefix-cache is 'some'", code=2)

    @unittest.skipIf(SANITIZED, "a sanitizer's shadow needs the address space")
    def test_b49_ulimits_refuse_and_let_through_exactly(self):
        """Below what is weighed every limit refuses with figures, above it every limit starts: 8 MiB are the program's
        own text, libraries and one thread's stack, which address space holds beside what is resident."""
        for which in [resource.RLIMIT_AS, resource.RLIMIT_DATA]:
            codes = []
            for limit in range(self.total - (12 << 20), self.total + (20 << 20), 4 << 20):
                r = subprocess.run([CARAT, "run", self.model, "-p", "x", "-n", "1", *self.same], capture_output=True,
                                   preexec_fn=lambda: resource.setrlimit(which, (limit, limit)))
                codes.append(r.returncode)
                if r.returncode:
                    self.assertIn("are there (ulimit", r.stderr.decode())
            self.assertEqual(codes, sorted(codes, reverse=True))  # 1, 1, ..., 0, 0: one border
            self.assertEqual((codes[0], codes[-1]), (1, 0))

    def test_options_of_the_caches(self):
        r = json.loads(self.ok("weigh", self.model, *self.same, "--json").stdout)["point"]["bytes"]
        self.assertEqual(r["kv_kept"], 0)
        for args in [["--prefix-cache", "32M"], ["--image-cache", "3"]]:
            self.ok("run", self.model, "-p", "x", "-n", "1", *args)
        self.refused("run", self.model, "-p", "x", "--image-cache", "0", says="--image-cache is 0", code=2)

    def test_a_tower_that_cannot_be_read_is_told(self):
        self.path("mmproj.gguf", b"nothing of the kind")
        text = self.ok("weigh", self.model, "-c", "1000").stdout.decode()
        self.assertIn("text only: ", text)
        self.assertIn("mmproj.gguf", text)
        o = json.loads(self.ok("weigh", self.model, "-c", "1000", "--json").stdout)["point"]
        self.assertIn("mmproj.gguf", o["note"])
        self.assertEqual(o["bytes"]["vision"], 0)
        self.refused("weigh", self.model, "-c", "1000", "--mmproj", self.path("mmproj.gguf"), says="mmproj.gguf")
        self.path("mmproj-2.gguf", b"nor this")
        text = self.ok("weigh", self.model, "-c", "1000").stdout.decode()
        self.assertIn("several vision files", text)


class Synth(Case):
    def test_made_up_models_run(self):
        with tempfile.TemporaryDirectory() as d:
            for t in ["f32", "bf16", "q8_0", "q4_0", "q4_k_m", "q6_k", "q2_k", "iq4_xs"]:
                out = d + "/m.gguf"
                self.ok("synth", "270m", "--type", t, "--layers", "7", "--hidden", "256", "--ffn", "512", "--heads", "4",
                        "--kv-heads", "2", "--head-dim", "64", "--vocab", "1000", "--window", "32", "-o", out)
                j = json.loads(self.ok("run", out, "-p", "hello", "-n", "5", "--ignore-eos", "--json").stdout)
                self.assertEqual(len(j["tokens"]), 5)
                self.assertEqual(json.loads(self.ok("info", out, "--json").stdout)["layers"], 7)
            self.assertEqual(os.listdir(d), ["m.gguf"])
            self.refused("synth", "5b", "-o", out, says="5b")
            self.refused("synth", "4b", "--type", "q9", "-o", out, says="q9")
            self.refused("synth", "270m", "--vocab", "100", "-o", d + "/n", says="expected at least 600")
            self.assertEqual(os.listdir(d), ["m.gguf"])


class Outside(Case):
    """What the system gives and takes: closed and full outputs, sockets, names that are no text."""

    def test_every_output_must_arrive(self):
        commands = [["info", TINY], ["info", TINY, "--json"], ["--version"], ["help"], ["run", "--help"], ["tokenize", TINY, "a"],
                    ["detokenize", TINY, "5"], ["weigh", "4b"], ["weigh", "4b", "--json"],
                    ["run", TINY, "a", "-n", "2"], ["run", TINY, "a", "-n", "2", "--json"]]
        for c in commands:
            with open("/dev/full", "wb") as full:
                r = subprocess.run([CARAT, *c], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                                   timeout=60)
            self.assertEqual(r.returncode, 1, c)
            self.assertRegex(r.stderr.decode(), "cannot write the (answer|output)(: No space left on device)?\n$")
        with open("/dev/full", "wb") as full:
            r = subprocess.run([CARAT, "chat", TINY, "-n", "2"], input=b"hello\nhello\n", stdout=full,
                               stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(r.returncode, 1)
        self.assertIn("No space left", r.stderr.decode())

    def test_a_reader_that_leaves_is_told_nothing(self):
        r, w = os.pipe()
        os.close(r)
        for c in [["info", TINY], ["run", TINY, "a", "-n", "2"], ["weigh", "4b"], ["weigh", "--devices"]]:
            p = subprocess.run([CARAT, *c], stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual((p.returncode, p.stderr), (1, b""), c)
        os.close(w)

    def test_closed_outputs_are_no_files(self):
        """The next file to be opened would get the number of stdout."""
        with tempfile.TemporaryDirectory() as d:
            for closed in ">&-", "2>&-", ">&- 2>&-", "<&-":
                r = subprocess.run(["/bin/sh", "-c", f'"$@" {closed}', "sh", CARAT, "chat", TINY, "-n", "2",
                                    "--session", d + "/s"], input=b"hello\n", capture_output=True, timeout=60)
                self.assertEqual(r.returncode, 1 if closed.startswith(">") else 0, closed)
                if os.path.exists(d + "/s"):
                    with open(d + "/s", "rb") as f:
                        self.assertEqual(f.read(8)[:5], b"CARAT", closed)
                    os.remove(d + "/s")

    def test_stdin_of_any_kind(self):
        a, b = socket.socketpair()
        b.sendall(b"hello")
        b.shutdown(socket.SHUT_WR)
        r = subprocess.run([CARAT, "tokenize", TINY], stdin=a, capture_output=True, timeout=60)
        self.assertEqual(r.stdout, self.ok("tokenize", TINY, "hello").stdout, r.stderr)
        a.close(), b.close()
        with tempfile.TemporaryFile() as f:  # from where it stands
            f.write(b"read already, hello")
            f.flush()
            os.lseek(f.fileno(), 14, os.SEEK_SET)
            r = subprocess.run([CARAT, "tokenize", TINY], stdin=f, capture_output=True, timeout=60)
        self.assertEqual(r.stdout, self.ok("tokenize", TINY, "hello").stdout)

    def test_names_that_are_no_text(self):
        with tempfile.TemporaryDirectory() as d:
            name = d.encode() + b"/m\xe9del"
            os.symlink(TINY, name)
            picture = d.encode() + b"/\xe9.png"
            os.symlink(IMAGES + "rgb8.png", picture)
            for c in [["info", name], ["run", name, "a", "-n", "2"], ["weigh", name], ["see", picture],
                      ["bench", name, "--prompt", "8", "-n", "2", "-t", "1"]]:
                self.assertIn("\ufffd", json.dumps(json.loads(self.ok(*c, "--json", cwd=d).stdout),
                                                   ensure_ascii=False), c)

    def test_a_models_name_is_no_command_to_the_terminal(self):
        with open(TINY_GGUF, "rb") as f:
            data = f.read()
        with tempfile.TemporaryDirectory() as d:
            with open(d + "/m.gguf", "wb") as f:
                f.write(data.replace(b"tiny-text", b"\x1b[31m\xc2\x9bX\xff", 1))
            self.assertIn("name             ?[31m?X?\n", self.ok("info", d + "/m.gguf").stdout.decode())
            self.assertNotIn(b"\x1b", self.ok("weigh", d + "/m.gguf").stdout)
            self.assertEqual(json.loads(self.ok("info", d + "/m.gguf", "--json").stdout)["name"], "\x1b[31m\x9bX\ufffd")

    def test_an_interrupted_synth_leaves_nothing(self):
        for sig in signal.SIGINT, signal.SIGTERM:
            with tempfile.TemporaryDirectory() as d:
                p = subprocess.Popen([CARAT, "synth", "1b", "--type", "bf16", "-o", d + "/m.gguf"],
                                     stderr=subprocess.PIPE)
                while not os.listdir(d) and p.poll() is None:
                    time.sleep(0.01)
                p.send_signal(sig)
                self.assertEqual(p.wait(timeout=60), 130)
                p.stderr.close()
                self.assertEqual(os.listdir(d), [])

    def test_arguments_that_would_be_left_out(self):
        for c in [["info", TINY, "x"], ["tokenize", TINY, "a", "b"], ["tokenize", TINY, "-p", "a", "b"],
                  ["tokenize", TINY, "-p", "a", "-f", "x"], ["tokenize", TINY, "--jsonl", "a"],
                  ["tokenize", TINY, "--json", "--pieces", "a"], ["detokenize", TINY, "1", "2"]]:
            self.refused(*c, says="carat " + c[0], code=2)
        self.refused("tokenize", TINY, "--jsonl", "-f", DATA, says="Is a directory")
        self.refused("detokenize", TINY, stdin=b"1 2\x003", says="at byte 3 is no id")


class Chat(Case):
    def test_what_is_no_text_does_not_spoil_a_session(self):
        with tempfile.TemporaryDirectory() as d:
            self.ok("chat", TINY, "-n", "2", "--session", d + "/s", "--system", b"gr\xfc\xdfe", stdin=b"caf\xe9\nhello\n")
            r = self.ok("chat", TINY, "-n", "2", "--session", d + "/s", stdin=b"hello\n")
            self.assertIn("going on after 4 messages", r.stderr.decode())
            self.assertIn("6 messages", r.stderr.decode())

    def test_a_session_that_cannot_be_written_is_told_at_once(self):
        with tempfile.TemporaryDirectory() as d:
            for path in d + "/none/s", TINY + "/config.json/s":
                self.refused("chat", TINY, "--session", path, says="could not be written")
            r = carat("chat", TINY, "-n", "2", "--session", d + "/s", stdin=b"hello\n",
                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)) or
                      signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
            self.assertEqual(r.returncode, 1, r.stderr)
            self.assertEqual(os.listdir(d), [])

    def test_a_base_model_says_so_and_continues(self):
        out = tempfile.TemporaryDirectory()
        self.addCleanup(out.cleanup)
        base = out.name + "/base.gguf"
        self.ok("synth", "270m", "--layers", "2", "--hidden", "64", "--ffn", "64", "--vocab", "700", "-o", base)
        r = self.ok("chat", base, "-n", "4", "--seed", "1", stdin=b"a red star\n/show\n/retry\n/undo\n/nonsense\n/bye\n")
        self.assertIn("base model", r.stderr.decode())
        self.assertIn("unknown command /nonsense", r.stdout.decode())
        self.assertIn("tokens in context", r.stdout.decode())

    def test_a_session_goes_on_later(self):
        with tempfile.TemporaryDirectory() as d:
            file, picture = d + "/s", SIGHT + "/test/000-0.png"
            first = self.ok("chat", SIGHT, "--temp", "0", "--session", file,
                            stdin=f"{picture} What is in this picture?\n".encode()).stdout
            self.assertEqual(first, b"a blue star\n")
            r = self.ok("chat", SIGHT, "--temp", "0", "--session", file, stdin=b"What color is it?\n")
            self.assertEqual(r.stdout, b"blue\n")
            self.assertIn("going on after 2 messages", r.stderr.decode())
            with open(file, "rb") as f:
                whole = f.read()
            self.refused("chat", TINY, "--session", file, says="another model")
            for name, data in [("cut", whole[:-9]), ("flipped", whole[:777] + bytes([whole[777] ^ 4]) + whole[778:]),
                               ("none", b"")]:
                with open(f"{d}/{name}", "wb") as f:
                    f.write(data)
                self.refused("chat", SIGHT, "--session", f"{d}/{name}", says=name)

    def test_full_contexts_are_trimmed_only_when_asked(self):
        talk = b"What is in this picture?\n" * 12
        r = self.ok("chat", SIGHT, "--temp", "0", "-n", "12", "-c", "128", "--trim", "--system", "Be brief.", stdin=talk)
        self.assertIn("oldest messages left out", r.stderr.decode())
        r = self.ok("chat", SIGHT, "--temp", "0", "-n", "12", "-c", "128", stdin=talk)
        self.assertNotIn("left out", r.stderr.decode())
        self.assertIn("do not fit the context of 128", r.stderr.decode())

    def test_many_lines_and_the_end_of_input(self):
        self.ok("chat", TINY, "-n", "2", stdin=b'"""one\ntwo"""\n')
        self.ok("chat", TINY, "-n", "2", stdin=b"")


@unittest.skipIf(SANITIZED, "it times the machine, which a sanitizer slows beyond the time limit")
class Bench(Case):
    def test_json(self):
        j = json.loads(self.ok("bench", TINY, "-p", "32", "-n", "4", "-r", "1", "--thread-list", "1,2", "--json").stdout)
        self.assertEqual([r["threads"] for r in j["results"]], [1, 2])
        for r in j["results"]:
            self.assertGreater(r["prefill_per_second"], 0)
            self.assertGreater(r["read_bandwidth"], 1e8)


class Weigh(Case):
    GRID_QUANTS = ["bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "qat-q4_0", "q4_0", "q3_k_m", "q2_k"]
    GRID_CONTEXTS = [1024, 8192, 32768, 65536, 131072]

    def weigh(self, *args):
        """What text and JSON say of the same question; text fits 80 columns."""
        text = self.ok("weigh", *args).stdout.decode()
        for line in text.splitlines():
            self.assertLessEqual(len(line), 80, line)
        return text, json.loads(self.ok("weigh", *args, "--json").stdout)

    def check_grid(self, text, grid, quants, contexts):
        rows = [l.split() for l in text.splitlines() if l.split() and l.split()[0] in quants]
        self.assertEqual([r[0] for r in rows], quants)
        cells = {(c["quant"], c["context"]): c for c in grid}
        self.assertEqual(len(cells), len(quants) * len(contexts))
        for row in rows:
            words = row[1:]
            for n in contexts:
                c = cells[row[0], n]
                self.assertEqual(c["total"], sum(c["bytes"].values()))
                self.assertEqual(words.pop(0), "%.2f" % (c["total"] / 2**30))
                if c["card"]:
                    self.assertEqual(words.pop(0), "on")
                    self.assertEqual(words.pop(0), "%.0f" % (c["card_memory"] / 2**30))
                    self.assertIn(c["card"], text)
            self.assertEqual(set(words) - {"-"}, set())

    def test_grid(self):
        text, o = self.weigh()
        self.assertIn("Gemma 3 4B", text)
        self.check_grid(text, o["grid"], self.GRID_QUANTS, self.GRID_CONTEXTS)
        text, o = self.weigh("270m", "-n", "3")
        self.check_grid(text, o["grid"], self.GRID_QUANTS, self.GRID_CONTEXTS[:3])
        text, o = self.weigh("27b", "--quant", "q4_0")
        self.assertEqual(o["point"]["model"], "Gemma 3 27B")

    @unittest.skipIf(SANITIZED, "timing")
    def test_grid_is_quick(self):
        best = 1.0
        for _ in range(5):
            start = time.monotonic()
            self.ok("weigh")
            best = min(best, time.monotonic() - start)
        self.assertLess(best, 0.05)

    def test_point(self):
        text, o = self.weigh("4b", "--quant", "q4_0", "--ctx", "8k", "-n", "2", "--images", "3")
        p = o["point"]
        self.assertEqual((p["context"], p["sessions"], p["images"]), (8192, 2, 3))
        self.assertEqual(p["total"], sum(p["bytes"].values()))
        self.assertIn("%.2f GiB" % (p["total"] / 2**30), text)
        _, o = self.weigh("4b", "--quant", "q4_0", "--ctx", "8k", "--images", "0")
        self.assertEqual(o["point"]["bytes"]["vision"], 0)
        self.assertLess(o["point"]["total"], p["total"])
        text, o = self.weigh("4b", "--quant", "q4_0", "--ctx", "8k", "-n", "2", "--kv", "q8_0")
        self.assertIn("context 8k in q8_0, 2 sessions", text)
        self.assertLess(o["point"]["bytes"]["kv_global"], p["bytes"]["kv_global"] * 0.54)

    def test_file(self):
        text, o = self.weigh(TINY_GGUF)
        info = json.loads(self.ok("info", TINY_GGUF, "--json").stdout)
        b = o["point"]["bytes"]
        self.assertEqual(b["embedding"] + b["attention"] + b["ffn"] + b["norms"], info["weight_bytes"])
        text, o = self.weigh(TINY)
        self.assertEqual(o["point"]["bytes"]["vision"], 0)

    def test_devices(self):
        text, o = self.weigh("12b", "--gpu", "rtx 4090")
        self.assertEqual(o["device"]["name"], "RTX 4090")
        self.assertEqual([f["quant"] for f in o["fits"]], self.GRID_QUANTS)
        for f in o["fits"]:
            self.assertEqual(f["fits"], f["total"] <= o["device"]["usable"])
            self.assertTrue(f["expected"]["is_estimate"])
        self.assertFalse(o["fits"][0]["fits"])  # 12B in bf16 is 24 GB
        self.assertIn("best quality that fits with a context of 8k or more: q8_0", text)
        text, o = self.weigh("27b", "--vram", "4G")
        self.assertIn("nothing fits", text)
        text, o = self.weigh("4b", "--ram", "8G", "--quant", "q4_0", "--ctx", "8k")
        self.assertTrue(o["point"]["fits"])
        text, o = self.weigh("27b", "--ram", "8GiB", "--quant", "q4_0", "--ctx", "8k")
        self.assertFalse(o["point"]["fits"])
        self.assertIn("DOES NOT FIT", text)
        text, o = self.weigh("1b", "--gpu", "iPhone 15 Pro")  # no bandwidth is published
        self.assertIsNone(o["fits"][0]["expected"]["decode_per_second"])
        listed = self.ok("weigh", "--devices").stdout.decode()
        self.assertGreater(len(listed.splitlines()), 150)

    def test_here(self):
        text, o = self.weigh("270m", "--here", "-t", "1")
        self.assertEqual(o["device"]["kind"], "here")
        for rate in ["bandwidth", "fp16", "int8"]:
            self.assertGreater(o["device"][rate], 1e8)
        self.assertGreater(o["device"]["memory"], o["device"]["usable"])

    def test_sheet(self):
        text, o = self.weigh("sheet", "--quant", "q4_0", "--ctx", "8k")
        differs = {k for k, v in o["shape"].items() if v["differs"]}
        self.assertEqual(differs, {"layers", "hidden", "heads", "kv_heads", "parameters"})
        self.assertEqual(o["shape"]["hidden"], {"asked": 2048, "real": 2560, "differs": True})
        self.assertIn("What was not given is taken from Gemma 3 4B.", text)
        same, asked = self.weigh("--layers", "30", "--hidden", "2048", "--heads", "32", "--kv-heads", "8", "--quant",
                                 "q4_0", "--ctx", "8k")
        self.assertEqual(asked, o)

    def test_nonsense(self):
        self.refused("weigh", "--layers", "0", says=["--layers is 0", "1 to 256"], code=2)
        self.refused("weigh", "--ctx", "1000000000000", says=["1000000000000", "131072"])
        self.refused("weigh", "--ctx", "-5", says=["--ctx"], code=2)
        self.refused("weigh", "--gpu", "RTX 4900", says=["no device 'RTX 4900'", "RTX 4090"])
        self.refused("weigh", "--gpu", "", says=["no device ''"])
        for size in ["-8G", "8", "0G", "G", "8X", "nanG", "infG", "1e30G", "8G8", ""]:
            self.refused("weigh", "--ram", size, says=["--ram is", "a size like 8G"], code=2)
        self.refused("weigh", "--ram", "8G", "--vram", "8G", says=["one of"], code=2)
        self.refused("weigh", "gemm-3-4b", says=["did you mean gemma-3-4b-it"])
        self.refused("weigh", "gemma-3n-e4b", says=["another architecture"])
        self.refused("weigh", "--quant", "q99", says=["no quantisation 'q99'", "q4_k_m"])
        self.refused("weigh", "--kv", "q1", says=["--kv is 'q1'"], code=2)
        self.refused("weigh", "4b", "12b", says=["at most one model"], code=2)
        self.refused("weigh", "-m", "4b", "12b", says=["at most one model", "'4b'", "'12b'"], code=2)
        self.refused("run", TINY, "-p", "x", "-c", "1000000000000", says=["1000000000000", "the model has"])
        self.refused("weigh", "--heads", "7", "--kv-heads", "3", says=["whole number of heads"])
        self.refused("weigh", "/nonexistent.gguf", says=["/nonexistent.gguf"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
