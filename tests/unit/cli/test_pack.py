"""carat pack: a model that is mapped. Usage: test_pack.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os
import re
import resource
import signal
import struct
import subprocess
import time

from program import CARAT, DATA, IMAGES, SANITIZED, TINY, TINY_GGUF, Folder, carat, long, main

FIXED, AT_HASH, ENTRY = 512, 480, 80
IDS = "2,10,11,12,13,14,15,16,17,18,19,20"
VL = DATA + "/models/tiny-vl/gguf/"
ENCODER = DATA + "/models/tiny-encoder/gguf/tiny-encoder-f32.gguf"


def levels():
    """Those that this machine computes with."""
    names = ["generic"] + "avx2 avx512 avx512bf16 amx amx_plain neon dotprod i8mm".split()
    return [n for n in names if subprocess.run([CARAT, "logits", TINY_GGUF, "--ids", "2", "-o", "/dev/null", "--cpu", n],
                                               capture_output=True).returncode == 0]


def sealed(data):
    """The same with the hash that its head now has."""
    head = struct.unpack_from("<Q", data, 24)[0]
    digest = hashlib.sha256(data[:AT_HASH] + data[FIXED:head]).digest()
    return data[:AT_HASH] + digest + data[FIXED:]


class Packs(Folder):
    def pack(self, model=TINY_GGUF, name="m.pack", *args):
        out = self.path(name)
        self.ok("pack", model, "-o", out, "-t", "1", *args)
        return out

    def bytes(self, path):
        with open(path, "rb") as f:
            return f.read()

    def write(self, name, data):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def logits(self, model, *args):
        out = self.path("logits")
        self.ok("logits", model, "--ids", IDS, "-o", out, *args)
        return self.bytes(out)


class Equality(Packs):
    @long
    def test_every_level_computes_the_same_bits(self):
        pack = self.pack()
        for level in levels():
            self.assertEqual(self.logits(pack, "--cpu", level), self.logits(TINY_GGUF, "--cpu", level), level)
        self.assertEqual(self.logits(pack, "--exact"), self.logits(TINY_GGUF, "--exact"))

    def test_every_type_computes_the_same_bits(self):
        for t in ("bf16", "q4_0", "q4_k_m", "iq2_xs"):
            model = self.path(t + ".gguf")
            self.ok("synth", "270m", "--layers", "2", "--hidden", "256", "--ffn", "512", "--vocab", "700", "--type", t,
                    "-o", model)
            pack = self.pack(model, t + ".pack")
            self.assertEqual(self.logits(pack), self.logits(model), t)
            os.unlink(pack)

    def soft_tokens(self, model, *args):
        out = self.path("soft")
        self.ok("logits", model, "--image", IMAGES + os.listdir(IMAGES)[0], "--soft-tokens", out, *args)
        return self.bytes(out)

    def test_a_tower_is_in_it(self):
        """Of a file beside the model, found or named."""
        model, mmproj = VL + "tiny-vl-f32.gguf", VL + "mmproj-tiny-vl-f32.gguf"
        seen = self.soft_tokens(model)
        for args in ([], ["--mmproj", mmproj]):
            pack = self.pack(model, "m.pack", *args)
            info = json.loads(self.ok("info", pack, "--json").stdout)
            self.assertEqual((info["container"], info["vision"]), ("pack", True))
            self.assertEqual(self.soft_tokens(pack), seen)
        text = self.pack(model, "text.pack", "--no-vision")
        self.refused("run", text, "--image", IMAGES + os.listdir(IMAGES)[0], "-p", "a", says="vision tower")
        self.assertEqual(self.soft_tokens(text, "--mmproj", mmproj), seen)

    @long
    def test_a_tower_in_the_models_own_file(self):
        model = self.path("m.gguf")
        self.ok("synth", "4b", "--vision", "--tower-type", "q8_0", "--tower-layers", "1", "--layers", "1", "--hidden", "64", "--ffn",
                "64", "--vocab", "700", "-o", model)
        pack = self.pack(model)
        self.assertTrue(json.loads(self.ok("info", pack, "--json").stdout)["vision"])
        self.assertEqual(self.logits(pack), self.logits(model))
        self.ok("pack", "--check", pack)

    def test_vectors_of_an_embedding_model(self):
        pack = self.pack(ENCODER)
        self.assertEqual(self.ok("embed", pack, "Hello", "-t", "1").stdout, self.ok("embed", ENCODER, "Hello", "-t", "1").stdout)

    def test_it_says_what_its_model_says(self):
        pack = self.pack()
        a, b = (json.loads(self.ok("info", m, "--json").stdout) for m in (TINY_GGUF, pack))
        for key in a:
            if key not in ("path", "container", "file_bytes"):
                self.assertEqual(a[key], b[key], key)
        for text in ("Hello  world 12", "\t\u00e4\u20ac \U0001f600   x"):
            self.assertEqual(self.ok("tokenize", pack, text).stdout, self.ok("tokenize", TINY_GGUF, text).stdout)

    def test_sessions_go_from_one_to_the_other(self):
        pack, session = self.pack(), self.path("s.session")
        for model, says in ((TINY_GGUF, b""), (pack, b"resuming after 2 messages"), (TINY_GGUF, b"resuming after 4 messages")):
            r = self.ok("chat", model, "--chat-template", "gemma", "-n", "4", "--session", session, stdin=b"Hello\n")
            self.assertIn(says, r.stderr)
        other = TINY_GGUF.replace("f32", "q8_0")
        for model in (other, self.pack(other, "q.pack")):
            self.assertIn(b"another model", carat("chat", model, "--chat-template", "gemma", "--session", session, stdin=b"a\n").stderr)

    def test_it_serves_as_a_draft_and_takes_adapters_of_its_model(self):
        pack = self.pack()
        plain = self.ok("run", TINY_GGUF, "--raw", "-p", "ab ab ab", "-n", "8", "--temp", "0").stdout
        self.assertEqual(self.ok("run", pack, "--raw", "-p", "ab ab ab", "-n", "8", "--temp", "0").stdout, plain)
        self.assertEqual(self.ok("run", TINY_GGUF, "--draft", pack, "--raw", "-p", "ab ab ab", "-n", "8", "--temp", "0").stdout,
                         plain)

    def test_memory_is_weighed_as_mapped(self):
        pack = self.pack()
        of = [json.loads(self.ok("weigh", m, "--ctx", "128", "--json").stdout)["point"] for m in (TINY_GGUF, pack)]
        weights = sum(of[1]["bytes"][k] for k in ("embedding", "attention", "ffn", "norms"))
        self.assertEqual((of[0]["mapped"], of[1]["mapped"]), (0, weights))
        self.assertIn(b"mapped from the pack", self.ok("weigh", pack, "--ctx", "128").stdout)
        self.assertLessEqual(of[1]["total"], of[0]["total"])


class Writing(Packs):
    def test_what_is_no_model_for_it_is_refused(self):
        pack = self.pack()
        out = self.path("o.pack")
        self.refused("pack", pack, "-o", out, says="it is a pack already")
        self.refused("pack", TINY, "-o", out, says=["a folder", "carat quantize"])
        self.refused("pack", TINY_GGUF, "-o", TINY_GGUF, says=[TINY_GGUF, "choose another file"])
        vl = VL + "tiny-vl-f32.gguf"
        self.refused("pack", vl, "-o", VL + "mmproj-tiny-vl-f32.gguf", says="choose another file")
        self.refused("pack", pack, says="needs a model and -o FILE", code=2)
        self.refused("pack", pack, "--check", "-o", out, says="needs a model and -o FILE", code=2)
        self.refused("pack", "--check", TINY_GGUF, says=["not a pack", "a GGUF file"])
        self.assertFalse(os.path.exists(out))

    def test_others_that_read_weights_say_what_to_use(self):
        pack, out = self.pack(), self.path("o.gguf")
        self.refused("quantize", pack, out, "--type", "q8_0", says="use the model that the pack was made from")
        self.refused("info", pack, "--compare", TINY_GGUF, says="use the model that the pack was made from")
        self.refused("merge", pack, TINY_GGUF, "-o", out, says="packed by carat pack")
        self.assertFalse(os.path.exists(out))

    def test_nobody_writes_to_it_by_mistake_and_it_can_be_replaced(self):
        pack = self.pack()
        self.assertEqual(os.stat(pack).st_mode & 0o222, 0)
        inode = os.stat(pack).st_ino
        self.pack()
        self.assertNotEqual(os.stat(pack).st_ino, inode)
        self.assertEqual(os.listdir(self.dir.name), ["m.pack"])

    def test_a_full_disk_leaves_nothing(self):
        out = self.path("o.pack")
        self.refused("pack", TINY_GGUF, "-o", out, says=["cannot be written", "File too large"],
                     preexec_fn=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
                                         resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))))
        self.assertEqual(os.listdir(self.dir.name), [])

    def test_the_same_bytes_on_any_threads(self):
        a, b = self.pack(), self.path("b.pack")
        self.ok("pack", TINY_GGUF, "-o", b, "-t", "3")
        self.assertEqual(self.bytes(a), self.bytes(b))

    def test_trust_header_is_settled_when_it_is_packed(self):
        self.refused("run", self.pack(), "--trust-header", "--raw", "-p", "a", "-n", "1", says="packed without --trust-header")
        trusting = self.pack(TINY_GGUF, "t.pack", "--trust-header")
        self.assertEqual(self.logits(trusting), self.logits(TINY_GGUF, "--trust-header"))


class Hostile(Packs):
    def opened(self, path, says):
        self.refused("info", path, says=says)

    def test_cut_anywhere(self):
        data = self.bytes(self.pack())
        for n in (8, 100, FIXED, FIXED + 1, 5000, len(data) // 2, len(data) - 4096, len(data) - 1):
            says = "it has %d bytes, a pack has more" % n if n < FIXED else "had %d when it was packed" % len(data)
            self.opened(self.write("cut", data[:n]), says)
            self.assertIn(b"an incomplete download", carat("info", self.path("cut")).stderr)
        self.opened(self.write("cut", data[:7]), "not a ")
        self.opened(self.write("long", data + b"\0"), "had %d when it was packed: something was added to it" % len(data))

    @long
    def test_any_bit_of_the_head(self):
        data = self.bytes(self.pack())
        head = struct.unpack_from("<Q", data, 24)[0]
        for at in [12, 33, 130, 192, 300, 353, 400, 480, 511, FIXED, FIXED + 100, head // 2, head - 1]:
            changed = bytearray(data)
            changed[at] ^= 1
            self.opened(self.write("bit", changed), "its head has another hash")

    @long
    def test_heads_whose_hash_is_right(self):
        """Made by somebody who knows how: places that overlap, lead out, are not aligned; nothing is mapped by them."""
        data = self.bytes(self.pack())
        block, n_block, hashes = (struct.unpack_from("<Q", data, 32 + o)[0] for o in (16, 24, 64))
        keys, n_keys = struct.unpack_from("<QQ", data, 32)
        for at, value, says in (
                (8, 2, "version"), (16, len(data) + 4096, "when it was packed"), (24, 100, "the size of its head"),
                (24, 1 << 62, "the size of its head"), (32, 8, "out of place"), (32, 1 << 63, "out of place"),
                (40, 1 << 62, "out of place"), (40, (1 << 64) - keys, "out of place"), (48, block + 4096, "a block is out of place"),
                (48, 0, "a block is out of place"), (48, 1 << 63, "a block is out of place"), (56, 0, "a block is out of place"),
                (56, n_block * 1000, "a block is out of place"), (56, (1 << 64) - 1, "a block is out of place"),
                (56, n_block - 64, "pack the model again"), (96, keys, "out of place"), (96, hashes + 64, "out of place"),
                (112, keys, "out of place")):
            changed = bytearray(data)
            struct.pack_into("<Q" if at != 8 else "<I", changed, at, value % (1 << 64))
            with self.subTest(at=at, value=value):
                made = sealed(bytes(changed)) if struct.unpack_from("<Q", changed, 24)[0] < len(data) else bytes(changed)
                path = self.write("made", made)
                if at == 56 and value == n_block - 64: # found where the weights are needed
                    self.refused("run", path, "--raw", "-p", "a", "-n", "1", says=says)
                else:
                    self.opened(path, says)

    def test_another_layout_is_refused_with_what_to_do(self):
        changed = bytearray(self.bytes(self.pack()))
        changed[32 + 32] ^= 1
        changed[352:352 + 9] = b"tiles 9\0\0"
        changed[288:288 + 12] = b"carat 0.9.0\0"
        path = self.write("other", sealed(bytes(changed)))
        text = self.refused("run", path, "--raw", "-p", "a", "-n", "1", says=["carat 0.9.0", "'tiles 9", "pack the model again"])
        self.assertIn("panels of 16 rows", text)

    def test_names_in_it_are_no_commands_to_the_terminal(self):
        changed = bytearray(self.bytes(self.pack()))
        changed[288] = 27
        self.opened(self.write("esc", sealed(bytes(changed))), "a name in its head")

    def test_a_bit_of_the_weights_is_found_by_a_check(self):
        data = self.bytes(self.pack())
        block, n_block = struct.unpack_from("<QQ", data, 48)
        self.ok("pack", "--check", self.write("right", data))
        for at in (block, block + n_block // 2, block + n_block - 1):
            changed = bytearray(data)
            changed[at] ^= 64
            path = self.write("bit", changed)
            self.refused("pack", "--check", path, says="the %d bytes at " % (4 << 20))
            self.ok("info", path)
        for at in (block - 1, len(data) - 1):
            changed = bytearray(data)
            changed[at] = 1
            self.refused("pack", "--check", self.write("gap", changed), says="is not zero")

    def test_keys_that_are_none(self):
        data = self.bytes(self.pack())
        keys, n_keys = struct.unpack_from("<QQ", data, 32)
        for change in (lambda d: d[:keys] + b"GGUX" + d[keys + 4:], lambda d: d[:keys + 8] + b"\xff" * 8 + d[keys + 16:]):
            path = self.write("keys", sealed(change(data)))
            self.refused("info", path, says=os.path.basename(path))

    def test_a_file_that_is_cut_while_it_is_used_ends_with_its_reason(self):
        """A mapping cannot be an error: the program says what has happened, and ends."""
        if SANITIZED:
            self.skipTest("the sanitizer has its own word")
        pack = self.pack()
        p = subprocess.Popen([CARAT, "chat", pack, "--chat-template", "gemma", "-t", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        for _ in range(600):
            with open("/proc/%d/maps" % p.pid) as f:
                if "m.pack" in f.read():
                    break
            time.sleep(0.05)
        os.chmod(pack, 0o600)
        os.truncate(pack, 4096)
        _, err = p.communicate(b"Hello\n", timeout=60)
        self.assertEqual(p.returncode, 1, err)
        self.assertIn(b"has become shorter", err)


class Sharing(Packs):
    @long
    def test_processes_share_the_weights(self):
        """What is mapped by several is nobody's own: each one's share of it is a part."""
        if SANITIZED:
            self.skipTest("a sanitizer's memory is much larger than the model's")
        model = self.path("m.gguf")
        self.ok("synth", "270m", "--layers", "2", "--hidden", "512", "--ffn", "2048", "--vocab", "8000", "--type", "q8_0", "-o", model)
        pack = self.pack(model)
        size = struct.unpack_from("<Q", self.bytes(pack), 56)[0]
        users = [subprocess.Popen([CARAT, "chat", pack, "--chat-template", "gemma", "-t", "1", "-n", "1"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
        try:
            for p in users:
                p.stdin.write(b"Hello\n")
                p.stdin.flush()
            own, shared = self.memory(users, size)
            self.assertGreater(shared, 0.9 * size)
            self.assertLess(own, 0.1 * size)
        finally:
            for p in users:
                p.communicate(timeout=60)

    def memory(self, users, size):
        """Of the pack's mapping: bytes of one process that are its own, and that it shares, once both have used all of it."""
        for _ in range(1200):
            of = [self.mapping(p.pid) for p in users]
            if all(shared > 0.9 * size for _, shared in of):
                break
            time.sleep(0.05)
        return max(o for o, _ in of), min(s for _, s in of)

    def mapping(self, pid):
        own = shared = 0
        is_pack = False
        with open("/proc/%d/smaps" % pid) as f:
            for line in f:
                if re.match("[0-9a-f]+-[0-9a-f]+ ", line):
                    is_pack = line.endswith("m.pack\n")
                elif is_pack and line.startswith("Private_"):
                    own += 1024 * int(line.split()[1])
                elif is_pack and line.startswith("Shared_"):
                    shared += 1024 * int(line.split()[1])
        return own, shared


main()
