"""Images through every command that takes them: run, logits, see, chat, info. Usage: test_images.py CARAT DATA

SPDX-License-Identifier: Apache-2.0
"""
import array
import json
import os
import struct
import tempfile

from program import DATA, IMAGES, SIGHT, TINY, Case, Golden, carat, long, main


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
        self.refused("run", SIGHT, "--image", IMAGES + "rgb8.png", "-p", "<image> <image>", says="1 image for 2 marks '<image>' in")
        self.refused("run", SIGHT, "--image", IMAGES + "rgb8.png", "--image", IMAGES + "rgb8.png", "-p", "<image>",
                     says="2 images for 1 mark '<image>' in")

    def test_run_says_that_a_named_picture_is_text(self):
        with tempfile.TemporaryDirectory() as d:
            os.symlink(SIGHT + "/test/000-0.png", d + "/a.png")
            os.symlink(SIGHT + "/test/000-0.png", d + "/b.png")
            for args, n in (["What is in a.png and b.png?"], 1), (["What is in c.png?"], 0), (["a.png", "--image", "b.png"], 0):
                r = self.ok("run", SIGHT, "-q", "-n", "2", *args, cwd=d)
                self.assertEqual(r.stderr.decode(), "(a.png is sent as text: --image gives pictures)\n" * n)
            self.refused("run", SIGHT, "hi", "--stop", "", says="a stop string is empty")

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
        self.refused("run", TINY, "--image", IMAGES + "rgb8.png", "-p", "What?", says="no vision tower")
        self.refused("run", SIGHT, "--no-vision", "--image", IMAGES + "rgb8.png", "-p", "What?",
                     says="without its vision tower")

    @long
    def test_see_writes_the_views(self):
        with tempfile.TemporaryDirectory() as d:
            j = json.loads(self.ok("see", IMAGES + "size_1200x500.png", "-o", d + "/v", "--json").stdout)
            self.assertEqual(j["views"], [f"{d}/v-{i}.png" for i in range(3)])
            for v in j["views"]:
                with open(v, "rb") as f:
                    self.assertEqual(struct.unpack(">II", f.read(24)[16:]), (896, 896))
            self.ok("see", IMAGES + "size_1200x500.png", "-o", d + "/w", "--pan-scan", "off", "--size", "64")
            self.assertEqual(sorted(os.listdir(d)), ["v-0.png", "v-1.png", "v-2.png", "w-0.png"])
            self.refused("see", IMAGES + "rgb8.png", "-o", "x" * 5000, says="--output has 5000 bytes, expected 1 to 4000")
            self.refused("see", IMAGES + "rgb8.png", "-o", "", says="--output has 0 bytes, expected 1 to 4000")

    def test_chat_takes_files(self):
        talk = f"/image {SIGHT}/test/000-0.png\nWhich one is it?\nWhat color is it?\n/retry\n/undo\n/show\n" \
               f"{SIGHT}/test/001-1.png Is it a digit or a shape?\n/image /none.png\n"
        r = carat("chat", SIGHT, "--temp", "0", "-n", "20", stdin=talk.encode())
        self.assertEqual(r.returncode, 1)
        said = r.stdout.decode()
        self.assertIn("goes with your next message", said)
        self.assertIn("a digit", said)
        self.assertIn("carat: /image /none.png: no such file\n", r.stderr.decode())

    def named(self, d, *lines, model=SIGHT):
        """Chats in a folder that is its home, too. Answers and notices."""
        r = carat("chat", model, "--temp", "0", "-n", "12", cwd=d, stdin="\n".join(lines).encode() + b"\n",
                  env=dict(os.environ, HOME=d))
        return r.stdout.decode(), r.stderr.decode()

    def test_c05_pictures_are_found_however_they_are_named(self):
        with tempfile.TemporaryDirectory() as d:
            names = ["star.png", "my star.png", "it's a star.JPG", "\u5199\u771f.png", "a.png, b.png", "50%.png", "a\\b.png"]
            for name in names:
                with open(SIGHT + "/test/000-0.png", "rb") as f, open(os.path.join(d, name), "wb") as g:
                    g.write(f.read())
            os.mkdir(d + "/sub")
            os.link(d + "/star.png", d + "/sub/star.png")
            os.link(d + "/star.png", d + "/star")
            in_text = ["star.png?", "star.png.", "star.png, please", "star.png: what?", "star.png!", "(star.png)", "star.png)",
                       "[star.png]", "<star.png>", "`star.png`", "'star.png'", "'my star.png'?", '"my star.png",',
                       "\u201cmy star.png\u201d", "my\\ star.png", "my star.png?", "'it's a star.JPG'", "~/star.png?",
                       "'~/my star.png'", f"file://{d}/my%20star.png?", f"file://localhost{d}/star.png", f"file:{d}/star.png",
                       f"{d}/star.png?", "./sub/star.png", "@star.png", "image=star.png", "![it](star.png)", "star.png's",
                       "\u3053\u308cstar.png\u306f", "\u5199\u771f.png\u306f", '"a.png, b.png"', "50%.png", "a\\b.png",
                       "STAR.png star.png"]
            at_once = ["star.png", "star.png?", "my star.png", "my star.png ", "'my star.png'", '"my star.png"', "my\\ star.png",
                       "it's a star.JPG", "it\\'s\\ a\\ star.JPG", "~/star.png", "~/my star.png", "~/my\\ star.png",
                       "'~/my star.png'", f"file://{d}/my%20star.png", f"'file://{d}/my%20star.png'", f"{d}/star.png.",
                       "./sub/star.png", "star", "a.png, b.png", "50%.png", "a\\b.png"]
            said, noted = self.named(d, *[f"What is in this picture? {s}\n/clear" for s in in_text])
            self.assertEqual(len(said.splitlines()), len(in_text), said)
            for answer, spelling in zip(said.splitlines(), in_text):
                self.assertIn("star", answer, spelling)
            self.assertEqual(noted.count("sent as text"), 1, noted)
            self.assertIn("(STAR.png: no such file; sent as text)", noted)
            said, noted = self.named(d, *[f"/image {s}\nWhat is in this picture?\n/clear" for s in at_once])
            self.assertEqual(len(said.splitlines()), 2 * len(at_once), said)
            for shown, answer, spelling in zip(said.splitlines()[::2], said.splitlines()[1::2], at_once):
                self.assertIn("goes with your next message", shown, spelling)
                self.assertEqual("a blue star", answer, spelling)
            said, noted = self.named(d, "/image star.png 'my star.png' it\\'s\\ a\\ star.JPG")
            self.assertEqual(said.count("goes with your next message"), 3)
            self.assertEqual(self.named(d, "What is in this picture? " + "star.png " * 65)[1].count("more than 64"), 1)

    @long
    def test_c05_a_name_without_a_picture_is_never_passed_over(self):
        with tempfile.TemporaryDirectory() as d:
            os.mkdir(d + "/folder.png")
            with open(d + "/a.heic", "wb") as f:
                f.write(b"x")
            with open(d + "/bad.png", "wb") as f:
                f.write(b"x")
            for text, says in [("red.png?", "(red.png: no such file; sent as text)"), ("'my red.png'", "(my red.png: no such"),
                               ("folder.png", "(folder.png: Is a directory; sent"), ("~/no.jpg", "(~/no.jpg: no such file"),
                               ("https://example.org/a.png?x=1", "(https://example.org/a.png: nothing is downloaded;"),
                               ("file:///none/a%20b.png", "(file:///none/a%20b.png: no such file"),
                               ("a.heic", "a.heic: not a format that is read"), ("a\u202eb.png", "(a?b.png: no such"),
                               ("a.png b.png c.png d.png e.png f.png", "(so are 2 other names of pictures)"),
                               ("x" * 5000 + ".png", "sent as text"), ("bad.png", "carat: ")]:
                noted = self.named(d, "What is in this picture? " + text)[1]
                self.assertIn(says, noted)
            for text in "a.png2 a.pngs a.png.bak .png *.png b.heic a.png/x", "no picture":
                self.assertNotIn("sent as text", self.named(d, text)[1])
            for text, says in [("none.png", "none.png: no such file"), ("folder.png", "Is a directory"), ("my none.png", "my none.png: "),
                               ("https://example.org/a.png", "nothing is downloaded"), ("bad.png", "bad.png: ")]:
                said, noted = self.named(d, "/image " + text, "/show")
                self.assertIn(says, noted)
                self.assertNotIn("goes with", said)
            os.symlink(SIGHT + "/test/000-0.png", d + "/star.png")
            self.assertIn("(this model has no vision tower: star.png is sent as text)",
                          self.named(d, "What is in star.png?", model=TINY)[1])
            self.assertIn("no vision tower", self.named(d, "/image star.png", model=TINY)[1])

    def test_chat_takes_long_words(self):
        """Text without spaces is no name of a file, and no error, however long."""
        for n in (4095, 4096, 70000):
            r = carat("chat", SIGHT, "-n", "2", "--ctx", "1024", stdin=b"*" * 60 + "漢".encode() * (n // 3) + b"\n/show\n")
            self.assertNotIn("no memory", r.stderr.decode() + r.stdout.decode())
            self.assertIn("do not fit the context", r.stderr.decode())  # which is why it fails
            self.assertEqual(r.returncode, 1)

    def test_info_shows_the_tower(self):
        j = json.loads(self.ok("info", SIGHT, "--json").stdout)
        self.assertEqual((j["vision"], j["vision_layers"], j["tokens_per_image"], j["image_size"]), (True, 4, 16, 112))
        text = self.ok("info", DATA + "/models/tiny-vl/gguf/tiny-vl-f32.gguf").stdout.decode()
        self.assertIn("mmproj-tiny-vl-f32.gguf", text)


if __name__ == "__main__":
    main()
